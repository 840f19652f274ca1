"""The gnomonic (TAN) projection, and what the other modules need of spherical geometry.

With (alpha0, delta0) the tangent point, xi to the east and eta to the north [radian]::

    xi  = cos(delta) sin(alpha - alpha0) / c
    eta = (cos(delta0) sin(delta) - sin(delta0) cos(delta) cos(alpha - alpha0)) / c
    c   = sin(delta0) sin(delta) + cos(delta0) cos(delta) cos(alpha - alpha0)

Source: Calabretta & Greisen 2002, A&A 395, 1077, section 5.1.3.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqueduct.core.threads import bands, over
from aqueduct.kernels.compile import jit

Floats = NDArray[np.float64]

BAND = 1 << 16
"""Points handed to one thread at a time."""

_ARCSEC = 3600 * 180 / np.pi


@jit
def project(ra: float, dec: float, ra0: float, sin0: float, cos0: float) -> tuple[float, float]:
    """(xi, eta) in radians of one direction in radians; NaN on the far hemisphere."""
    sin, cos, cos_ra = math.sin(dec), math.cos(dec), math.cos(ra - ra0)
    c = sin0 * sin + cos0 * cos * cos_ra
    if c <= 0.0:
        return math.nan, math.nan
    return cos * math.sin(ra - ra0) / c, (cos0 * sin - sin0 * cos * cos_ra) / c


@jit
def deproject(xi: float, eta: float, ra0: float, sin0: float, cos0: float) -> tuple[float, float]:
    """(ra, dec) in radians, ra in [0, 2 pi), of one point of the plane."""
    radial = cos0 - eta * sin0
    ra = (ra0 + math.atan2(xi, radial)) % (2.0 * math.pi)
    if ra >= 2.0 * math.pi:  # what % makes of -1e-17
        ra = 0.0
    return ra, math.atan2(sin0 + eta * cos0, math.sqrt(xi * xi + radial * radial))


@jit
def _to_sky(x: Floats, y: Floats, ra: Floats, dec: Floats, plane: Floats) -> None:
    ra0, dec0, x0, y0, scale_x, scale_y = plane
    sin0, cos0 = math.sin(dec0), math.cos(dec0)
    for k in range(x.size):
        a, d = deproject((x[k] - x0) * scale_x, (y[k] - y0) * scale_y, ra0, sin0, cos0)
        ra[k], dec[k] = math.degrees(a), math.degrees(d)


@jit
def _to_pixel(ra: Floats, dec: Floats, x: Floats, y: Floats, plane: Floats) -> None:
    ra0, dec0, x0, y0, scale_x, scale_y = plane
    sin0, cos0 = math.sin(dec0), math.cos(dec0)
    for k in range(x.size):
        xi, eta = project(math.radians(ra[k]), math.radians(dec[k]), ra0, sin0, cos0)
        x[k], y[k] = xi / scale_x + x0, eta / scale_y + y0


@dataclass(frozen=True)
class TangentPlane:
    """An analytic TAN grid.

    Attributes
    ----------
    ra0, dec0 : float
        Tangent point, degrees.
    x0, y0 : float
        Its 0-based pixel.
    scale : float
        Degrees per pixel.
    parity : {1, -1}
        1 where RA increases with +x (sky cells), -1 for the usual view of the sky.
    """

    ra0: float
    dec0: float
    x0: float = 0.0
    y0: float = 0.0
    scale: float = 1.0
    parity: Literal[1, -1] = 1

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """Right ascension in [0, 360) and declination, degrees, of 0-based pixels."""
        return mapped(_to_sky, x, y, self._parameters())

    def to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[Floats, Floats]:
        """0-based pixels of ICRS degrees; NaN on the far hemisphere."""
        return mapped(_to_pixel, ra, dec, self._parameters())

    def _parameters(self) -> tuple[Floats]:
        step = math.radians(self.scale)
        point = (math.radians(self.ra0), math.radians(self.dec0), self.x0, self.y0)
        return (np.array([*point, self.parity * step, step]),)


def mapped(
    kernel: object, first: ArrayLike, second: ArrayLike, parameters: tuple[Floats, ...]
) -> tuple[Floats, Floats]:
    """Run ``kernel(first, second, out, out, *parameters)`` over threads, any shape."""
    a, b = np.broadcast_arrays(np.asarray(first, float), np.asarray(second, float))
    flat_a, flat_b = np.ascontiguousarray(a).ravel(), np.ascontiguousarray(b).ravel()
    out_a, out_b = np.empty_like(flat_a), np.empty_like(flat_b)

    def band(limits: tuple[int, int]) -> None:
        part = slice(*limits)
        kernel(flat_a[part], flat_b[part], out_a[part], out_b[part], *parameters)  # type: ignore[operator]

    over(band, bands(flat_a.size, BAND))
    return out_a.reshape(a.shape), out_b.reshape(a.shape)


def vector(ra: ArrayLike, dec: ArrayLike) -> Floats:
    """Unit vectors (..., 3) of directions in degrees."""
    ra, dec = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=-1)


def axes(ra: ArrayLike, dec: ArrayLike) -> tuple[Floats, Floats]:
    """Unit vectors (..., 3) to the east and to the north of directions in degrees."""
    a, d = np.radians(ra), np.radians(dec)
    east = np.stack([-np.sin(a), np.cos(a), np.zeros_like(a)], axis=-1)
    north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=-1)
    return east, north


def direction(vectors: ArrayLike) -> tuple[Floats, Floats]:
    """(ra, dec) in degrees, ra in [0, 360), of vectors (..., 3) of any length."""
    x, y, z = np.moveaxis(np.asarray(vectors, float), -1, 0)
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))


def separation(ra1: ArrayLike, dec1: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> Floats:
    """Angle between directions, degrees; exact for small and large angles alike."""
    a, b = vector(ra1, dec1), vector(ra2, dec2)
    cross = np.linalg.norm(np.cross(a, b), axis=-1)
    return np.asarray(np.degrees(np.arctan2(cross, np.sum(a * b, axis=-1))))


def center(ra: ArrayLike, dec: ArrayLike) -> tuple[float, float]:
    """The direction in the middle of several, degrees."""
    a, d = direction(vector(ra, dec).reshape(-1, 3).mean(axis=0))
    return float(a), float(d)


class SkyMap(Protocol):
    """0-based pixels to ICRS degrees."""

    def to_sky(self, x: Any, y: Any) -> tuple[Floats, Floats]: ...


def jacobian(sky: SkyMap, x: Floats, y: Floats) -> Floats:
    """Arcsec to the east and north for a pixel in x and in y, (position, 2, 2)."""
    step = [
        vector(*sky.to_sky(x + dx, y + dy)) - vector(*sky.to_sky(x - dx, y - dy))
        for dx, dy in ((0.5, 0.0), (0.0, 0.5))
    ]
    return _ARCSEC * np.stack(
        [
            np.stack([(each * axis).sum(axis=-1) for each in step], axis=-1)
            for axis in axes(*sky.to_sky(x, y))
        ],
        axis=-2,
    )
