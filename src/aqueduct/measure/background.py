"""Background: level and noise on a mesh, interpolated to every pixel.

In each box the values are clipped about their median until none lies beyond ``clip``
standard deviations; then, with mean m, median q and standard deviation s of what is left::

    level = 2.5 q - 1.5 m     if |m - q| < 0.3 s, else q
    rms   = s

Boxes with too few pixels take the nearest good box. The mesh is smoothed by a 3 x 3
median and interpolated: ``level`` by natural cubic splines, ``rms`` linearly. Every
``stride``-th pixel of every ``stride``-th row is enough for a first look.
Source: Bertin & Arnouts 1996, A&AS 117, 393, section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import distance_transform_edt

from aqueduct.core.threads import bands, over
from aqueduct.kernels.compile import jit

CLIP: Final = 3.0
ROUNDS: Final = 20
LEAST: Final = 0.25
"""Share of a box that must be usable."""

_BAND: Final = 64
_FEW: Final = 64
"""Values below which a plain sort is as good."""
_SAMPLE: Final = 32

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]
Edges = NDArray[np.int64]
Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Background:
    """Background of an image, in its unit.

    Attributes
    ----------
    levels, spreads : ndarray of float64, (row, column)
        The mesh: level of each box, and standard deviation of a pixel about it.
    rows, columns : ndarray of int64
        Edges of the boxes, pixels.
    """

    levels: Weights
    spreads: Weights
    rows: Edges
    columns: Edges

    @cached_property
    def level(self) -> Plane:
        """The level at every pixel, (row, column)."""
        return self._plane(self.levels, _cubic)

    @cached_property
    def rms(self) -> Plane:
        """Standard deviation of a pixel about the level, (row, column)."""
        return self._plane(self.spreads, _linear)

    def band(self, start: int, stop: int) -> Plane:
        """:attr:`level` of rows ``start`` to ``stop``."""
        down, across = self._splines
        out = np.empty((stop - start, across.shape[1]), np.float32)
        _spread(self.levels, down[start:stop], across, out)
        return out

    @cached_property
    def _splines(self) -> tuple[Weights, Plane]:
        return _cubic(self.rows), np.ascontiguousarray(_cubic(self.columns).T, np.float32)

    def _plane(self, mesh: Weights, weights: Callable[[Edges], Weights]) -> Plane:
        down = weights(self.rows)
        across = np.ascontiguousarray(weights(self.columns).T, np.float32)
        out = np.empty((down.shape[0], across.shape[1]), np.float32)

        def fill(limits: tuple[int, int]) -> None:
            part = slice(*limits)
            _spread(mesh, down[part], across, out[part])

        over(fill, bands(len(out), _BAND))
        return out


def background(data: Plane, mask: Mask, box: int = 128, stride: int = 1) -> Background:
    """Measure the background of ``data``.

    Parameters
    ----------
    data : ndarray of float32, (row, column)
    mask : ndarray of bool, (row, column)
        True where a pixel must not be used.
    box : int
        Size of a mesh box in pixels; boxes are stretched a little to fill the image.
    stride : int
        Step between the rows, and the columns, that are looked at.

    Returns
    -------
    Background
        Zero level and NaN rms if no box has enough pixels.
    """
    rows, columns = (_edges(size, box) for size in data.shape)
    level = np.full((len(rows) - 1, len(columns) - 1), np.nan)
    rms = np.full_like(level, np.nan)
    over(
        lambda row: _boxes(data, mask, rows, columns, stride, row, level, rms),
        list(range(len(level))),
    )
    good = np.isfinite(level)
    if not good.any():
        return Background(np.zeros_like(level), rms, rows, columns)
    return Background(_smooth(level, good), _smooth(rms, good), rows, columns)


def _edges(size: int, box: int) -> Edges:
    count = max(round(size / box), 1)
    return np.round(np.linspace(0, size, count + 1)).astype(np.int64)


def _middles(edges: Edges) -> tuple[Weights, Weights]:
    """Middles of the boxes, and every pixel, kept between the first and the last middle."""
    middles = (edges[1:] + edges[:-1] - 1) / 2
    return middles, np.clip(np.arange(edges[-1]), middles[0], middles[-1])


def _smooth(mesh: Weights, good: Mask) -> Weights:
    nearest = distance_transform_edt(~good, return_distances=False, return_indices=True)
    filled = np.pad(mesh[tuple(nearest)], 1, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(filled, (3, 3))
    return np.asarray(np.median(around, axis=(2, 3)))


def _cubic(edges: Edges) -> Weights:
    """Weights (pixel, box) of the natural cubic spline through the boxes' middles."""
    middles, pixels = _middles(edges)
    if len(middles) == 1:
        return np.ones((len(pixels), 1))
    spline = CubicSpline(middles, np.eye(len(middles)), bc_type="natural")
    return np.asarray(spline(pixels))


def _linear(edges: Edges) -> Weights:
    middles, pixels = _middles(edges)
    return np.stack([np.interp(pixels, middles, unit) for unit in np.eye(len(middles))], axis=1)


@jit
def _spread(mesh: Weights, down: Weights, across: Plane, out: Plane) -> None:
    """``down @ mesh @ across``, without the threads of a library for matrices."""
    for row in range(len(down)):
        line = out[row]
        line[:] = 0
        for box in range(len(across)):
            value = 0.0
            for k in range(len(mesh)):
                value += down[row, k] * mesh[k, box]
            height, weight = np.float32(value), across[box]
            for column in range(len(line)):
                line[column] += height * weight[column]


@jit
def _boxes(
    data: Plane,
    mask: Mask,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    stride: int,
    row: int,
    level: NDArray[np.float64],
    rms: NDArray[np.float64],
) -> None:
    """Fill one row of the mesh."""
    high = (rows[row + 1] - rows[row] - 1) // stride + 1
    for column in range(len(columns) - 1):
        left, right = columns[column], columns[column + 1]
        wide = (right - left - 1) // stride + 1
        values = np.empty(high * wide, np.float32)
        count = 0
        for i in range(high):
            line, hidden = data[rows[row] + i * stride], mask[rows[row] + i * stride]
            for j in range(wide):
                # Written always, kept if usable: no branch to guess.
                values[count] = line[left + j * stride]
                count += not hidden[left + j * stride]
        if count >= LEAST * len(values) and count > 1:
            middle, mean, spread, _ = clipped(values[:count], CLIP)
            near = abs(mean - middle) < 0.3 * spread
            level[row, column] = 2.5 * middle - 1.5 * mean if near else middle
            rms[row, column] = spread


@jit
def clipped(values: Plane, clip: float) -> tuple[float, float, float, int]:
    """Median, mean, standard deviation and count after clipping; sorts ``values``.

    Clipping moves the ends of the sorted values, so a round costs no second look at them.
    """
    ascending(values)
    # Sums about the median of all: squares of a large level would lose the noise.
    zero = float(values[len(values) // 2])
    first = np.empty(len(values) + 1)
    second = np.empty(len(values) + 1)
    first[0], second[0] = 0.0, 0.0
    for k in range(len(values)):
        step = float(values[k]) - zero
        first[k + 1] = first[k] + step
        second[k + 1] = second[k] + step * step
    low, high = 0, len(values)
    middle, mean, spread = zero, zero, 0.0
    for _ in range(ROUNDS):
        count = high - low
        middle = 0.5 * (float(values[low + (count - 1) // 2]) + float(values[low + count // 2]))
        mean = (first[high] - first[low]) / count
        spread = np.sqrt(max((second[high] - second[low]) / count - mean * mean, 0.0))
        mean += zero
        start = low + int(np.searchsorted(values[low:high], np.float32(middle - clip * spread)))
        edge = np.float32(middle + clip * spread)
        stop = low + int(np.searchsorted(values[low:high], edge, side="right"))
        if (start == low and stop == high) or stop - start < 2:
            break
        low, high = start, stop
    return middle, mean, spread, high - low


@jit
def ascending(values: Plane) -> None:
    """Sort in place, in linear time if all but a few values are of one even population.

    They are dealt out to as many equal steps between rough percentiles as there are values,
    and each step's few are sorted.
    """
    size = len(values)
    if size < _FEW:
        values.sort()
        return
    rough = values[:: size // _SAMPLE].copy()
    rough.sort()
    low, high = rough[len(rough) // 8], rough[len(rough) - 1 - len(rough) // 8]
    low, high = low - 2 * (high - low), high + 2 * (high - low)
    if not high > low:
        values.sort()
        return
    scale, last = np.float32((size - 1) / (high - low)), np.float32(size - 1)
    step = np.empty(size, np.int32)
    for k in range(size):
        step[k] = np.int32(min(max((values[k] - low) * scale, np.float32(0)), last))
    end = np.zeros(size, np.int32)
    for k in range(size):
        end[step[k]] += 1
    total = 0
    for k in range(size):
        count = end[k]
        end[k] = total
        total += count
    given = values.copy()
    for k in range(size):
        values[end[step[k]]] = given[k]
        end[step[k]] += 1
    start = 0
    for k in range(size):
        if end[k] - start > _FEW:
            values[start : end[k]].sort()
        else:
            _inserted(values, start, end[k])
        start = end[k]


@jit
def _inserted(values: Plane, start: int, stop: int) -> None:
    for k in range(start + 1, stop):
        value, place = values[k], k
        while place > start and values[place - 1] > value:
            values[place] = values[place - 1]
            place -= 1
        values[place] = value
