"""PSF models and their use: evaluate, interpolate over the detector, render, match."""

from aqueduct.psf.blur import Jitter
from aqueduct.psf.energy import effective_pixels, encircled_energy, fwhm
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.matching import Matching, matching_kernel
from aqueduct.psf.model import PsfImage, PsfModel, image
from aqueduct.psf.optical import OpticalModel, optical_epsf
from aqueduct.psf.reference import epsf_reference, extended_psf

__all__ = [
    "Epsf",
    "Jitter",
    "Matching",
    "OpticalModel",
    "PsfImage",
    "PsfModel",
    "effective_pixels",
    "encircled_energy",
    "epsf_reference",
    "extended_psf",
    "fwhm",
    "image",
    "matching_kernel",
    "optical_epsf",
]
