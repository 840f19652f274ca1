"""From what the amplifier gives to the numbers sent down.

    code_r = floor(v_r - inl(v_r))                      each read, 0 .. 65535      [DN]
    R      = floor( mean_r(code_r) )                    each resultant
    R      = floor( mean_r(code_r - code_0 + offset) )  with a reference read code_0

``inl`` is what calibration adds to a value of its channel. All noise is drawn for each
read, so that both floors and the nonlinearity act on what the converter would see.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import StepConfig
from aqueduct.instrument.matables import MATable
from aqueduct.kernels.compile import jit
from aqueduct.products.window import CHANNEL
from aqueduct.simulate.signatures.frame import Act, Band, Frame

Plane = NDArray[Any]


def inl(frame: Frame, config: StepConfig, rng: np.random.Generator) -> Act | None:
    """Apply the integral nonlinearity of each channel's converter."""
    if not frame.truth.inl.any():
        return None

    def apply(band: Band) -> None:
        _bend(frame.truth.inl, band.signal)

    return Act(apply)


def planes(table: MATable, reads: NDArray[np.int64]) -> tuple[NDArray[np.int64], ...]:
    """First plane of each resultant, and its number of reads, which have no gaps."""
    first = np.searchsorted(reads, [one[0] for one in table.read_pattern])
    return first.astype(np.int64), np.array([len(one) for one in table.read_pattern], np.int64)


def average(
    signal: NDArray[np.float32],
    first: NDArray[np.int64],
    lengths: NDArray[np.int64],
    offset: float,
    out: NDArray[np.uint16],
) -> None:
    """Convert and average the reads of ``signal`` (row, read, column) on board.

    With an ``offset`` (not negative) plane 0 is the reference read, subtracted from every
    read; ``out`` (row, resultant, column).
    """
    _average(signal, first, lengths, offset >= 0, np.float32(max(offset, 0)), out)


@jit
def _bend(inl: Plane, signal: Plane) -> None:
    rows, reads, columns = signal.shape
    place = np.empty(CHANNEL, np.int32)
    for row in range(rows):
        for start in range(0, columns, CHANNEL):
            table = inl[start // CHANNEL]
            for read in range(reads):
                out = signal[row, read, start : min(start + CHANNEL, columns)]
                for j in range(out.shape[0]):
                    place[j] = np.int32(min(max(out[j], np.float32(0)), np.float32(65535)))
                for j in range(out.shape[0]):
                    out[j] -= table[place[j]]


@jit
def _average(
    signal: Plane, first: Plane, lengths: Plane, referred: bool, offset: np.float32, out: Plane
) -> None:
    rows, _, columns = signal.shape
    total, zero = np.empty(columns, np.float32), np.zeros(columns, np.float32)
    for row in range(rows):
        if referred:
            zero[:] = -offset
            _add_codes(signal[row, 0], zero)
        for k in range(first.shape[0]):
            for x in range(columns):
                total[x] = -zero[x] * np.float32(lengths[k])
            for read in range(first[k], first[k] + lengths[k]):
                _add_codes(signal[row, read], total)
            _store(total, 1.0 / lengths[k], out[row, k])


@jit
def _add_codes(value: Plane, total: Plane) -> None:
    for x in range(value.shape[0]):
        total[x] += np.floor(min(max(value[x], np.float32(0)), np.float32(65535)))


@jit
def _store(total: Plane, share: float, out: Plane) -> None:
    # Totals are whole; half a unit keeps their rounded quotient on the right side of a whole.
    for x in range(out.shape[0]):
        mean = np.floor((np.float64(total[x]) + 0.5) * share)
        out[x] = np.uint16(np.int32(min(max(mean, 0.0), 65535.0)))
