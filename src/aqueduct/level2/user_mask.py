"""Flag what a user has marked: regions drawn on the sky or on a detector, or a mask image.

A pixel is inside a region if its centre is. Regions on the sky are compared on the plane
that touches the sky at the region's centre, with every pixel's own place by the WCS.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.core.threads import bands, over
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.products import Image
from aqueduct.products.references import RegionsReference

Inside = NDArray[np.bool_]

_EXTENDED: Final = ("radius", "outer_radius", "width", "outer_width", "vertices")
"""What a region with an area has one of."""
_COARSE: Final = 32
"""Pixels between the points by which the part of the image near a region is found."""


class UserMaskConfig(StepConfig):
    """Parameters of :func:`user_mask`."""

    flags: tuple[str, ...] = Field(
        ("DO_NOT_USE", "OTHER_BAD_PIXEL"), min_length=1, description="Flags set inside"
    )

    @field_validator("flags")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = [flag.name for flag in dq.PIXEL]
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"no flag {unknown[0]}; there are {', '.join(known)}")
        return names


@step(shape="frame")
def user_mask(image: Image, regions: RegionsReference, config: UserMaskConfig) -> Image:
    """Set flags inside a user's regions and mask.

    Parameters
    ----------
    image : Image
        With a WCS if any region is on the sky.
    regions : RegionsReference
        Later regions may exclude ("-circle(...)") what earlier ones include.
    config : UserMaskConfig

    Returns
    -------
    Image
        With more flags; the other arrays are shared.

    Raises
    ------
    InputError
        If a region is on the sky and the image has no WCS, or a region has no area.
    """
    shape = image.data.shape
    marked = np.zeros(shape, bool) if regions.mask is None else regions.mask.copy()
    pixel_map: PixelMap | None = None
    for region, detectors in regions.regions:
        if detectors and image.exposure.detector not in detectors:
            continue
        if hasattr(region, "to_pixel") and pixel_map is None:
            pixel_map = _map(image)
        _mark(region, pixel_map, marked)
    value = sum(flag.value for flag in dq.PIXEL if flag.name in config.flags)
    return replace(image, dq=image.dq | marked * np.uint32(value))


def _map(image: Image) -> PixelMap:
    if image.wcs is None:
        raise InputError(
            "regions on the sky need an image with a WCS", hint="run assign_wcs before user_mask"
        )
    return PixelMap.from_gwcs(image.wcs, image.data.shape)


def _mark(region: Any, pixel_map: PixelMap | None, marked: Inside) -> None:
    """Mark the pixels inside a region, or unmark them if it excludes."""
    from regions import PixCoord

    if not any(hasattr(region, name) for name in _EXTENDED):
        raise InputError(
            f"a region of kind {type(region).__name__} has no area to flag",
            hint="use circles, ellipses, boxes, annuli and polygons",
        )
    flat, plane = _flattened(region)
    box = flat.bounding_box
    if plane is None or pixel_map is None:
        rows, columns = _clipped(box.iymin, box.iymax, box.ixmin, box.ixmax, marked.shape)
    else:
        rows, columns = _near(box, plane, pixel_map, marked.shape)
    included = bool(region.meta.get("include", True))

    def band(limits: tuple[int, int]) -> None:
        part = slice(rows.start + limits[0], rows.start + limits[1]), columns
        y, x = np.mgrid[part]
        if plane is not None and pixel_map is not None:
            x, y = plane.to_pixel(*pixel_map.to_sky(x, y))
        marked[part][flat.contains(PixCoord(x, y))] = included

    over(band, bands(rows.stop - rows.start, _COARSE))


def _flattened(region: Any) -> tuple[Any, TangentPlane | None]:
    """A region in pixels; one on the sky in those of a plane that touches its centre."""
    if not hasattr(region, "to_pixel"):
        return region, None
    from astropy.wcs import WCS

    where = region.vertices if hasattr(region, "vertices") else region.center
    middle = where.icrs.cartesian.mean() if where.size > 1 else where.icrs.cartesian
    x, y, z = (float(axis) for axis in middle.xyz.value)
    ra, dec = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))
    scale = PIXEL_SCALE / 3600
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = "RA---TAN", "DEC--TAN"
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = (ra, dec), (1, 1), (-scale, scale)
    return region.to_pixel(wcs), TangentPlane(ra, dec, scale=scale, parity=-1)


def _near(
    box: Any, plane: TangentPlane, pixel_map: PixelMap, shape: tuple[int, ...]
) -> tuple[slice, slice]:
    """The part of the image that may lie in a box of the plane."""
    rows, columns = (np.unique(np.r_[0:size:_COARSE, size - 1]) for size in shape)
    x, y = plane.to_pixel(*pixel_map.to_sky(*np.meshgrid(columns, rows)))
    margin = 2 * _COARSE
    close = (x > box.ixmin - margin) & (x < box.ixmax + margin)
    close &= (y > box.iymin - margin) & (y < box.iymax + margin)
    at = np.nonzero(close)
    if not at[0].size:
        return slice(0, 0), slice(0, 0)
    limits = [axis[index] for axis, index in zip((rows, columns), at, strict=True)]
    (top, left), (bottom, right) = ([int(pick(one)) for one in limits] for pick in (np.min, np.max))
    return _clipped(top - _COARSE, bottom + _COARSE, left - _COARSE, right + _COARSE, shape)


def _clipped(
    top: int, bottom: int, left: int, right: int, shape: tuple[int, ...]
) -> tuple[slice, slice]:
    rows, columns = shape
    first_row, first_column = min(max(top, 0), rows), min(max(left, 0), columns)
    return (
        slice(first_row, max(min(bottom, rows), first_row)),
        slice(first_column, max(min(right, columns), first_column)),
    )
