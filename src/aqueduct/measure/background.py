"""Background: level and noise on a mesh, interpolated to every pixel.

In each box the values are clipped about their median until none lies beyond ``clip``
standard deviations; then, with mean m, median q and standard deviation s of what is left::

    level = 2.5 q - 1.5 m     if |m - q| < 0.3 s, else q
    rms   = s

Boxes with too few pixels take the nearest good box. The mesh is smoothed by a 3 x 3
median and interpolated: ``level`` by natural cubic splines, ``rms`` linearly.
Source: Bertin & Arnouts 1996, A&AS 117, 393, section 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.ndimage import distance_transform_edt, generic_filter

from aqueduct.core.threads import over
from aqueduct.kernels.compile import jit

CLIP: Final = 3.0
ROUNDS: Final = 20
LEAST: Final = 0.25
"""Share of a box that must be usable."""

Plane = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Background:
    """Background of an image, in its unit.

    Attributes
    ----------
    level, rms : ndarray of float32, (row, column)
        Level, and standard deviation of a pixel about it.
    """

    level: Plane
    rms: Plane


def background(data: Plane, mask: Mask, box: int = 128) -> Background:
    """Measure the background of ``data``.

    Parameters
    ----------
    data : ndarray of float32, (row, column)
    mask : ndarray of bool, (row, column)
        True where a pixel must not be used.
    box : int
        Size of a mesh box in pixels; boxes are stretched a little to fill the image.

    Returns
    -------
    Background
        Zero level and NaN rms if no box has enough pixels.
    """
    rows, columns = (_edges(size, box) for size in data.shape)
    level = np.full((len(rows) - 1, len(columns) - 1), np.nan)
    rms = np.full_like(level, np.nan)
    over(lambda row: _boxes(data, mask, rows, columns, row, level, rms), list(range(len(level))))
    good = np.isfinite(level)
    if not good.any():
        return Background(np.zeros_like(data), np.full_like(data, np.nan))
    down, across = _middles(rows), _middles(columns)
    return Background(
        _spread(_smooth(level, good), *(_cubic(at) for at in (down, across))),
        _spread(_smooth(rms, good), *(_linear(at) for at in (down, across))),
    )


def _edges(size: int, box: int) -> NDArray[np.int64]:
    count = max(round(size / box), 1)
    return np.round(np.linspace(0, size, count + 1)).astype(np.int64)


def _middles(edges: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Middles of the boxes, and every pixel, kept between the first and the last middle."""
    middles = (edges[1:] + edges[:-1] - 1) / 2
    return middles, np.clip(np.arange(edges[-1]), middles[0], middles[-1])


def _smooth(mesh: NDArray[np.float64], good: Mask) -> NDArray[np.float64]:
    nearest = distance_transform_edt(~good, return_distances=False, return_indices=True)
    filled = mesh[tuple(nearest)]
    return np.asarray(generic_filter(filled, np.median, size=3, mode="nearest"))


def _cubic(at: tuple[NDArray[np.float64], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Weights (pixel, box) of the natural cubic spline through the boxes' middles."""
    middles, pixels = at
    if len(middles) == 1:
        return np.ones((len(pixels), 1))
    spline = CubicSpline(middles, np.eye(len(middles)), bc_type="natural")
    return np.asarray(spline(pixels))


def _linear(at: tuple[NDArray[np.float64], NDArray[np.float64]]) -> NDArray[np.float64]:
    middles, pixels = at
    return np.stack([np.interp(pixels, middles, unit) for unit in np.eye(len(middles))], axis=1)


def _spread(
    mesh: NDArray[np.float64], down: NDArray[np.float64], across: NDArray[np.float64]
) -> Plane:
    half: Plane = (down @ mesh).astype(np.float32)
    return half @ across.T.astype(np.float32)


@jit
def _boxes(
    data: Plane,
    mask: Mask,
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    row: int,
    level: NDArray[np.float64],
    rms: NDArray[np.float64],
) -> None:
    """Fill one row of the mesh."""
    for column in range(len(columns) - 1):
        area = (rows[row + 1] - rows[row]) * (columns[column + 1] - columns[column])
        values = np.empty(area, np.float32)
        count = 0
        for i in range(rows[row], rows[row + 1]):
            for j in range(columns[column], columns[column + 1]):
                if not mask[i, j]:
                    values[count] = data[i, j]
                    count += 1
        if count >= LEAST * area and count > 1:
            middle, mean, spread, _ = clipped(values[:count], CLIP)
            near = abs(mean - middle) < 0.3 * spread
            level[row, column] = 2.5 * middle - 1.5 * mean if near else middle
            rms[row, column] = spread


@jit
def clipped(values: Plane, clip: float) -> tuple[float, float, float, int]:
    """Median, mean, standard deviation and count after clipping; sorts ``values``.

    Clipping moves the ends of the sorted values, so a round costs no second look at them.
    """
    values.sort()
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
