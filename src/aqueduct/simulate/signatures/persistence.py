"""Persistence: charge trapped in earlier exposures and released in this one.

A pixel filled with x electrons t seconds ago gives

    P(x, t) = F(x) / F(159 ke) * max(a exp(-b t) + d exp(-e t) + c, 0)      [electron/s]
    F(x)    = (x / x0)^alpha / (1 + exp(-(x - x0) / dx)),   linear below the half-well

The decay in time is each detector's own median, measured after 159 000 electrons (Roman
technical information); F is the dependence on fluence of the Fermi model of WFC3/IR (Long
et al. 2015) with the numbers of romanisim. Released electrons are Poisson numbers, of the
rate at the middle of each interval between reads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.instrument.noise import PERSISTENCE_FLUENCE, Persistence
from aqueduct.kernels.compile import jit
from aqueduct.simulate.signatures.frame import Act, Band, Frame
from aqueduct.simulate.signatures.random import poisson, row_keys

Plane = NDArray[Any]


class PersistenceConfig(StepConfig):
    """The dependence on fluence."""

    x0: float = Field(6e4, gt=0, description="Pivot, electron")
    dx: float = Field(5e4, gt=0, description="Width of the onset, electron")
    alpha: float = Field(0.045, ge=0, description="Slope at large fluence")
    half_well: float = Field(5e4, gt=0, description="Below it, linear in fluence; electron")
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
        share = response(fluence, config)
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


def decay(model: Persistence, seconds: Any) -> NDArray[np.float64]:
    """Electron/s that long after 159 000 electrons."""
    t = np.asarray(seconds, np.float64)
    curve = model.a * np.exp(-model.b * t) + model.d * np.exp(-model.e * t) + model.c
    return np.asarray(np.maximum(curve, 0.0))


def response(fluence: Plane, config: PersistenceConfig) -> NDArray[np.float32]:
    """F(x) / F(159 ke)."""

    def fermi(x: Any) -> Any:
        return (x / config.x0) ** config.alpha / (1 + np.exp(-(x - config.x0) / config.dx))

    half = config.half_well
    low = fermi(half) * np.clip(fluence, 0, half) / half
    made = np.where(fluence < half, low, fermi(np.maximum(fluence, half)))
    return np.asarray(made / fermi(PERSISTENCE_FLUENCE), np.float32)


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
