"""Response within a pixel: light that falls on its edges counts less.

    rate' = rate (1 + depth (1/6 - dx^2 - dy^2))

for a source whose centre is (dx, dy) from the middle of its pixel: a parabola whose mean
over the pixel is 1. It takes the place of the source for all of its light, which is good
where the PSF is undersampled and most of it falls into one pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig

Floats = NDArray[np.float64]


class IntraPixelConfig(StepConfig):
    """Parameters of :func:`intra_pixel`."""

    depth: float = Field(
        0.0, ge=-2, le=2, description="Twice the loss from the middle of a pixel to a corner"
    )


def intra_pixel(x: Floats, y: Floats, rate: Floats, config: IntraPixelConfig) -> Floats:
    """The rates of sources at ``x``, ``y`` (pixel) as pixels of that response see them."""
    if config.depth == 0:
        return rate
    square = (x - np.rint(x)) ** 2 + (y - np.rint(y)) ** 2
    return rate * (1 + config.depth * (1 / 6 - square))
