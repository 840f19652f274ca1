"""Measure sources on the co-adds of a sky cell.

Positions and shapes are those of the inverse-variance mean of all filters,
sum(d_b / v_b) / sum(1 / v_b); fluxes are measured in each filter in the same apertures::

    flux [nJy] = sum(data) [MJy/sr] x solid angle of a pixel [sr] x 1e15

Errors contain the noise that resampling makes neighbours share and the background's error,
both measured on each co-add with apertures that hold no source
(:mod:`aqueduct.measure.apertures`). The factors are written to
``meta.aperture_photometry``.

A point source's flux ratio, for ``is_extended``, is that of the telescope's optical model
widened by the co-add's pixels. There is no PSF fit on co-adds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Parameter
from scipy.ndimage import gaussian_filter

from aqueduct.core.config import StepConfig
from aqueduct.core.dq import DO_NOT_USE
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.geometry.skycells import SkyCell, owns, region_index
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.level4 import _layers
from aqueduct.level4._meta import catalog_meta
from aqueduct.measure import Field, Noise, circular
from aqueduct.measure import sources as measure
from aqueduct.products import Catalog, Mosaic, Segmentation
from aqueduct.products.columns import APERTURES, COLUMNS
from aqueduct.psf.optical import optical_epsf

_VIRTUAL = 0.05
"""Arcsec of the pixels in ``flagged_spatial_id``."""
_DETECTOR = "WFI01"
_STAMP = 121
"""Samples on a side of the model PSF; the ratio of two apertures needs no wings."""


class PhotometryConfig(StepConfig):
    """Parameters of :func:`photometry`."""

    fwhm: float = Parameter(
        0.16, gt=0, le=2, description="Width of the Gaussian of sharpness and roundness, arcsec"
    )


@step(shape="group")
def photometry(
    mosaics: list[Mosaic], segmentation: Segmentation, config: PhotometryConfig
) -> Catalog:
    """Measure the segments of one or several background-subtracted co-adds.

    Parameters
    ----------
    mosaics : list of Mosaic
        One per filter, on one sky cell; MJy/sr.
    segmentation : Segmentation
    config : PhotometryConfig

    Returns
    -------
    Catalog
        Kind ``mosaic`` for one filter, ``multiband`` for several; no rows if no segments.

    Raises
    ------
    InputError
        If there is no co-add, they differ in sky cell or share a filter, or the
        segmentation is of another shape.
    """
    _layers.same_cell(mosaics)
    cell = mosaics[0].cell
    if segmentation.data.shape != mosaics[0].data.shape:
        raise InputError(
            f"segments of shape {segmentation.data.shape} on co-adds of {mosaics[0].data.shape}",
            where=cell.name,
            hint="detect the sources on these co-adds",
        )
    labels = segmentation.data.astype(np.int32)
    fields = [_field(mosaic, labels) for mosaic in mosaics]
    scale = measure.middle_scale(cell.plane, labels.shape)
    noises = [measure.noise_of(field, scale) for field in fields]
    mean, noise = _mean(mosaics, fields, noises, scale)
    found = measure.detected(mean, cell.plane, noise)
    bands = [
        measure.fluxes(field, found, each, 1.0, _point_ratio(mosaic, scale), config.fwhm / scale)
        for mosaic, field, each in zip(mosaics, fields, noises, strict=True)
    ]
    kind, meta = catalog_meta(mosaics)
    filters = tuple(mosaic.optical_element for mosaic in mosaics) if kind == "multiband" else ()
    columns = found.columns | _common(found, fields, cell)
    for name, band in zip(filters or ("",), bands, strict=True):
        columns |= _named(band, name)
    meta["aperture_photometry"] = {
        "radii": list(APERTURES.values()),
        "noise_factors": {
            mosaic.optical_element: each.factors.tolist()
            for mosaic, each in zip(mosaics, noises, strict=True)
        },
    }
    return Catalog(measure.table(columns, kind, filters), meta, kind)


def _field(mosaic: Mosaic, labels: NDArray[np.int32]) -> Field:
    data, mask = _layers.filled(mosaic)
    variance = np.where(mask, np.float32(0), mosaic.var_poisson + mosaic.var_rnoise)
    return Field(data, variance, mask, labels)


def _mean(
    mosaics: Sequence[Mosaic], fields: Sequence[Field], noises: Sequence[Noise], scale: float
) -> tuple[Field, Noise]:
    """The inverse-variance mean of the filters and its noise factors."""
    if len(fields) == 1:
        return fields[0], noises[0]
    shape = fields[0].data.shape
    data, variance, total = (np.zeros(shape, np.float32) for _ in range(3))
    for mosaic, field in zip(mosaics, fields, strict=True):
        # Weighed by the read noise: a source's own Poisson noise would flatten its profile.
        weight = np.divide(1, mosaic.var_rnoise, out=np.zeros(shape, np.float32), where=~field.mask)
        data += weight * field.data
        variance += weight * weight * field.variance
        total += weight
    mask = ~(total > 0)
    total[mask] = 1
    mean = Field(data / total, variance / total**2, mask, fields[0].labels)
    return mean, measure.noise_of(mean, scale)


def _common(
    found: measure.Detected, fields: Sequence[Field], cell: SkyCell
) -> dict[str, NDArray[Any]]:
    """Columns of the sky cell and the flags."""
    columns = found.columns
    unusable = np.logical_or.reduce([field.mask for field in fields])
    flags = np.where(unusable, np.uint32(DO_NOT_USE), np.uint32(0))
    return {
        **measure.best_position(columns),
        "flagged_spatial_id": spatial_id(cell, columns),
        "image_flags": measure.joined_flags(fields[0].labels, flags, len(found.label)),
        "dust_ebv": np.full(len(found.label), np.nan),
    }


def spatial_id(cell: SkyCell, columns: dict[str, NDArray[Any]]) -> NDArray[np.int64]:
    """``flagged_spatial_id``: region, cell and pixel in one number; 0 off the published cells."""
    place = re.fullmatch(r".*x(\d\d)y(\d\d)", cell.name)
    if place is None:
        return np.zeros(len(columns["label"]), np.int64)
    outside = ~owns(cell, columns["ra_centroid"], columns["dec_centroid"])
    region = int(region_index(cell.ra_projection, cell.dec_projection))
    x, y = (
        np.clip(columns[f"{axis}_centroid"] * cell.scale * 3600 / _VIRTUAL, 0, 2**16 - 1)
        for axis in ("x", "y")
    )
    fixed = (region << 46) + (int(place[2]) << 39) + (int(place[1]) << 32)
    return (
        (outside.astype(np.int64) << 59) + fixed + (y.astype(np.int64) << 16) + x.astype(np.int64)
    )


def _named(columns: dict[str, NDArray[Any]], element: str) -> dict[str, NDArray[Any]]:
    """Columns of one filter under their names in the catalog."""
    return {
        declared.of(element).name: columns[declared.name.format("")]
        for declared in COLUMNS
        if declared.by_band and not declared.optional
    }


def _point_ratio(mosaic: Mosaic, scale: float) -> float:
    pixfrac = float(mosaic.meta["resample"]["pixfrac"])
    if not 0 < pixfrac <= 1:
        raise InputError(
            f"meta.resample.pixfrac is {pixfrac}, not within (0, 1]",
            where=str(mosaic.meta["filename"]),
            hint="make the co-add anew with the step resample",
        )
    return point_ratio(mosaic.optical_element, pixfrac, scale)


@lru_cache(maxsize=32)
def point_ratio(element: str, pixfrac: float, scale: float) -> float:
    """Flux of a point source on a co-add within 0.4 arcsec over that within 0.2.

    The ePSF is widened by the shrunk detector pixel and the co-add's pixel, as a Gaussian
    of their variance, w^2 / 12 each; ``scale`` in arcsec per pixel.
    """
    model = optical_epsf(_DETECTOR, element, grid=(2043.5,), size=_STAMP)
    sample = PIXEL_SCALE / model.oversample
    width = np.sqrt(((pixfrac * PIXEL_SCALE) ** 2 + scale**2) / 12) / sample
    stamp = gaussian_filter(model.psf[0], width).astype(np.float32)
    middle = np.array([stamp.shape[0] // 2], float)
    whole = Field(stamp, stamp, np.zeros(stamp.shape, np.bool_), np.zeros(stamp.shape, np.int32))
    inner, outer = circular(whole, middle, middle, [0.2 / sample, 0.4 / sample]).flux[0]
    return float(outer / inner)
