"""What the reset leaves: the dark decay, and the first-read transient of WFI18.

A pixel that is read t_pix after the start of a frame sees in read r

    decay      A exp(-t / tau),                                t = (r - 3/2) T + t_pix
    transient  a exp(-t / tau_a) + b exp(-t / tau_b),          t = (r - 1) T + t_pix     [DN]

with frame time T. Reference pixels have no decay; the transient is one of the readout and
is seen by all pixels.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import StepConfig
from aqueduct.instrument.readout import read_times
from aqueduct.kernels.compile import jit
from aqueduct.simulate.signatures.frame import Act, Band, Frame

Plane = NDArray[Any]

_SMALLEST: Final = 1e-3
"""DN that no longer matters."""


def dark_decay(frame: Frame, config: StepConfig, rng: np.random.Generator) -> Act | None:
    """Add the decaying signal, of one time for each row: it lasts many frames."""
    truth = frame.truth
    if truth.decay == 0:
        return None
    period = frame.table.frame_time
    when = read_times(truth.detector, period, slice(0, frame.shape[0]), slice(0, 1))
    level = truth.decay * np.exp(-((frame.reads - 1.5) * period + when) / truth.decay_time)
    level = level.astype(np.float32)

    def apply(band: Band) -> None:
        _raise(level[band.rows], band.first, *frame.science, band.signal)

    return Act(apply)


def wfi18_transient(frame: Frame, config: StepConfig, rng: np.random.Generator) -> Act | None:
    """Add the transient of each pixel's own time, while it lasts."""
    model = frame.truth.transient
    if model is None:
        return None
    period, columns = frame.table.frame_time, slice(0, frame.shape[1])
    least = np.abs([model.a, model.b]).max()
    last = max(model.tau_a, model.tau_b) * np.log(max(least / _SMALLEST, 1.0))
    planes = np.flatnonzero((frame.reads >= 1) & ((frame.reads - 1) * period < last))

    def apply(band: Band) -> None:
        when = read_times(frame.truth.detector, period, band.rows, columns)
        for plane in planes:
            t = (frame.reads[plane] - 1) * period + when
            extra = model.a * np.exp(-t / model.tau_a) + model.b * np.exp(-t / model.tau_b)
            band.signal[:, plane] += extra.astype(np.float32)

    return Act(apply)


@jit
def _raise(
    level: Plane, first: int, row0: int, row1: int, column0: int, column1: int, signal: Plane
) -> None:
    for row in range(max(row0 - first, 0), min(row1 - first, signal.shape[0])):
        for read in range(signal.shape[1]):
            out, more = signal[row, read], level[row, read]
            for x in range(column0, column1):
                out[x] += more
