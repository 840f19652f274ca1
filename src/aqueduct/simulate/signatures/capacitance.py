"""Charge seen in the wrong pixel: inter-pixel capacitance, and the brighter-fatter effect.

Capacitance couples the signals of neighbours, after the charge is collected:

    S'(p) = sum_n K(n) S(p - n),   n in 3 x 3, sum K = 1

At the edge of the science pixels S goes on as at the edge: reference pixels neither give
nor take. It is linear and the same for all reads.

Charge already collected pushes new charge over the borders of its pixel (Antilogus et al.
2014): to first order in the coefficients a, which sum to zero,

    dS'_r(p) = dS_r(p) (1 + sum_n a(n) S_{r-1}(p - n)),   dS_r = S_r - S_{r-1}
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.kernels.compile import jit
from aqueduct.simulate.signatures.frame import Act, Band, Frame

Plane = NDArray[Any]


class BrighterFatterConfig(StepConfig):
    """Relative change of a pixel's area per electron in it and in its neighbours."""

    edge: float = Field(2.5e-7, ge=0, description="For an electron in one of the four nearest")
    corner: float = Field(5e-8, ge=0, description="For an electron in one of the four diagonal")

    def kernel(self) -> NDArray[np.float32]:
        """a, (3, 3), 1/electron."""
        a = np.full((3, 3), self.corner)
        a[1, :] = a[:, 1] = self.edge
        a[1, 1] = -4 * (self.edge + self.corner)
        return a.astype(np.float32)


def ipc(frame: Frame, config: StepConfig, rng: np.random.Generator) -> Act:
    """Couple neighbours by the capacitance of ``frame.truth``."""
    kernel = frame.truth.ipc.astype(np.float32)

    def apply(band: Band) -> None:
        _couple(band.signal, band.first, *frame.science, kernel)
        band.shrink(frame)

    return Act(apply, halo=1)


def brighter_fatter(frame: Frame, config: BrighterFatterConfig, rng: np.random.Generator) -> Act:
    """Let collected charge turn new charge away."""
    kernel = config.kernel()

    def apply(band: Band) -> None:
        _repel(band.signal, band.first, *frame.science, kernel)
        band.shrink(frame)

    return Act(apply, halo=1)


@jit
def _couple(
    signal: Plane, first: int, row0: int, row1: int, column0: int, column1: int, kernel: Plane
) -> None:
    """Convolve the science pixels of every read; wrong in outer rows that lack a neighbour."""
    rows, reads, columns = signal.shape[0], signal.shape[1], column1 - column0
    before, made = np.empty((reads, columns), np.float32), np.empty(columns, np.float32)
    low, high = max(row0 - first, 0), min(row1 - first, rows)
    for row in range(low, high):
        for read in range(reads):
            here, above = signal[row, read, column0:column1], before[read]
            if row == low:
                _copy(here, above)
            below = signal[row + 1 if row + 1 < high else row, read, column0:column1]
            _weigh(above, here, below, kernel, made)
            _copy(here, above)
            _copy(made, here)


@jit
def _copy(source: Plane, target: Plane) -> None:
    for column in range(source.shape[0]):
        target[column] = source[column]


@jit
def _weigh(above: Plane, here: Plane, below: Plane, kernel: Plane, out: Plane) -> None:
    """One row of the convolution; beyond its ends it goes on as at the ends."""
    a, b, c = kernel[2, 2], kernel[2, 1], kernel[2, 0]
    d, e, f = kernel[1, 2], kernel[1, 1], kernel[1, 0]
    g, h, i = kernel[0, 2], kernel[0, 1], kernel[0, 0]
    # Indices that can't be negative, or the loop won't vectorise.
    for x in range(out.shape[0] - 2):
        out[x + 1] = (
            a * above[x]
            + b * above[x + 1]
            + c * above[x + 2]
            + d * here[x]
            + e * here[x + 1]
            + f * here[x + 2]
            + g * below[x]
            + h * below[x + 1]
            + i * below[x + 2]
        )
    last = out.shape[0] - 1
    for x, left, right in ((0, 0, min(1, last)), (last, max(last - 1, 0), last)):
        out[x] = a * above[left] + b * above[x] + c * above[right]
        out[x] += d * here[left] + e * here[x] + f * here[right]
        out[x] += g * below[left] + h * below[x] + i * below[right]


@jit
def _repel(
    signal: Plane, first: int, row0: int, row1: int, column0: int, column1: int, kernel: Plane
) -> None:
    """Scale the charge new in each read; wrong in outer rows that lack a neighbour."""
    rows, reads, columns = signal.shape[0], signal.shape[1], column1 - column0
    low, high = max(row0 - first, 0), min(row1 - first, rows)
    area, before = np.empty(columns, np.float32), np.empty((reads, columns), np.float32)
    here = np.empty((reads, columns), np.float32)
    for row in range(low, high):
        here[:] = signal[row, :, column0:column1]
        if row == low:
            before[:] = here
        for read in range(1, reads):
            below = signal[row + 1 if row + 1 < high else row, read - 1, column0:column1]
            if row + 1 == high:
                below = here[read - 1]
            _weigh(before[read - 1], here[read - 1], below, kernel, area)
            out, last = signal[row, read, column0:column1], signal[row, read - 1, column0:column1]
            for x in range(columns):
                new = here[read, x] - here[read - 1, x]
                out[x] = last[x] + new * (np.float32(1.0) + area[x])
        before[:] = here
