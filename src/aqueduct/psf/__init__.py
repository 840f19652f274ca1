"""PSF models and their use: evaluate, interpolate over the detector, render."""

from aqueduct.psf.epsf import Epsf

__all__ = ["Epsf"]
