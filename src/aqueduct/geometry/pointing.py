"""Where the telescope points: from a target and an angle to each detector's reference point.

The attitude is the matrix M from the telescope's axes to the sky, with (V2, V3) a
direction (cos V3 cos V2, cos V3 sin V2, sin V3) [V1 axis first]::

    M = R_z(ra) R_y(-dec) R_x(-roll) R_y(v3) R_z(-v2)

for any one point (v2, v3) seen at (ra, dec) with V3 at position angle roll.

Measured, it follows from two quaternions of the attitude control, sky to body (J2000) and
body to fine guidance sensor, with A(q) the rotation matrix of a quaternion (scalar last)::

    G = F(x, y)^T A(q_fgs) A(q_body)             sky to the guide star as it is seen
    M = (A(q_fgs)^T F(x, y) R G)^T

F turns the sensor's axes to the guide star's place (x, y), and R, about an axis across the
line of sight, takes out the star's velocity aberration. With w the true direction in the axes
of G, z the third of them and c = z x w::

    R = 1 - [c] + [c]^2 / (1 + z.w)                             ([c] v = c x v)

Source: "Quaternion Transforms for Coarse Pointing WCS" (STScI), as romancal 1.1 follows it.
There the elements of [c] are squared instead of the matrix.
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
BODY_TO_FGS: Final = (
    -0.18596734175399293, 0.6837984564491885, -0.1800546332580956, 0.6822141509826322
)  # fmt: skip
"""Quaternion before launch, for telemetry that lacks it."""


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

    @classmethod
    def from_attitude(cls, matrix: Floats, aperture_name: str = "WFI_CEN") -> Pointing:
        """The pointing of an aperture in an attitude (3, 3)."""
        here = aperture(aperture_name)
        ra, dec = on_sky(matrix, here.v2_ref, here.v3_ref)
        pa = roll_at(matrix, here.v2_ref, here.v3_ref) + here.v3_angle
        return cls(float(ra), float(dec), pa % 360.0, here.name)

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
    apparent, scale = _aberrated(vector(ra, dec), velocity)
    ra_apparent, dec_apparent = direction(apparent)
    return {
        "scale_factor": scale,
        "ra_reference": float(ra_apparent),
        "dec_reference": float(dec_apparent),
    }


def _aberrated(u: Floats, velocity: ArrayLike) -> tuple[Floats, float]:
    """Apparent direction and scale of the true direction ``u``."""
    speed = np.asarray(velocity, float)
    if not (np.abs(speed) <= FASTEST).all():
        raise InputError(
            f"the observatory's velocity {speed.tolist()} km/s is not credible",
            where="meta.ephemeris",
            hint=f"components are at most {FASTEST:.0f} km/s",
        )
    beta = speed / LIGHT
    squared, along = float(beta @ beta), float(beta @ u)
    slow = math.sqrt(1 - squared)
    # (1 - 1/gamma) / beta^2 = 1 / (1 + 1/gamma), which holds at rest too.
    apparent = (slow * u + beta * (1 + along / (1 + slow))) / (1 + along)
    return apparent, (1 + along) / slow


def quaternion_matrix(quaternion: ArrayLike) -> Floats:
    """Rotation matrix of a quaternion (4,), scalar last, of any length.

    Raises
    ------
    InputError
        If it is zero or not finite.
    """
    q = np.asarray(quaternion, float)
    length = float(np.linalg.norm(q))
    if not (np.isfinite(length) and length > 0):
        raise InputError(f"the quaternion {q.tolist()} is no rotation")
    *axis, last = q / length
    part = np.array(axis)
    across = _cross(part)
    return np.asarray(
        (last**2 - part @ part) * np.eye(3) + 2 * np.outer(part, part) - 2 * last * across
    )


def _cross(c: Floats) -> Floats:
    """The matrix [c] of the product c x v."""
    return np.array([[0, -c[2], c[1]], [c[2], 0, -c[0]], [-c[1], c[0], 0]])


def telescope_attitude(
    to_body: ArrayLike,
    body_to_fgs: ArrayLike = BODY_TO_FGS,
    guide_star: tuple[float, float] = (0.0, 0.0),
    velocity: ArrayLike = (0.0, 0.0, 0.0),
) -> Floats:
    """Attitude from the telemetry of the attitude control (equation above).

    Parameters
    ----------
    to_body, body_to_fgs : array_like, (4,)
        Quaternions, scalar last.
    guide_star : (float, float)
        Place of the guide star in the sensor's frame, arcsec (:func:`guide_star_place`).
    velocity : array_like, (3,)
        Of the observatory about the barycentre, km/s, ICRS axes.

    Returns
    -------
    ndarray, (3, 3)
        From the telescope's axes to the sky, as :func:`attitude` gives it.

    Raises
    ------
    InputError
        If a quaternion is none or the velocity not credible.
    """
    fgs = quaternion_matrix(body_to_fgs)
    x, y = (math.radians(axis / 3600) for axis in guide_star)
    place = _rotation("x", -math.degrees(y)) @ _rotation("y", -math.degrees(x))
    apparent = place.T @ fgs @ quaternion_matrix(to_body)
    sight = apparent[2]
    # What is seen is the true direction aberrated; moving the other way undoes it.
    true, _ = _aberrated(sight, -np.asarray(velocity, float))
    w = apparent @ true
    turn = _cross(np.cross((0.0, 0.0, 1.0), w))
    removed = np.eye(3) - turn + turn @ turn / (1 + w[2])
    return np.asarray((fgs.T @ place @ removed @ apparent).T)


def guide_star_place(detector: str, h: float, v: float) -> tuple[float, float]:
    """Place in the fine guidance sensor's frame, arcsec, of a commanded guide star.

    Parameters
    ----------
    detector : str
    h, v : float
        Pixels from the detector's reference point; ``v`` runs against the rows.
    """
    here, middle = aperture(detector), aperture("WFI_CEN")
    v2, v3 = here.to_v2v3(here.reference[0] + h, here.reference[1] - v)
    angle = math.radians(middle.v3_angle)
    dv2, dv3 = float(v2) - middle.v2_ref, float(v3) - middle.v3_ref
    x = middle.parity * (dv2 * math.cos(angle) - dv3 * math.sin(angle))
    return x, -(dv2 * math.sin(angle) + dv3 * math.cos(angle))


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
