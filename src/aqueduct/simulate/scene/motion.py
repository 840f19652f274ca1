"""Where sources are at a time: proper motion, parallax and solar-system rates.

The equation is that of :mod:`aqueduct.simulate.scene.scene`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.threads import bands, over
from aqueduct.geometry.astrometry import earth_position
from aqueduct.geometry.tangent import BAND, deproject
from aqueduct.kernels.compile import jit

Floats = NDArray[np.float64]
Pair = tuple[Floats, Floats]

_ARCSEC: Final = math.pi / 648_000
_MAS: Final = _ARCSEC / 1000


def displaced(
    place: Pair,
    motion: Pair,
    parallax: Floats,
    rate: Pair,
    years: float,
    hours: float,
    time: Any,
) -> Pair:
    """Apparent directions at a time, aberration and light bending left out.

    Parameters
    ----------
    place : pair of ndarray, (n,)
        (ra, dec) seen from the barycentre, degrees.
    motion : pair of ndarray
        Proper motion, mas/yr.
    parallax : ndarray
        mas.
    rate : pair of ndarray
        arcsec/hour.
    years, hours : float
        Since the places hold for ``motion`` and for ``rate``.
    time : astropy.time.Time
        For the place of the Earth.

    Returns
    -------
    ra, dec : ndarray
        Degrees, ra in [0, 360).
    """
    earth = earth_position(time)
    columns = [np.ascontiguousarray(c, np.float64) for c in (*place, *motion, parallax, *rate)]
    ra, dec = np.empty_like(columns[0]), np.empty_like(columns[0])

    def band(limits: tuple[int, int]) -> None:
        part = slice(*limits)
        a, d, east, north, swing, right, up = (column[part] for column in columns)
        _move(a, d, east, north, swing, right, up, years, hours, earth, ra[part], dec[part])

    over(band, bands(len(ra), BAND))
    return ra, dec


@jit
def _move(
    ra: Floats,
    dec: Floats,
    pmra: Floats,
    pmdec: Floats,
    parallax: Floats,
    rate_ra: Floats,
    rate_dec: Floats,
    years: float,
    hours: float,
    earth: Floats,
    new_ra: Floats,
    new_dec: Floats,
) -> None:
    for k in range(ra.size):
        a, d = math.radians(ra[k]), math.radians(dec[k])
        sin, cos = math.sin(d), math.cos(d)
        toward = math.cos(a) * earth[0] + math.sin(a) * earth[1]
        east = math.cos(a) * earth[1] - math.sin(a) * earth[0]
        north = cos * earth[2] - sin * toward
        xi = (years * pmra[k] - parallax[k] * east) * _MAS + hours * rate_ra[k] * _ARCSEC
        eta = (years * pmdec[k] - parallax[k] * north) * _MAS + hours * rate_dec[k] * _ARCSEC
        new_a, new_d = deproject(xi, eta, a, sin, cos)
        new_ra[k], new_dec[k] = math.degrees(new_a), math.degrees(new_d)
