"""What the Level 4 steps share: a co-add as arrays, and where its sources are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Parameter

from aqueduct.core.errors import InputError
from aqueduct.measure import DetectionConfig, background, gaussian, segments, significance
from aqueduct.measure.background import Mask, Plane
from aqueduct.measure.detection import Layer
from aqueduct.products import Mosaic


class TemplatesConfig(DetectionConfig):
    """Detection on co-adds: Gaussian templates in place of a PSF."""

    fwhm: tuple[float, ...] = Parameter(
        (0.16, 0.4), min_length=1, description="Full widths of the detection templates, arcsec"
    )


def usable(mosaic: Mosaic) -> Mask:
    """Pixels with data, weight and error."""
    return np.asarray((mosaic.weight > 0) & np.isfinite(mosaic.data) & (mosaic.err > 0))


def filled(mosaic: Mosaic) -> tuple[Plane, Mask]:
    """Data, with zero where there are none, and the mask of those pixels."""
    mask = ~usable(mosaic)
    return np.where(mask, np.float32(0), mosaic.data), mask


def quiet(mosaic: Mosaic, box: int) -> Layer:
    """Data, variance of the sky alone, and mask.

    The variance is var_rnoise plus the background of var_poisson over var_rnoise, so that
    a step in depth is followed.
    """
    data, mask = filled(mosaic)
    rnoise = np.where(mask, np.float32(1), mosaic.var_rnoise)
    mask |= ~(rnoise > 0)
    ratio = np.divide(mosaic.var_poisson, rnoise, out=np.zeros_like(data), where=~mask)
    share = background(ratio, mask, box).level
    return data, np.asarray(rnoise * (1 + np.maximum(share, 0)), np.float32), mask


def sources(
    mosaics: Sequence[Mosaic], layers: Sequence[Layer], config: TemplatesConfig
) -> NDArray[np.int32]:
    """Segments of one or several co-adds; ``layers`` as :func:`quiet` gives them."""
    scale = mosaics[0].cell.scale * 3600
    templates = [gaussian(width / scale) for width in config.fwhm]
    mask = np.logical_and.reduce([layer[2] for layer in layers])
    return segments(significance(layers, templates), _noise(mosaics, layers), mask, config)


def _noise(mosaics: Sequence[Mosaic], layers: Sequence[Layer]) -> Plane:
    """Standard deviation of the weighted mean with sources over that without."""
    whole, weights = (np.zeros(layers[0][0].shape, np.float32) for _ in range(2))
    for mosaic, (_, sky, mask) in zip(mosaics, layers, strict=True):
        weight = np.where(mask, np.float32(0), 1 / sky)
        whole += weight**2 * np.where(mask, np.float32(0), mosaic.err**2)
        weights += weight
    return np.sqrt(np.divide(whole, weights, out=np.ones_like(whole), where=weights > 0))


def same_cell(mosaics: Sequence[Mosaic]) -> None:
    """Check that co-adds share a grid and no filter.

    Raises
    ------
    InputError
    """
    if not mosaics:
        raise InputError("no co-add to measure", hint="name at least one Level 3 file")
    cells = {mosaic.cell.name for mosaic in mosaics} | {""}
    shapes = {mosaic.data.shape for mosaic in mosaics}
    filters = [mosaic.optical_element for mosaic in mosaics]
    if len(cells) > 2 or len(shapes) > 1:
        raise InputError(
            f"co-adds of different sky cells: {', '.join(sorted(cells - {''}))}",
            hint="measure each sky cell by itself",
        )
    if len(set(filters)) < len(filters):
        raise InputError(
            f"more than one co-add of a filter: {', '.join(filters)}",
            where=mosaics[0].cell.name,
            hint="co-add them first, or measure them one by one",
        )
