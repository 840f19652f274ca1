"""Statistics of an image, its background, and the zodiacal light it should hold.

    image_median = median of good pixels                     [DN/s]
    image_rms    = 1.4826 median |data - image_median|       [DN/s]
    level        = median of those within ``clip`` robust deviations of it, again and again

Good pixels are finite, not DO_NOT_USE, and have an error. The zodiacal light is a model's
(:mod:`aqueduct.instrument.zodiacal`), in MJy/sr.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.instrument.dispersers import ORDERS
from aqueduct.instrument.filters import FILTERS
from aqueduct.instrument.zodiacal import surface_brightness
from aqueduct.products import Image
from aqueduct.products.meta import updated

UNKNOWN: Final = -1.0
"""Official value of a zodiacal light that is not known."""
SKYLESS: Final = ("WFI_IM_DARK", "WFI_SP_DARK", "WFI_FLAT")
"""Types of exposure that see no sky."""
_NORMAL: Final = 1.482602218505602
"""Standard deviation of a normal distribution over its median absolute deviation."""
_ROUNDS: Final = 10
_HALVINGS: Final = 40


class StatisticsConfig(StepConfig):
    """Parameters of :func:`statistics`."""

    rows: int = Field(8, ge=1, le=64, description="Every how many rows the medians are taken from")
    clip: float = Field(
        3.0, ge=1, le=10, description="Robust deviations beyond which a pixel is no background"
    )


@step(shape="frame", redoable=True)
def statistics(image: Image, config: StatisticsConfig) -> Image:
    """Write ``meta.statistics`` and ``meta.background``.

    Parameters
    ----------
    image : Image
        DN/s; nothing is subtracted.
    config : StatisticsConfig

    Returns
    -------
    Image
        The same arrays. NaN, and a background of None, where no pixel is good; zodiacal
        light 0 where no sky is seen, -1 where no model holds.
    """
    values = np.sort(_good(image, config.rows))
    median, level = np.nan, None
    deviation = np.nan
    if values.size:
        median = _median(values)
        deviation = _NORMAL * _absolute_deviation(values, median)
        level = _background(values, config.clip)
    about = {
        "zodiacal_light": _zodiacal_light(image),
        "image_median": median,
        "image_rms": deviation,
        "good_pixel_fraction": float(np.mean(_usable(image.dq))),
    }
    background = {"level": level, "method": "local", "subtracted": False}
    return replace(image, meta=updated(image.meta, statistics=about, background=background))


def _usable(flags: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((flags & np.uint32(dq.DO_NOT_USE)) == 0)


def _good(image: Image, rows: int) -> NDArray[np.float32]:
    """Values of the good pixels in every so many rows."""
    data, flags, err = (plane[rows // 2 :: rows] for plane in (image.data, image.dq, image.err))
    return np.asarray(data[_usable(flags) & np.isfinite(data) & (err > 0)], np.float32)


def _median(ordered: NDArray[np.float32]) -> float:
    return float((ordered[(ordered.size - 1) // 2] + ordered[ordered.size // 2]) / 2)


def _absolute_deviation(ordered: NDArray[np.float32], middle: float) -> float:
    """Median distance of ordered values from ``middle``: within it lie half of them."""
    low, high = 0.0, float(max(middle - ordered[0], ordered[-1] - middle))
    for _ in range(_HALVINGS):
        reach = (low + high) / 2
        within = _within(ordered, middle, reach)
        low, high = (low, reach) if within.size > ordered.size // 2 else (reach, high)
    return high


def _within(ordered: NDArray[np.float32], middle: float, reach: float) -> NDArray[np.float32]:
    """The part of ordered values not farther than ``reach`` from ``middle``."""
    first = ordered.searchsorted(np.float32(middle - reach))
    return ordered[first : ordered.searchsorted(np.float32(middle + reach), side="right")]


def _background(ordered: NDArray[np.float32], clip: float) -> float:
    """Median without the tails that sources, and what is left of defects, make."""
    kept = ordered
    for _ in range(_ROUNDS):
        middle = _median(kept)
        fewer = _within(kept, middle, clip * _NORMAL * _absolute_deviation(kept, middle))
        if fewer.size in (0, kept.size):
            break
        kept = fewer
    return _median(kept)


def _zodiacal_light(image: Image) -> float:
    """MJy/sr at the middle of the detector on the day of the exposure."""
    exposure = image.exposure
    if exposure.kind in SKYLESS or exposure.optical_element not in (*FILTERS, *ORDERS):
        return 0.0
    try:
        ra, dec = (float(image.meta["wcsinfo"][name]) for name in ("ra_ref", "dec_ref"))
        time, element = exposure.start_time, exposure.optical_element
        return surface_brightness(ra, dec, time, exposure.detector, element)
    except (InputError, KeyError, TypeError, ValueError):
        return UNKNOWN
