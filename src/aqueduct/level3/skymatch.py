"""Sky levels that make overlapping images agree.

With A_ij the sky of image i measured where it overlaps image j, and W_ij the pixels
measured there (mean of the two), levels b solve the least-squares problem::

    W_ij^(1/2) (b_i - b_j) = W_ij^(1/2) (A_ij - A_ji)       for every overlapping pair

Overlaps fix only differences within each connected set of images. ``match`` puts the
lowest level of a set at 0; ``global+match`` puts it where no image's sky, measured on the
whole of it, falls below its level. ``local`` is that sky itself and ``global`` the lowest
of them, for all. Levels go to ``meta.background``; nothing is subtracted here.

Unlike romancal 1.1, the sky is by default the clipped median, not the mode of a histogram
with bins of 0.1 sigma: sources are the same on both sides of a pair, and the median is
less noisy. Every fourth pixel along each axis is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.core.threads import over
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.level3._common import MAD_TO_SIGMA, FlagNames, file_name
from aqueduct.products import Image
from aqueduct.products.meta import updated

BLOCK: Final = 56
"""Pixels by which overlaps are outlined; divides the 4088 of a detector."""
STRIDE: Final = 4
FEWEST: Final = 100
"""Pixels below which an overlap is not used."""

Statistic = Literal["median", "mode"]
Floats = NDArray[np.float64]


class SkymatchConfig(StepConfig):
    """Parameters of :func:`skymatch`."""

    method: Literal["match", "local", "global", "global+match"] = Field(
        "match", description="How levels are set"
    )
    statistic: Statistic = Field(
        "median", description="Clipped median, or mode = 3 median - 2 mean"
    )
    clip: float = Field(4.0, gt=0, description="Clipping limit in sigma")
    iterations: int = Field(5, ge=0, description="Clipping iterations at most")
    bad: FlagNames = Field("DO_NOT_USE", description="DQ flags that exclude a pixel, joined by +")


@step(shape="group", cal_step="skymatch")
def skymatch(images: list[Image], config: SkymatchConfig) -> list[Image]:
    """Find the sky level of each image.

    Parameters
    ----------
    images : list of Image
        MJy/sr, each with its WCS.
    config : SkymatchConfig

    Returns
    -------
    list of Image
        The same data, with ``meta.background`` {level, method, subtracted}. An image that
        overlaps no other can't be matched: its level is 0 and its method ``None``.

    Raises
    ------
    InputError
        If the sky of an image is subtracted already, or it has no WCS.
    """
    for image in images:
        if (image.meta.get("background") or {}).get("subtracted"):
            raise InputError(
                "its sky is subtracted already",
                where=file_name(image),
                hint="leave out the step skymatch",
            )
    samples = over(lambda image: _sample(image, config), images)
    local = np.array([_sky(each.values, config)[0] for each in samples])
    if config.method == "local":
        levels: list[float | None] = [float(level) for level in local]
    elif config.method == "global":
        levels = [float(local.min())] * len(images)
    else:
        levels = _matched(samples, local, config)
    return [_with_level(image, level, config) for image, level in zip(images, levels, strict=True)]


def _with_level(image: Image, level: float | None, config: SkymatchConfig) -> Image:
    background: dict[str, Any] = {
        "level": level or 0.0,
        "method": "None" if level is None else config.method,
        "subtracted": False,
    }
    status = "SKIPPED" if level is None else "COMPLETE"
    meta = updated(image.meta, background=background, cal_step={"skymatch": status})
    return replace(image, meta=meta)


@dataclass(frozen=True, eq=False)
class _Sample:
    """Every fourth pixel of an image, by blocks: ``values`` (block row, block column, pixel)."""

    values: NDArray[np.float32]
    pixels: PixelMap
    shape: tuple[int, int]
    ra: Floats
    dec: Floats

    def shared(self, other: _Sample) -> NDArray[np.float32]:
        """The pixels of those blocks whose middles lie on the other image."""
        x, y = other.pixels.to_pixel(self.ra, self.dec)
        rows, columns = other.shape
        inside = (x > -0.5) & (x < columns - 0.5) & (y > -0.5) & (y < rows - 0.5)
        return self.values[inside]


def _sample(image: Image, config: SkymatchConfig) -> _Sample:
    if image.wcs is None:
        raise InputError(
            "the image has no WCS",
            where=file_name(image),
            hint="run assign_wcs on it first",
        )
    thin = (slice(STRIDE // 2, None, STRIDE),) * 2
    bad = (np.asarray(image.dq[thin]) & np.uint32(dq.parse(config.bad))) != 0
    values = np.where(bad, np.nan, np.asarray(image.data[thin], np.float32))
    side = BLOCK // STRIDE
    # Small images are one block.
    down, across = (max(size // BLOCK, 1) for size in image.data.shape)
    height, width = min(side, values.shape[0]), min(side, values.shape[1])
    whole = values[: down * height, : across * width].reshape(down, height, across, width)
    pixels = PixelMap.from_gwcs(image.wcs, image.data.shape)
    ra, dec = pixels.to_sky(
        np.arange(across)[None, :] * BLOCK + (min(BLOCK, image.data.shape[1]) - 1) / 2,
        np.arange(down)[:, None] * BLOCK + (min(BLOCK, image.data.shape[0]) - 1) / 2,
    )
    blocks = whole.transpose(0, 2, 1, 3).reshape(down, across, -1)
    return _Sample(blocks, pixels, image.data.shape, ra, dec)


def _sky(values: NDArray[np.float32], config: SkymatchConfig) -> tuple[float, int]:
    """The clipped statistic and the number of pixels it rests on; (0, 0) if there are none."""
    kept = values[np.isfinite(values)]
    for _ in range(config.iterations):
        if kept.size == 0:
            break
        middle = np.median(kept)
        limit = config.clip * MAD_TO_SIGMA * np.median(np.abs(kept - middle))
        inside = np.abs(kept - middle) <= limit
        if inside.all():
            break
        kept = kept[inside]
    if kept.size == 0:
        return 0.0, 0
    median = float(np.median(kept))
    if config.statistic == "mode":
        return 3.0 * median - 2.0 * float(kept.mean(dtype=np.float64)), kept.size
    return median, kept.size


def _matched(samples: list[_Sample], local: Floats, config: SkymatchConfig) -> list[float | None]:
    """Levels from the pairs; None for an image without overlap (``match`` only)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = len(samples)
    pairs = [(i, j) for i in range(count) for j in range(i)]
    measured = over(lambda pair: _difference(samples[pair[0]], samples[pair[1]], config), pairs)
    used = [(pair, m) for pair, m in zip(pairs, measured, strict=True) if m is not None]
    design, right = np.zeros((len(used), count)), np.zeros(len(used))
    for row, ((i, j), (difference, weight)) in enumerate(used):
        design[row, i], design[row, j] = np.sqrt(weight), -np.sqrt(weight)
        right[row] = np.sqrt(weight) * difference
    levels = np.linalg.lstsq(design, right, rcond=None)[0] if used else np.zeros(count)
    ends = np.array([pair for pair, _ in used], dtype=int).reshape(-1, 2)
    links = coo_array((np.ones(len(used)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    sets, member = connected_components(links, directed=False)
    matched: list[float | None] = [None] * count
    for number in range(sets):
        inside = np.flatnonzero(member == number)
        found = levels[inside]
        if config.method == "global+match":
            base = (local[inside] - found).min()
        elif inside.size == 1:
            continue
        else:
            base = -found.min()
        for image, level in zip(inside, found, strict=True):
            matched[image] = float(level + base)
    return matched


def _difference(one: _Sample, other: _Sample, config: SkymatchConfig) -> tuple[float, float] | None:
    """Sky of one minus sky of the other in their overlap, and its weight."""
    here, there = one.shared(other), other.shared(one)
    (sky, pixels), (other_sky, other_pixels) = _sky(here, config), _sky(there, config)
    if min(pixels, other_pixels) < FEWEST:
        return None
    return sky - other_sky, (pixels + other_pixels) / 2
