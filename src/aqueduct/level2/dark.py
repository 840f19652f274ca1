"""Subtract the dark rate.

    data' = data - scale * dark_slope                        [DN/s]

The error of the dark rate is common to all exposures and is not propagated.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products import Image
from aqueduct.products.references import DarkReference


class DarkConfig(StepConfig):
    """Parameters of :func:`dark`."""

    scale: float = Field(1.0, ge=0, description="Multiplier on the reference dark rate")


@step(shape="block", cal_step="dark")
def dark(image: Image, dark: DarkReference, config: DarkConfig) -> Image:
    """Subtract the reference dark rate.

    Parameters
    ----------
    image : Image
        DN/s.
    dark : DarkReference
        DN/s. A pixel whose rate is not finite becomes DO_NOT_USE.
    config : DarkConfig

    Returns
    -------
    Image
        DN/s, with the reference's flags added.
    """
    rate = np.float32(config.scale) * dark.dark_slope
    unknown = ~np.isfinite(rate) * np.uint32(dq.DO_NOT_USE)
    return replace(image, data=image.data - rate, dq=image.dq | dark.dq | unknown)
