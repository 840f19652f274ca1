"""From electrons to what the amplifier gives, with nonlinearity and saturation.

    L = e / g + p                            linear signal  [DN]
    F = min(L - s L^2, full well)            classic nonlinearity

Beyond twice the full well the parabola means nothing; the well is long full there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import StepConfig
from aqueduct.kernels.compile import jit
from aqueduct.simulate.signatures.frame import Act, Band, Frame

Plane = NDArray[Any]


def gain(frame: Frame, config: StepConfig, rng: np.random.Generator) -> Act:
    """Turn electrons into DN above the reset level."""

    def apply(band: Band) -> None:
        per_electron = np.float32(1) / np.ascontiguousarray(frame.truth.gain[band.rows])
        _scale(per_electron, frame.truth.pedestal[band.rows], band.signal)

    return Act(apply)


def nonlinearity(frame: Frame, config: StepConfig, rng: np.random.Generator) -> Act:
    """Bend the signal and stop it at the full well; notes which pixels reach it."""

    def apply(band: Band) -> None:
        rows = band.rows
        s, full = frame.truth.nonlinearity[rows], frame.truth.full_well[rows]
        _bend(s, full, band.signal)
        np.greater_equal(band.signal[:, -1], full, out=frame.saturated[rows])

    return Act(apply)


@jit
def _scale(per_electron: Plane, pedestal: Plane, signal: Plane) -> None:
    for row in range(signal.shape[0]):
        factor, level = per_electron[row], pedestal[row]
        for read in range(signal.shape[1]):
            out = signal[row, read]
            for x in range(out.shape[0]):
                out[x] = out[x] * factor[x] + level[x]


@jit
def _bend(s: Plane, full: Plane, signal: Plane) -> None:
    for row in range(signal.shape[0]):
        bend, most = s[row], full[row]
        for read in range(signal.shape[1]):
            out = signal[row, read]
            for x in range(out.shape[0]):
                linear = out[x]
                seen = min(linear - bend[x] * linear * linear, most[x])
                out[x] = seen if linear < np.float32(2.0) * most[x] else most[x]
