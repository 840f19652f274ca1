"""Where the telescope points: from a target and an angle to each detector's reference point.

The attitude is the matrix M from the telescope's axes to the sky, with (V2, V3) a
direction (cos V3 cos V2, cos V3 sin V2, sin V3) [V1 axis first]::

    M = R_z(ra) R_y(-dec) R_x(-roll) R_y(v3) R_z(-v2)

for any one point (v2, v3) seen at (ra, dec) with V3 at position angle roll.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from aqueduct.core.errors import InputError
from aqueduct.geometry.footprint import outline, s_region
from aqueduct.geometry.siaf import SIZE, aperture
from aqueduct.geometry.tangent import Floats, direction, vector

LIGHT: Final = 299792.458
"""Speed of light, km/s."""
FASTEST: Final = 500.0
"""Largest credible velocity component of the observatory, km/s."""


def attitude(ra: float, dec: float, roll: float, v2: float, v3: float) -> Floats:
    """Rotation matrix from the telescope's axes to the sky.

    Parameters
    ----------
    ra, dec, roll : float
        Degrees: where (v2, v3) is seen, and the position angle of V3 there.
    v2, v3 : float
        Arcsec.
    """
    turns = [("z", ra), ("y", -dec), ("x", -roll), ("y", v3 / 3600), ("z", -v2 / 3600)]
    return np.asarray(np.linalg.multi_dot([_rotation(axis, angle) for axis, angle in turns]))


def _rotation(axis: str, degrees: float) -> Floats:
    """Turn vectors by an angle about an axis, right-handed."""
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = cos
    matrix[first, second], matrix[second, first] = -sin, sin
    return matrix


def on_sky(matrix: Floats, v2: ArrayLike, v3: ArrayLike) -> tuple[Floats, Floats]:
    """(ra, dec) in degrees of (V2, V3) in arcsec."""
    return direction(vector(np.divide(v2, 3600), np.divide(v3, 3600)) @ matrix.T)


def roll_at(matrix: Floats, v2: float, v3: float) -> float:
    """Position angle of V3 at (V2, V3), degrees east of north in [0, 360)."""
    a, b = math.radians(v2 / 3600), math.radians(v3 / 3600)
    upward = matrix @ [-math.sin(b) * math.cos(a), -math.sin(b) * math.sin(a), math.cos(b)]
    ra, dec = (math.radians(float(angle)) for angle in on_sky(matrix, v2, v3))
    east = [-math.sin(ra), math.cos(ra), 0.0]
    north = [-math.sin(dec) * math.cos(ra), -math.sin(dec) * math.sin(ra), math.cos(dec)]
    return math.degrees(math.atan2(upward @ east, upward @ north)) % 360.0


@dataclass(frozen=True)
class Pointing:
    """A target seen in an aperture.

    Attributes
    ----------
    ra, dec : float
        Degrees, of the aperture's reference point.
    pa : float
        Degrees, position angle of the aperture's Y axis there.
    aperture : str
        ``WFI_CEN`` (the whole field), a detector such as ``WFI07``, ``BORESIGHT``.
    """

    ra: float
    dec: float
    pa: float = 0.0
    aperture: str = "WFI_CEN"

    @cached_property
    def attitude(self) -> Floats:
        """Rotation matrix from the telescope's axes to the sky."""
        here = aperture(self.aperture)
        return attitude(self.ra, self.dec, self.pa - here.v3_angle, here.v2_ref, here.v3_ref)

    def meta(self) -> dict[str, Any]:
        """The ``pointing`` block of the metadata."""
        ra_v1, dec_v1 = on_sky(self.attitude, 0.0, 0.0)
        return {
            "ra_v1": float(ra_v1),
            "dec_v1": float(dec_v1),
            "pa_v3": roll_at(self.attitude, 0.0, 0.0),
            "pa_aperture": self.pa % 360.0,
            "pointing_engineering_source": "PLANNED",
            "target_aperture": aperture(self.aperture).name,
            "target_ra": self.ra,
            "target_dec": self.dec,
        }

    def wcsinfo(self, detector: str) -> dict[str, Any]:
        """The ``wcsinfo`` block of one detector, with the S_REGION of its SIAF outline."""
        here = aperture(detector)
        ra, dec = on_sky(self.attitude, here.v2_ref, here.v3_ref)
        corners = outline(lambda x, y: on_sky(self.attitude, *here.to_v2v3(x, y)), (SIZE, SIZE))
        return {
            "aperture_name": here.name,
            "v2_ref": here.v2_ref,
            "v3_ref": here.v3_ref,
            "vparity": here.parity,
            "v3yangle": here.v3_angle,
            "ra_ref": float(ra),
            "dec_ref": float(dec),
            "roll_ref": roll_at(self.attitude, here.v2_ref, here.v3_ref),
            "s_region": s_region(*corners),
        }


def velocity_aberration(ra: float, dec: float, velocity: ArrayLike) -> dict[str, float]:
    """The ``velocity_aberration`` block of the metadata.

    With beta = velocity / c and u the true direction::

        scale = (1 + beta.u) / sqrt(1 - beta^2)
        u'    = (u / gamma + beta (1 + (1 - 1/gamma) (beta.u) / beta^2)) / (1 + beta.u)

    Parameters
    ----------
    ra, dec : float
        Degrees, true direction of the reference point.
    velocity : array_like, (3,)
        Of the observatory about the barycentre, km/s, ICRS axes.

    Returns
    -------
    dict
        ``scale_factor``, and the apparent ``ra_reference``, ``dec_reference`` in degrees.

    Raises
    ------
    InputError
        If a component is not finite or above 500 km/s.
    """
    speed = np.asarray(velocity, float)
    if not (np.abs(speed) <= FASTEST).all():
        raise InputError(
            f"the observatory's velocity {speed.tolist()} km/s is not credible",
            where="meta.ephemeris",
            hint=f"components are at most {FASTEST:.0f} km/s",
        )
    beta = speed / LIGHT
    u = vector(ra, dec)
    squared, along = float(beta @ beta), float(beta @ u)
    slow = math.sqrt(1 - squared)
    # (1 - 1/gamma) / beta^2 = 1 / (1 + 1/gamma), which holds at rest too.
    apparent = (slow * u + beta * (1 + along / (1 + slow))) / (1 + along)
    ra_apparent, dec_apparent = direction(apparent)
    return {
        "scale_factor": (1 + along) / slow,
        "ra_reference": float(ra_apparent),
        "dec_reference": float(dec_apparent),
    }


def observatory_velocity(ephemeris: Mapping[str, Any]) -> Floats:
    """Velocity, km/s, in ``meta.ephemeris``.

    Raises
    ------
    InputError
        If it lacks a component.
    """
    try:
        return np.array([float(ephemeris[f"velocity_{axis}"]) for axis in "xyz"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"meta.ephemeris lacks or garbles {error}") from error
