"""The light a PSF is made for: which wavelengths stand for a source in a filter.

    share of the photons at lambda  ~  f_nu(lambda) A(lambda) / lambda

with A the effective area of the detector and element. A spectral type stands for the black
body of its effective temperature, which leaves out bands and lines.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import nearest
from aqueduct.core.errors import ConfigError
from aqueduct.instrument.filters import effective_area
from aqueduct.instrument.spectrum import Spectrum, planck
from aqueduct.psf.diffraction import gauss_nodes

Floats = NDArray[np.float64]

Light: TypeAlias = Spectrum | str | float
"""A spectrum, a spectral type of :data:`TEMPERATURES`, or one wavelength in micrometre."""

TEMPERATURES: Final = {"A0V": 9700.0, "G2V": 5770.0, "K0V": 5270.0, "M5V": 3050.0}
"""Effective temperature in kelvin (Pecaut & Mamajek 2013, ApJS 208, 9)."""


def blackbody(temperature: float) -> Spectrum:
    """Spectrum of a black body from 0.4 to 2.6 micrometre, 1 nJy at 1 micrometre."""
    wave = np.linspace(0.4, 2.6, 2201)
    return Spectrum(wave, planck(wave, temperature))


def photon_nodes(
    detector: str, element: str, light: Light | None, count: int
) -> tuple[Floats, Floats]:
    """Wavelengths (micrometre, ascending) that stand for a spectrum, and their shares.

    Parameters
    ----------
    detector, element : str
    light : Light, optional
        Flat in f_nu if not given.
    count : int
        Nodes of the Gauss rule.

    Raises
    ------
    ConfigError
        If a spectral type is not known or no light passes the element.
    """
    if isinstance(light, float | int):
        return np.array([float(light)]), np.ones(1)
    spectrum = _typical(light) if isinstance(light, str) else light
    wave, area = effective_area(detector, element)
    if spectrum is not None:
        own = spectrum.wavelength
        union = np.union1d(wave, own[(own > wave[0]) & (own < wave[-1])])
        wave, area = union, np.interp(union, wave, area) * spectrum(union)
    photons = area / wave * np.gradient(wave)
    lit = photons > 0
    if not lit.any():
        raise ConfigError(f"no light of this spectrum passes {element}")
    return gauss_nodes(wave[lit], photons[lit], min(count, int(lit.sum())))


def _typical(name: str) -> Spectrum:
    if name not in TEMPERATURES:
        raise ConfigError(f"no spectral type {name!r}", hint=nearest(name, TEMPERATURES))
    return blackbody(TEMPERATURES[name])
