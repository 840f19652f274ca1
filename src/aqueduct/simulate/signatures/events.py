"""Sudden charge: electrons that appear in some pixels between one read and the next."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit
from aqueduct.simulate.signatures.frame import Act, Band, Frame

Plane = NDArray[Any]

DTYPE: Final = np.dtype(
    [("row", np.int32), ("column", np.int32), ("read", np.int32), ("electrons", np.float64)]
)


def summed(
    row: Plane, column: Plane, read: Plane, electrons: Plane, frame: Frame
) -> NDArray[np.void]:
    """One entry for each pixel and read, ordered by row, of those that collect charge."""
    first_row, stop_row, first_column, stop_column = frame.science
    inside = (row >= first_row) & (row < stop_row)
    inside &= (column >= first_column) & (column < stop_column)
    reads = int(frame.reads[-1]) + 1
    place = (row * frame.shape[1] + column).astype(np.int64) * reads + read
    unique, inverse = np.unique(place[inside], return_inverse=True)
    hits = np.zeros(len(unique), DTYPE)
    pixel, hits["read"] = np.divmod(unique, reads)
    hits["row"], hits["column"] = np.divmod(pixel, frame.shape[1])
    hits["electrons"] = np.bincount(inverse, electrons[inside], len(unique))
    return hits


def deposit(frame: Frame, hits: NDArray[np.void]) -> Act | None:
    """Add each hit to all reads from its own on."""
    if not len(hits):
        return None
    first = np.searchsorted(hits["row"], np.arange(frame.shape[0] + 1))
    plane = np.searchsorted(frame.reads, hits["read"])
    column, electrons = hits["column"].astype(np.int64), hits["electrons"].astype(np.float32)

    def apply(band: Band) -> None:
        start, stop = band.rows.start, band.rows.stop
        _deposit(first[start : stop + 1], column, plane, electrons, band.signal)

    return Act(apply)


@jit
def _deposit(first: Plane, column: Plane, plane: Plane, electrons: Plane, signal: Plane) -> None:
    for row in range(signal.shape[0]):
        for hit in range(first[row], first[row + 1]):
            for k in range(plane[hit], signal.shape[1]):
                signal[row, k, column[hit]] += electrons[hit]
