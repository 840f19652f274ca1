"""How many galaxies and active nuclei there are, by redshift and brightness.

Galaxies follow Schechter functions of the rest-frame AB magnitude M,

    phi(M) dM = 0.4 ln(10) phi* x^(alpha+1) exp(-x) dM,   x = 10^(-0.4 (M - M*))
    M*(z) = M0 - 2.5 log10((1 + z - 0.8)^q),  phi*(z) = phi0 exp(-p (z - 0.8)),
    alpha(z) = -(z / 0.01)^r

with M0, q, phi0, p, r by rest wavelength, fitted to 342 measured luminosity functions
from 0.15 to 4.5 um (Helgason, Ricotti & Kashlinsky 2012, ApJ 752, 113, table 2). Taken at
the rest wavelength that is seen in the filter, lambda / (1 + z), they need no
k-correction: m = M + (m - M)(z) - 2.5 log10(1 + z).

The share of red galaxies is that of the B-band functions of Herbel et al. 2017 (JCAP 08,
035), at equal M - M*. Quasars follow the double power law of Palanque-Delabrouille et al.
2013 (A&A 551, A29, table 6).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqueduct.simulate.scene.cosmology import distance_modulus, volume

Floats = NDArray[np.float64]

_BANDS: Final = np.array(
    [
        # um    M0      q    phi0  p    r
        [0.15, -19.62, 1.1, 2.43, 0.2, 0.086],
        [0.36, -20.20, 1.0, 5.46, 0.5, 0.076],
        [0.45, -21.35, 0.6, 3.41, 0.4, 0.055],
        [0.55, -22.13, 0.5, 2.42, 0.5, 0.060],
        [0.65, -22.40, 0.5, 2.25, 0.5, 0.070],
        [0.79, -22.80, 0.4, 2.05, 0.4, 0.070],
        [0.91, -22.86, 0.4, 2.55, 0.4, 0.060],
        [1.27, -23.04, 0.4, 2.21, 0.6, 0.035],
        [1.63, -23.41, 0.5, 1.91, 0.8, 0.035],
        [2.20, -22.97, 0.4, 2.74, 0.8, 0.035],
    ]
)
_BLUE: Final = (-20.40492365, -0.9408582, 3.70253e-3, -0.10268436, -1.3)
_RED: Final = (-20.37196157, -0.70798041, 3.5097e-3, -0.70596888, -0.5)
"""M*(0), its slope with z, phi*(0), its exponent with z, alpha."""
_QUASAR_LOG_DENSITY: Final = -5.89
_QUASAR_BREAK: Final = -26.36
_QUASAR_Z: Final = 2.2
_G_TO_F158: Final = 1.25 * np.log10(1.577 / 0.478)
"""Colour of f_nu ~ nu^-0.5 between the pivot wavelengths."""


def schechter(wavelength: ArrayLike, z: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """(M*, phi* in Mpc^-3, alpha) at rest wavelengths in um, interpolated in their logarithm."""
    wave, z = np.broadcast_arrays(np.asarray(wavelength, float), np.asarray(z, float))
    shape, wave, z = wave.shape, np.log(wave.ravel()), z.ravel()
    known, m0, q, phi0, p, r = (column[:, None] for column in _BANDS.T)
    bright = m0 - 2.5 * q * np.log10(1 + np.maximum(z, 0) - 0.8)
    density = np.log(phi0 * 1e-3) - p * (z - 0.8)
    slope = -((np.maximum(z, 0.01) / 0.01) ** r)
    left = np.clip(np.searchsorted(np.log(known[:, 0]), wave) - 1, 0, len(known) - 2)
    ends = np.log(known[left, 0]), np.log(known[left + 1, 0])
    share = np.clip((wave - ends[0]) / (ends[1] - ends[0]), 0, 1)

    def between(values: Floats) -> Floats:
        every = np.arange(len(wave))
        low, high = values[left, every], values[left + 1, every]
        return np.asarray(low + share * (high - low)).reshape(shape)

    return between(bright), np.exp(between(density)), between(slope)


def galaxy_density(magnitude: ArrayLike, z: ArrayLike, wavelength: float) -> Floats:
    """Galaxies per square degree, magnitude and unit redshift.

    Parameters
    ----------
    magnitude, z : array_like
        Apparent AB magnitude; broadcast against each other.
    wavelength : float
        At which they are observed, um.
    """
    z = np.asarray(z, float)
    bright, density, alpha = schechter(wavelength / (1 + z), z)
    x = 10 ** (-0.4 * (absolute(magnitude, z) - bright))
    phi = 0.4 * np.log(10) * density * x ** (alpha + 1) * np.exp(-x)
    return np.asarray(phi * volume(z))


def absolute(magnitude: ArrayLike, z: ArrayLike) -> Floats:
    """Rest-frame magnitude at the rest wavelength that is observed."""
    z = np.asarray(z, float)
    return np.asarray(np.asarray(magnitude) - distance_modulus(z) + 2.5 * np.log10(1 + z))


def red_share(relative: ArrayLike, z: ArrayLike) -> Floats:
    """Share of red (quiescent) galaxies at M - M* = ``relative`` and a redshift.

    The fits end at z = 1.5; beyond, M* stays and phi* goes on.
    """
    z = np.asarray(z, float)
    kinds = [np.asarray(0.0)] * 2
    for k, (_, _, phi0, rate, alpha) in enumerate((_BLUE, _RED)):
        x = 10 ** (-0.4 * (np.asarray(relative) - _offset(k, z)))
        kinds[k] = phi0 * np.exp(rate * z) * x ** (alpha + 1) * np.exp(-x)
    blue, red = kinds
    return np.asarray(red / (red + blue))


def _offset(kind: int, z: Floats) -> Floats:
    """M* of a kind minus the mean M* of both, which stands for that of all galaxies."""
    late = np.minimum(z, 1.5)
    stars = [m0 + slope * late for m0, slope, *_ in (_BLUE, _RED)]
    return np.asarray(stars[kind] - 0.5 * (stars[0] + stars[1]))


def quasar_density(magnitude: ArrayLike, z: ArrayLike) -> Floats:
    """Quasars per square degree, F158 magnitude and unit redshift; measured at 0.7 < z < 4."""
    z = np.asarray(z, float)
    k_correction = -1.25 * np.log10((1 + z) / 3)
    g_band = np.asarray(magnitude) + _G_TO_F158 - distance_modulus(z) - k_correction
    late = z > _QUASAR_Z
    bright, faint = np.where(late, -3.19, -3.5), np.where(late, -1.17, -1.43)
    first, second = np.where(late, -0.35, 0.03), np.where(late, -0.02, -0.34)
    past = z - _QUASAR_Z
    edge = _QUASAR_BREAK - 2.5 * (first * past + second * past**2)
    steps = [10 ** (0.4 * (slope + 1) * (g_band - edge)) for slope in (bright, faint)]
    return np.asarray(10**_QUASAR_LOG_DENSITY / (steps[0] + steps[1]) * volume(z))
