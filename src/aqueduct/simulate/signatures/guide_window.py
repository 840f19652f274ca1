"""The guide window: a box of the detector that is read by itself many times in a frame.

Its pixels are reset for each of its own readings, so that in the science frame they hold
the charge of one short exposure, new in each read; the clocks of the box leave a small
offset, new in each read, in the columns that run through it.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from aqueduct.core.config import StepConfig
from aqueduct.products.meta import Meta
from aqueduct.products.window import FRAME, Window
from aqueduct.simulate.signatures.frame import Act, Band, Frame


class GuideWindowConfig(StepConfig):
    """Place and reading of the guide window."""

    x: int = Field(-1, ge=-1, lt=FRAME, description="First column, full frame; -1: no window")
    y: int = Field(-1, ge=-1, lt=FRAME, description="First row, full frame; -1: no window")
    size: int = Field(16, ge=1, le=256, description="Pixels on a side")
    exposure: float = Field(0.17, ge=0, description="Length of its own exposures, s")
    columns: float = Field(4.0, ge=0, description="RMS offset left in its columns, electron")

    @model_validator(mode="after")
    def _inside(self) -> GuideWindowConfig:
        if (self.x < 0) != (self.y < 0) or max(self.x, self.y) + self.size > FRAME:
            raise ValueError("the guide window has to lie within the frame")
        return self

    @property
    def box(self) -> Window | None:
        """The window, None where there is none."""
        return Window(self.y, self.x, self.size, self.size) if self.x >= 0 else None

    def meta(self) -> Meta:
        """Its corners, as the metadata of the guide star give them."""
        box = self.box
        if box is None:
            return {}
        return {
            "window_xstart": box.column,
            "window_ystart": box.row,
            "window_xstop": box.column + box.width,
            "window_ystop": box.row + box.height,
        }


def guide_window(frame: Frame, config: GuideWindowConfig, rng: np.random.Generator) -> Act | None:
    """Replace the charge in the box; disturb its columns."""
    box = config.box
    if box is None:
        return None
    mean = np.maximum(frame.rate[box.rows, None, box.columns], 0.0) * config.exposure
    charge = rng.poisson(mean, (box.height, len(frame.reads), box.width)).astype(np.float32)
    offset = config.columns * rng.standard_normal((len(frame.reads), 1), np.float32)
    offset *= (frame.reads > 0)[:, None]

    def apply(band: Band) -> None:
        band.signal[:, :, box.columns] += offset
        start, stop = max(band.first, box.row), min(band.rows.stop, box.row + box.height)
        if start < stop:
            here, there = (
                slice(start - band.first, stop - band.first),
                slice(start - box.row, stop - box.row),
            )
            band.signal[here, :, box.columns] = charge[there]

    return Act(apply)
