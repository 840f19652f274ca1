"""Persistence: charge trapped in earlier exposures and released in this one.

The rate is that of :mod:`aqueduct.instrument.persistence`; released electrons are Poisson
numbers, of the rate at the middle of each interval between reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.instrument.persistence import HALF_WELL, PIVOT, SLOPE, WIDTH, decay, response
from aqueduct.kernels.compile import jit
from aqueduct.simulate.signatures.frame import Act, Band, Frame
from aqueduct.simulate.signatures.random import poisson, row_keys

Plane = NDArray[Any]


class PersistenceConfig(StepConfig):
    """The dependence on fluence."""

    x0: float = Field(PIVOT, gt=0, description="Pivot, electron")
    dx: float = Field(WIDTH, gt=0, description="Width of the onset, electron")
    alpha: float = Field(SLOPE, ge=0, description="Slope at large fluence")
    half_well: float = Field(HALF_WELL, gt=0, description="Below it, linear in fluence; electron")
    faintest: float = Field(
        0.01, ge=0, description="Pixels that start with less are left out, electron/s"
    )


def persistence(frame: Frame, config: PersistenceConfig, rng: np.random.Generator) -> Act | None:
    """Release what earlier exposures have left."""
    mean = _released(frame, config)
    if not len(mean[0]):
        return None
    pixel, electrons = mean
    row, column = np.divmod(pixel, frame.shape[1])
    first = np.searchsorted(row, np.arange(frame.shape[0] + 1))
    keys = row_keys(rng, frame.shape[0])

    def apply(band: Band) -> None:
        rows = band.rows
        _release(first[rows.start : rows.stop + 1], column, electrons, keys[rows], band.signal)

    return Act(apply)


def _released(
    frame: Frame, config: PersistenceConfig
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Flat indices of pixels, and electrons (pixel, read) each releases before a read."""
    step = np.diff(frame.reads, prepend=0) * frame.table.frame_time
    middle = frame.reads * frame.table.frame_time - step / 2
    pixels: list[NDArray[np.int64]] = []
    parts: list[NDArray[np.float32]] = []
    for seconds, fluence in frame.earlier:
        now = float(decay(frame.truth.persistence, seconds))
        share = response(fluence, config.x0, config.dx, config.alpha, config.half_well)
        index = np.flatnonzero((share * now >= config.faintest) & (now > 0))
        curve = decay(frame.truth.persistence, seconds + middle) * step
        pixels.append(index)
        parts.append((share.flat[index][:, None] * curve).astype(np.float32))
    if not pixels:
        return np.zeros(0, np.int64), np.zeros((0, len(step)), np.float32)
    unique, place = np.unique(np.concatenate(pixels), return_inverse=True)
    total = np.zeros((len(unique), len(step)), np.float32)
    np.add.at(total, place, np.concatenate(parts))
    return unique, total


@jit
def _release(first: Plane, column: Plane, electrons: Plane, keys: Plane, signal: Plane) -> None:
    state = np.empty(1, np.uint64)
    for row in range(signal.shape[0]):
        state[0] = keys[row]
        for pixel in range(first[row], first[row + 1]):
            total = 0.0
            for k in range(signal.shape[1]):
                total += poisson(electrons[pixel, k], state)
                signal[row, k, column[pixel]] += np.float32(total)
