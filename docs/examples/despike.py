"""Flag single hot pixels that the ramp fit let through.

With m the median of the 5 x 5 pixels around, and n the brightest of the eight neighbours,
a spike rises above the noise and leaves its neighbours dark, as no star does:

    data - m > threshold * err    and    n - m < contrast * (data - m)      [DN/s]
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field
from scipy.ndimage import maximum_filter, median_filter

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products import Image

NEIGHBOURS = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 1]], dtype=bool)


class DespikeConfig(StepConfig):
    """Parameters of :func:`despike`."""

    threshold: float = Field(10.0, gt=0, description="Least height of a spike, in units of err")
    contrast: float = Field(
        0.1, gt=0, lt=1, description="Most a neighbour may rise, relative to the spike"
    )


def reach(config: DespikeConfig) -> int:
    """How far the step looks beyond the pixel it works on."""
    return 2


@step(shape="block", halo=reach)
def despike(image: Image, config: DespikeConfig) -> Image:
    """Flag spikes as JUMP_DET and DO_NOT_USE; the data stay as they are."""
    data = np.nan_to_num(image.data)
    middle = median_filter(data, 5)
    rise = data - middle
    beside = maximum_filter(data, footprint=NEIGHBOURS) - middle
    spike = (rise > config.threshold * image.err) & (beside < config.contrast * rise)
    return replace(image, dq=image.dq | spike * np.uint32(dq.JUMP_DET | dq.DO_NOT_USE))
