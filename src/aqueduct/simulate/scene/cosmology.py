"""Distances and volumes in a flat universe of matter and a cosmological constant.

    D_C(z) = c / H0  integral_0^z dz' / E(z'),   E = sqrt(Om (1+z)^3 + 1 - Om)
    m - M  = 5 log10((1+z) D_C / 10 pc)
    dV/dz  = D_C^2 c / (H0 E) per steradian

with H0 = 70 km/s/Mpc and Om = 0.3, in which the luminosity functions and sizes used here
were published. Source: Hogg 1999, astro-ph/9905116. Radiation is left out.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

H0: Final = 70.0
MATTER: Final = 0.3
HUBBLE_DISTANCE: Final = 299_792.458 / H0
"""c / H0, Mpc."""
_FURTHEST: Final = 20.0


def expansion(z: ArrayLike) -> Floats:
    """E(z) = H(z) / H0."""
    return np.sqrt(MATTER * (1 + np.asarray(z, float)) ** 3 + 1 - MATTER)


def comoving_distance(z: ArrayLike) -> Floats:
    """D_C in Mpc, for redshifts up to 20."""
    return np.asarray(np.interp(np.asarray(z, float), *_table()))


def distance_modulus(z: ArrayLike) -> Floats:
    """Distance modulus m - M for bolometric magnitudes."""
    z = np.asarray(z, float)
    return 5 * np.log10((1 + z) * comoving_distance(z)) + 25


def volume(z: ArrayLike) -> Floats:
    """Comoving volume dV/dz in Mpc^3 per square degree."""
    shell = comoving_distance(z) ** 2 * HUBBLE_DISTANCE / expansion(z)
    return np.asarray(shell * np.radians(1) ** 2)


def arcsec_per_kpc(z: ArrayLike) -> Floats:
    """Angle under which a proper kpc is seen."""
    z = np.asarray(z, float)
    return np.degrees(1e-3 * (1 + z) / comoving_distance(z)) * 3600


@cache
def _table() -> tuple[Floats, Floats]:
    z = np.linspace(0, _FURTHEST, 20_001)
    step = 1 / expansion(z)
    parts = 0.5 * (step[1:] + step[:-1]) * np.diff(z)
    return z, HUBBLE_DISTANCE * np.concatenate([[0.0], np.cumsum(parts)])
