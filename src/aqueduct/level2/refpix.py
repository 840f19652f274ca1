"""Remove drifts of the electronics with the reference pixels.

Only changes between resultants are removed: each reference pixel is first referred to its
own mean over the resultants, so that every pixel keeps its mean in time.

    b_i(p) = R_i(p) - mean_i R_i(p)                          [DN]
    R_i'   = R_i - drift_i(channel, row)

``drift`` is, for each readout channel and resultant, the least-squares line through b in
the top and bottom reference rows against row (the second step of IRRC; Rauscher et al.
2022, JATIS 8, 028002). Optionally the left and right reference columns, smoothed along
the rows, add what they still show after their own channel's line is removed. The
frequency-weighted part of IRRC (amplifier 33) is not applied.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import uniform_filter1d

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products import Ramp, Raw
from aqueduct.products.references import MaskReference
from aqueduct.products.window import BORDER, CHANNEL, FRAME

CHANNELS = FRAME // CHANNEL
_EDGES = np.r_[0:BORDER, FRAME - BORDER : FRAME]


class RefpixConfig(StepConfig):
    """Parameters of :func:`refpix`."""

    trend: Literal["line", "mean"] = Field(
        "line", description="Drift of a channel along the rows: a line, or one value"
    )
    side_smoothing: int = Field(
        0,
        ge=0,
        le=FRAME,
        description="Rows over which the side columns are averaged; 0 leaves them out",
    )


@dataclass(frozen=True)
class Drift:
    """``values`` float32 (resultant, channel, row), DN: to be subtracted."""

    values: NDArray[np.float32]


def measure_drift(frame: Raw | Ramp, config: RefpixConfig, mask: MaskReference) -> Drift:
    """Measure the drift of every channel; only reference pixels of ``frame`` are read.

    Pixels with BAD_REF_PIXEL, and those that never change (not connected, or simulated as
    zero), are left out. A channel without any is left as it is.
    """
    edges, used = _changes(frame.data[:, _EDGES, :], mask.dq[_EDGES, :])
    drift = np.empty((len(edges), CHANNELS, FRAME), np.float32)
    for channel in range(CHANNELS):
        columns = slice(channel * CHANNEL, (channel + 1) * CHANNEL)
        drift[:, channel] = _trend(edges[:, :, columns], used[:, columns], config.trend)
    if config.side_smoothing:
        left, right = slice(None, BORDER), slice(-BORDER, None)
        sides, used = _changes(
            np.concatenate([frame.data[:, :, left], frame.data[:, :, right]], axis=2),
            np.concatenate([mask.dq[:, left], mask.dq[:, right]], axis=1),
        )
        sides[:, :, :BORDER] -= drift[:, 0, :, None]
        sides[:, :, BORDER:] -= drift[:, -1, :, None]
        drift += _smoothed(sides, used, config.side_smoothing)[:, None, :]
    return Drift(drift)


@step(shape="block", prepare=measure_drift, cal_step="refpix")
def refpix(ramp: Ramp, mask: MaskReference, state: Drift, config: RefpixConfig) -> Ramp:
    """Subtract the drift that the reference pixels show from all pixels of a channel.

    Parameters
    ----------
    ramp : Ramp
        DN.
    mask : MaskReference
        Used by :func:`measure_drift`: bad reference pixels.
    state : Drift
        From :func:`measure_drift`. Zero in a channel without usable reference pixels.
    config : RefpixConfig

    Returns
    -------
    Ramp
        DN; each pixel's mean over the resultants is unchanged.
    """
    data = np.empty_like(ramp.data)
    first, stop = ramp.window.column, ramp.window.column + ramp.window.width
    for channel in range(first // CHANNEL, (stop - 1) // CHANNEL + 1):
        left = max(channel * CHANNEL, first) - first
        right = min((channel + 1) * CHANNEL, stop) - first
        drift = state.values[:, channel, ramp.window.rows, None]
        np.subtract(ramp.data[:, :, left:right], drift, out=data[:, :, left:right])
    return replace(ramp, data=data)


def _changes(
    data: NDArray[Any], flags: NDArray[np.uint32]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Values less their mean over the resultants, and which pixels can be used."""
    used = ((flags & dq.BAD_REF_PIXEL) == 0) & np.any(data != data[0], axis=0)
    # Whole numbers, so exact: the reference read and the encoding offset cancel, and a decoded
    # ramp gives the same as the raw frame.
    total = data.sum(axis=0, dtype=np.float64)
    return (len(data) * data.astype(np.float64) - total) / len(data), used


def _trend(changes: NDArray[np.float64], used: NDArray[np.bool_], kind: str) -> NDArray[np.float64]:
    """Line (or mean) through the reference rows of one channel: (resultant, row)."""
    values = changes[:, used]
    if not values.shape[1]:
        return np.zeros((len(changes), FRAME))
    row = np.broadcast_to(_EDGES[:, None], used.shape)[used]
    middle = row.mean()
    spread = np.sum((row - middle) ** 2)
    mean = values.mean(axis=1)[:, None]
    if kind == "mean" or spread == 0:
        return np.broadcast_to(mean, (len(changes), FRAME))
    slope = values @ (row - middle) / spread
    line: NDArray[np.float64] = mean + slope[:, None] * (np.arange(FRAME) - middle)
    return line


def _smoothed(
    changes: NDArray[np.float64], used: NDArray[np.bool_], rows: int
) -> NDArray[np.float64]:
    """Running mean over ``rows`` rows of the side columns: (resultant, row)."""
    total = uniform_filter1d((changes * used).sum(axis=2), rows, axis=1, mode="constant")
    count = uniform_filter1d(used.sum(axis=1, dtype=np.float64), rows, mode="constant")
    return np.where(count > 0.5 / rows, total / np.maximum(count, 0.5 / rows), 0.0)
