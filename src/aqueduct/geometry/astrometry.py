"""Positions of stars at another epoch: proper motion and parallax.

With n the direction at the catalog's epoch, e_a and e_d the unit vectors to the east and
to the north there, t the time since and r the Earth from the barycentre [AU]::

    n' = n + t (mu_a* e_a + mu_d e_d) - w [(r.e_a) e_a + (r.e_d) e_d]

Source: Lindegren et al. 2012, A&A 538, A78, section 3.2, without the radial motion.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from aqueduct.geometry.tangent import Floats, axes, direction, vector

MAS: Final = np.pi / 180 / 3600e3


def propagated(
    ra: ArrayLike,
    dec: ArrayLike,
    pmra: ArrayLike,
    pmdec: ArrayLike,
    parallax: ArrayLike,
    years: float,
    earth: ArrayLike = (0.0, 0.0, 0.0),
) -> tuple[Floats, Floats]:
    """Directions ``years`` later, as seen from ``earth``.

    Parameters
    ----------
    ra, dec : array_like
        Degrees, barycentric.
    pmra, pmdec : array_like
        mas/yr; ``pmra`` is mu_alpha cos(dec). NaN counts as at rest.
    parallax : array_like
        mas; NaN counts as infinitely far.
    years : float
        Julian years from the catalog's epoch.
    earth : array_like, (3,)
        Observer from the barycentre, AU, ICRS axes (:func:`earth_position`).

    Returns
    -------
    ra, dec : ndarray
        Degrees.
    """
    east, north = axes(ra, dec)
    here = np.asarray(earth, float)
    distance = np.nan_to_num(np.asarray(parallax, float))
    along = [
        MAS * (years * np.nan_to_num(np.asarray(motion, float)) - distance * (axis @ here))
        for motion, axis in ((pmra, east), (pmdec, north))
    ]
    return direction(vector(ra, dec) + along[0][..., None] * east + along[1][..., None] * north)


def earth_position(time: Any) -> Floats:
    """The Earth from the barycentre, AU, ICRS axes.

    The observatory at L2 is 1 % farther from the Sun: 0.1 mas on a star at 100 pc.
    """
    from astropy.coordinates import get_body_barycentric

    return np.asarray(get_body_barycentric("earth", time, ephemeris="builtin").xyz.to_value("AU"))
