"""Outlines on the sky: polygons of an image, S_REGION strings, containment and overlap.

A polygon is two arrays, ra and dec in degrees, of its vertices in order and not closed;
its edges are great circles. Tests are made on the tangent plane at its middle, where
great circles are straight, so that a polygon must be smaller than a hemisphere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqueduct.core.errors import InputError
from aqueduct.geometry.tangent import Floats, TangentPlane, center

LARGEST = 10.0
"""Tangent of the largest angle (84 deg) from a polygon's middle to a vertex."""


def outline(
    to_sky: Callable[[Floats, Floats], Any], shape: tuple[int, int], per_edge: int = 1
) -> tuple[Floats, Floats]:
    """Outline of an image, from the outer corner of its first pixel.

    Parameters
    ----------
    to_sky : callable
        0-based pixel (x, y) to ICRS degrees: a gwcs or a ``PixelMap.to_sky``.
    shape : (rows, columns)
    per_edge : int
        Vertices on each edge; 1 gives the four corners.

    Returns
    -------
    ra, dec : ndarray, (4 * per_edge,)
        In the order (0, 0), (0, top), (right, top), (right, 0) of the official S_REGION.
    """
    right, top = shape[1] - 0.5, shape[0] - 0.5
    x = np.array([-0.5, -0.5, right, right, -0.5])
    y = np.array([-0.5, top, top, -0.5, -0.5])
    along = np.arange(4 * per_edge) / per_edge
    ra, dec = to_sky(np.interp(along, np.arange(5), x), np.interp(along, np.arange(5), y))
    return np.asarray(ra) % 360.0, np.asarray(dec)


def s_region(ra: ArrayLike, dec: ArrayLike) -> str:
    """The polygon as an S_REGION string, to 1e-9 degree.

    Raises
    ------
    InputError
        If a vertex is not finite.
    """
    vertices = np.stack([np.asarray(ra, float), np.asarray(dec, float)], axis=1)
    if not np.isfinite(vertices).all():
        raise InputError("a corner of the image has no position on the sky")
    return "POLYGON ICRS  " + " ".join(f"{value:.9f}" for value in vertices.ravel())


def parse_s_region(text: str) -> tuple[Floats, Floats]:
    """Vertices (ra, dec) in degrees of an S_REGION string.

    Raises
    ------
    InputError
        If it is no ICRS polygon.
    """
    words = text.split()
    try:
        values = np.array([float(word) for word in words[2:]])
    except ValueError:
        values = np.empty(0)
    if [word.upper() for word in words[:2]] != ["POLYGON", "ICRS"] or (
        values.size < 6 or values.size % 2
    ):
        raise InputError(
            f"{text!r} is no S_REGION polygon",
            where="meta.wcsinfo.s_region",
            hint="run assign_wcs, which writes it",
        )
    return values[0::2], values[1::2]


def contains(
    polygon_ra: ArrayLike, polygon_dec: ArrayLike, ra: ArrayLike, dec: ArrayLike
) -> NDArray[np.bool_]:
    """Which of the points lie in the polygon (even-odd rule)."""
    plane = middle_plane(polygon_ra, polygon_dec)
    corners = np.stack(plane.to_pixel(polygon_ra, polygon_dec), axis=1)
    x, y = plane.to_pixel(ra, dec)
    inside = np.zeros(x.shape, bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 == y2:
            continue
        crossing = (y1 > y) != (y2 > y)
        inside ^= crossing & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside


def overlap(ra: ArrayLike, dec: ArrayLike, other_ra: ArrayLike, other_dec: ArrayLike) -> float:
    """Area that two polygons share, square degrees of the tangent plane; 0 for none.

    The second must be convex, as every detector and sky cell is.
    """
    plane = middle_plane(ra, dec)
    other = np.stack(plane.to_pixel(other_ra, other_dec), axis=1)
    if not np.isfinite(other).all():
        return 0.0
    return area(clip(np.stack(plane.to_pixel(ra, dec), axis=1), other))


def middle_plane(ra: ArrayLike, dec: ArrayLike) -> TangentPlane:
    """The plane, in degrees, that touches the sky at the middle of a polygon.

    Raises
    ------
    InputError
        If it spans a hemisphere or has less than three vertices.
    """
    plane = TangentPlane(*center(ra, dec))
    reach = np.hypot(*plane.to_pixel(ra, dec))
    if reach.size < 3 or not (np.radians(reach) < LARGEST).all():
        raise InputError("not a polygon of three or more vertices within one hemisphere")
    return plane


def clip(polygon: Floats, window: Floats) -> Floats:
    """The part (n, 2) of a plane polygon within a convex one (Sutherland & Hodgman 1974)."""
    if _signed_area(window) < 0:
        window = window[::-1]
    for start, end in zip(window, np.roll(window, -1, axis=0), strict=True):
        if not len(polygon):
            break
        along = end - start
        left = along[0] * (polygon[:, 1] - start[1]) - along[1] * (polygon[:, 0] - start[0])
        polygon = _cut(polygon, left)
    return polygon


def _cut(polygon: Floats, left: Floats) -> Floats:
    """The part where ``left``, which is linear along each edge, is not negative."""
    kept: list[Floats] = []
    for k in range(len(polygon)):
        if (left[k - 1] >= 0) != (left[k] >= 0):
            part = left[k - 1] / (left[k - 1] - left[k])
            kept.append(polygon[k - 1] + part * (polygon[k] - polygon[k - 1]))
        if left[k] >= 0:
            kept.append(polygon[k])
    return np.array(kept).reshape(-1, 2)


def area(polygon: Floats) -> float:
    """Area of a plane polygon (n, 2)."""
    return abs(_signed_area(polygon))


def _signed_area(polygon: Floats) -> float:
    if len(polygon) < 3:
        return 0.0
    x, y = (polygon - polygon[0]).T  # near the origin, so that no digits are lost
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)
