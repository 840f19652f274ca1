"""Photon noise: the electrons that light and dark current leave before each read.

    e_r = e_{r-1} + Poisson(rate dt)

exactly. The mean of a pixel is the same for all reads, so that for means below 10 its
cumulative distribution is tabulated once, in units of 2^-32, and a read costs one 32-bit
number and as many comparisons as the table is long, side by side for 64 columns. Where many
pixels have means of 10 to 100 they are sums of up to ten such numbers; a few, and larger
ones, take the transformed rejection PTRS (Hormann 1993).
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.kernels.compile import jit
from aqueduct.simulate.signatures.frame import Act, Band, Frame
from aqueduct.simulate.signatures.random import bits, poisson_large, row_keys

Plane = NDArray[Any]

_BLOCK: Final = 64
_LONGEST: Final = 64
"""Length of the tables; a mean of 10 needs 36."""
_TABULATED: Final = 10.0
_LARGE: Final = 100.0
_CROWD: Final = 8
"""Bright pixels in a block above which sums of tabulated numbers are the faster way."""


class PhotonConfig(StepConfig):
    """Parameters of :func:`photons`."""

    noise: bool = Field(True, description="Draw Poisson numbers; else their means are taken")


def photons(frame: Frame, config: PhotonConfig, rng: np.random.Generator) -> Act:
    """Collect light and dark current."""
    keys = row_keys(rng, frame.shape[0])
    seconds = frame.table.frame_time

    def exact(band: Band) -> None:
        start = int(frame.reads[0] == 0)
        _collect(frame.rate[band.rows], seconds, keys[band.rows], start, band.signal)

    def mean(band: Band) -> None:
        times = (frame.reads * seconds).astype(np.float32)
        np.multiply(times[:, None], frame.rate[band.rows, None], out=band.signal)

    return Act(exact if config.noise else mean)


@jit
def _collect(rate: Plane, seconds: float, keys: Plane, start: int, signal: Plane) -> None:
    """Fill ``signal`` (row, read, column) with electrons from plane ``start`` on."""
    rows, columns = rate.shape
    mean = np.zeros(_BLOCK)
    table = np.empty((_LONGEST, _BLOCK), np.uint32)
    for row in range(rows):
        for left in range(0, columns, _BLOCK):
            width = min(_BLOCK, columns - left)
            bright, most = 0, 0.0
            for j in range(width):
                bright += rate[row, left + j] * seconds >= _TABULATED
            large = _LARGE if bright > _CROWD else _TABULATED
            for j in range(_BLOCK):
                value = max(rate[row, left + j], 0.0) * seconds if j < width else 0.0
                mean[j] = value if value < large else 0.0
                most = max(most, mean[j])
            parts = max(math.ceil(most / _TABULATED), 1)
            for j in range(_BLOCK):
                mean[j] /= parts
            length = _tabulate(mean, table)
            out = signal[row, :, left : left + width]
            _draw(table[:length], parts, keys[row], left, columns, start, out)
            if bright:
                for j in range(width):
                    value = rate[row, left + j] * seconds
                    if value >= large:
                        _draw_large(value, keys[row], left + j, start, signal[row, :, left + j])


@jit
def _tabulate(mean: Plane, table: Plane) -> int:
    """Fill ``table`` with what u 2^32 has to exceed for a count above k; its length."""
    term, total, length = np.empty(_BLOCK), np.zeros(_BLOCK), 0
    for j in range(_BLOCK):
        term[j] = math.exp(-mean[j])
    while length < _LONGEST:
        step = 1.0 / (length + 1.0)
        row = table[length]
        least = 1.0
        for j in range(_BLOCK):
            total[j] += term[j]
            row[j] = np.uint32(min(max(math.ceil(total[j] * 2.0**32) - 1.0, 0.0), 2.0**32 - 1.0))
            term[j] *= mean[j] * step
        for j in range(_BLOCK):
            least = min(least, total[j])
        if least > 1.0 - 2.0**-33:
            break
        length += 1
    return length


@jit
def _draw(
    table: Plane, parts: int, key: np.uint64, left: int, columns: int, start: int, out: Plane
) -> None:
    """Draw all reads of a block, two from each 64 bits, and add them up."""
    one, two = np.empty(_BLOCK, np.uint32), np.empty(_BLOCK, np.uint32)
    more, most = np.empty(_BLOCK, np.int32), np.zeros(_BLOCK, np.int32)
    later = np.empty(_BLOCK, np.int32)
    width, pairs = out.shape[1], (out.shape[0] - start + 1) // 2
    for pair in range(pairs):
        later[:] = 0
        more[:] = most
        for part in range(parts):
            number = np.uint64((part * pairs + pair) * columns + left)
            for j in range(_BLOCK):
                z = bits(key, number + np.uint64(j))
                one[j], two[j] = np.uint32(z >> np.uint64(32)), np.uint32(z)
            _count(table, one, more)
            _count(table, two, later)
        for j in range(_BLOCK):
            most[j] = more[j] + later[j]
        plane = start + 2 * pair
        first = out[plane]
        for j in range(width):
            first[j] = np.float32(more[j])
        if plane + 1 < out.shape[0]:
            second = out[plane + 1]
            for j in range(width):
                second[j] = np.float32(most[j])


@jit
def _count(table: Plane, u: Plane, count: Plane) -> None:
    """Add to ``count`` how many entries of the table each number exceeds."""
    for k in range(table.shape[0]):
        row = table[k]
        for j in range(_BLOCK):
            count[j] += np.int32(u[j] > row[j])


@jit
def _draw_large(mean: float, key: np.uint64, column: int, start: int, out: Plane) -> None:
    """Draw all reads of a bright pixel."""
    state = np.empty(1, np.uint64)
    state[0] = bits(~key, np.uint64(column))
    total = 0.0
    for plane in range(start, out.shape[0]):
        total += poisson_large(mean, state)
        out[plane] = np.float32(total)
