"""Flag pixels that the other exposures contradict: cosmic rays that the ramps did not show.

Every exposure is drizzled onto the sky cell and the robust mean of the exposures, blotted
back onto each image, is what the pixel d should show. With b the blot, sky that of the
image, and |grad b| the largest difference of b from its four neighbours::

    mask 1:  |d - sky - b| > scale1 |grad b| + snr1 err,  grown by one pixel
    mask 2:  |d - sky - b| > scale2 |grad b| + snr2 err
    both     DO_NOT_USE | OUTLIER

The robust mean is the median of three or more exposures. Of two, the median is the mean,
in which a cosmic ray leaves half of itself and its ghost condemns the good pixel of the
other exposure. So two that differ by more than ``snr2`` of their own noise give the lower
one: cosmic rays only add. Two that agree give their mean, which is unbiased on the sky.
Star cores differ too, by how pixels sample them, but there the gradient of the blot, of
the order of the star itself, keeps the thresholds out of reach. What a low outlier in one
of only two exposures would do (condemn the other) is the price.

Sources: Hack et al., DrizzlePac Handbook (``driz_cr``, ``minmed``); romancal 1.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.core.threads import bands, over
from aqueduct.geometry.skycells import SkyCell
from aqueduct.kernels.compile import jit
from aqueduct.level3._common import FlagNames
from aqueduct.level3._drizzle import Layer, Tile, exposure_time, layer, tiles
from aqueduct.products import Image
from aqueduct.products.meta import Meta, updated

ROWS: Final = 128
HALO: Final = 2
"""Rows around a band: one for the gradient, one for growing."""
FLAGS: Final = np.uint32(dq.DO_NOT_USE | dq.OUTLIER)
_EXPOSURE: Final = (
    "program",
    "execution_plan",
    "pass",
    "segment",
    "observation",
    "visit",
    "exposure",
)

Plane = NDArray[np.float32]


class OutlierDetectionConfig(StepConfig):
    """Parameters of :func:`outlier_detection`."""

    snr1: float = Field(5.0, gt=0, description="First threshold in err")
    snr2: float = Field(4.0, gt=0, description="Second threshold in err, beside a first")
    scale1: float = Field(1.2, ge=0, description="First threshold in gradients of the blot")
    scale2: float = Field(0.7, ge=0, description="Second threshold in gradients of the blot")
    coverage: float = Field(
        0.7, ge=0, le=1, description="Part of an output pixel that good pixels must cover"
    )
    bad: FlagNames = Field("DO_NOT_USE", description="DQ flags that exclude a pixel, joined by +")


@step(shape="group", cal_step="outlier_detection")
def outlier_detection(
    images: list[Image], cell: SkyCell, config: OutlierDetectionConfig
) -> list[Image]:
    """Flag outliers in the images that overlap on a sky cell.

    Parameters
    ----------
    images : list of Image
        MJy/sr, each with its WCS; ``meta.background.level`` is allowed for.
    cell : SkyCell
        Where they are compared; pixels off the cell are not tested.
    config : OutlierDetectionConfig

    Returns
    -------
    list of Image
        With new ``dq``. ``meta.outlier_detection`` says how many exposures were compared
        and how many pixels flagged; with fewer than two exposures on the cell nothing is
        compared, and ``meta.cal_step.outlier_detection`` is SKIPPED.

    Raises
    ------
    InputError
        If an image has no WCS or no exposure time.
    """
    bad = dq.parse(config.bad)
    layers = [layer(image, cell, "exptime", bad) for image in images]
    groups = _exposures(layers)
    if len(groups) < 2:
        return [
            replace(image, meta=_told(image.meta, config, len(groups), 0, "SKIPPED"))
            for image in images
        ]
    expected = _robust_mean(groups, cell, config)
    return [
        _flagged(image, found, expected, config, len(groups))
        for image, found in zip(images, layers, strict=True)
    ]


def _told(
    meta: Meta, config: OutlierDetectionConfig, exposures: int, outliers: int, status: str
) -> Meta:
    said: dict[str, Any] = {
        "good_bits": f"~{config.bad}",
        "exposures": exposures,
        "outliers": outliers,
    }
    return updated(meta, outlier_detection=said, cal_step={"outlier_detection": status})


def _exposures(layers: Sequence[Layer | None]) -> list[list[Layer]]:
    """The layers on the cell, those of one exposure (other detectors) together."""
    groups: dict[Any, list[Layer]] = {}
    for number, found in enumerate(layers):
        if found is not None:
            about = found.image.meta.get("observation")
            key = tuple(about.get(name) for name in _EXPOSURE) if about else number
            groups.setdefault(key, []).append(found)
    return list(groups.values())


def _robust_mean(groups: list[list[Layer]], cell: SkyCell, config: OutlierDetectionConfig) -> Plane:
    """What the exposures have in common, on the cell; NaN where fewer than two see it."""
    expected = np.full((cell.pixels, cell.pixels), np.nan, np.float32)

    def fill(tile: Tile) -> None:
        seen = [pair for pair in (_drizzled(group, tile, config) for group in groups) if pair]
        if len(seen) > 1:
            values, variances = (np.stack(planes) for planes in zip(*seen, strict=True))
            _combine(values, variances, config.snr2, expected[tile])

    over(fill, tiles(cell))
    return expected


def _drizzled(
    group: list[Layer], tile: Tile, config: OutlierDetectionConfig
) -> tuple[Plane, Plane] | None:
    """One exposure on a tile, and its variance; NaN where it is not well covered."""
    total, covered = None, 0.0
    for each in group:
        sums = each.onto(tile, pixfrac=1.0)
        if sums is not None:
            # Full coverage is a weight of (exposure time) / (input pixel's area).
            covered = covered + sums[1] * (each.map.pixel_area() / exposure_time(each.image))
            total = sums if total is None else total + sums
    if total is None:
        return None
    weight = np.where((covered >= config.coverage) & (total[1] > 0), total[1], np.nan)
    value, variance = total[0] / weight, (total[2] + total[3]) / weight**2
    return value.astype(np.float32), variance.astype(np.float32)


def _flagged(
    image: Image,
    found: Layer | None,
    expected: Plane,
    config: OutlierDetectionConfig,
    exposures: int,
) -> Image:
    flags = np.array(image.dq, np.uint32)
    count = 0
    if found is not None:
        parts = bands(image.data.shape[0], ROWS)
        masks = over(lambda rows: _outliers(found, expected, config, rows), parts)
        for (start, stop), mask in zip(parts, masks, strict=True):
            flags[start:stop] |= np.where(mask, FLAGS, np.uint32(0))
            count += int(np.count_nonzero(mask))
    return replace(image, dq=flags, meta=_told(image.meta, config, exposures, count, "COMPLETE"))


def _outliers(
    found: Layer, expected: Plane, config: OutlierDetectionConfig, rows: tuple[int, int]
) -> NDArray[np.bool_]:
    """Which pixels of a band of rows are outliers."""
    from scipy.ndimage import binary_dilation

    image = found.image
    height, width = image.data.shape
    start, stop = max(rows[0] - HALO, 0), min(rows[1] + HALO, height)
    band = slice(start, stop)
    blot = np.empty((stop - start, width), np.float32)
    _blot(expected, *found.map.lattice(np.arange(start, stop), np.arange(width)), blot)
    data = np.asarray(image.data[band], np.float32) - np.float32(found.level)
    data[(np.asarray(image.dq[band]) & np.uint32(found.bad)) != 0] = np.nan
    err = np.asarray(image.err[band], np.float32)
    one, two = (
        _exceeding(data, err, blot, scale, snr)
        for scale, snr in ((config.scale1, config.snr1), (config.scale2, config.snr2))
    )
    mask: NDArray[np.bool_] = binary_dilation(one, np.ones((3, 3))) & two
    return mask[rows[0] - start : rows[1] - start]


@jit
def _combine(values: Plane, variances: Plane, snr: float, out: Plane) -> None:
    """Median of three or more along axis 0; of two, the lower if they disagree."""
    ordered = np.empty(values.shape[0], np.float64)
    for row in range(values.shape[1]):
        for column in range(values.shape[2]):
            count, variance = 0, 0.0
            for k in range(values.shape[0]):
                value = values[k, row, column]
                if not np.isfinite(value):
                    continue
                place = count
                while place > 0 and ordered[place - 1] > value:
                    ordered[place] = ordered[place - 1]
                    place -= 1
                ordered[place] = value
                variance += variances[k, row, column]
                count += 1
            if count < 2:
                continue
            middle = 0.5 * (ordered[(count - 1) // 2] + ordered[count // 2])
            if count == 2 and ordered[1] - ordered[0] > snr * np.sqrt(variance):
                middle = ordered[0]
            out[row, column] = middle


@jit
def _blot(expected: Plane, x: NDArray[np.float64], y: NDArray[np.float64], out: Plane) -> None:
    """Interpolate linearly at cell pixels (x, y); NaN off the cell or beside a NaN."""
    height, width = expected.shape
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            column, row = int(np.floor(x[i, j])), int(np.floor(y[i, j]))
            if row < 0 or column < 0 or row >= height - 1 or column >= width - 1:
                out[i, j] = np.nan
                continue
            u, v = x[i, j] - column, y[i, j] - row
            low = (1.0 - u) * expected[row, column] + u * expected[row, column + 1]
            high = (1.0 - u) * expected[row + 1, column] + u * expected[row + 1, column + 1]
            out[i, j] = (1.0 - v) * low + v * high


@jit
def _exceeding(data: Plane, err: Plane, blot: Plane, scale: float, snr: float) -> NDArray[np.bool_]:
    """Whether |data - blot| > scale |grad blot| + snr err; False wherever that is unknown."""
    height, width = data.shape
    out = np.zeros((height, width), np.bool_)
    for i in range(height):
        for j in range(width):
            here = blot[i, j]
            steepest = 0.0
            for di, dj in ((-1, 0), (1, 0), (0, -1), (0, 1)):
                if 0 <= i + di < height and 0 <= j + dj < width:
                    difference = abs(blot[i + di, j + dj] - here)
                    if difference > steepest:
                        steepest = difference
            out[i, j] = abs(data[i, j] - here) > scale * steepest + snr * err[i, j]
    return out
