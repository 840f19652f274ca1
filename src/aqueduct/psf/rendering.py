"""Stars in an image, each with the ePSF of its own place.

    image(r) = sum_k f_k sum_c w_ck P_c(r - p_k)

The four ePSFs P_c around a star are mixed first, once; then the phase is interpolated along
rows and along columns. With the samples of a row sorted by phase, those of neighbouring
pixels are neighbours in memory, so that several pixels are made at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit
from aqueduct.psf.sampling import interpolation

Plane = NDArray[Any]
Vector = NDArray[Any]


def by_phase(stamps: Plane, oversample: int) -> NDArray[np.float32]:
    """Stamps (node, row, phase, pixel): neighbours in the last axis are a pixel apart."""
    count, size, _ = stamps.shape
    width = -(-size // oversample)
    padded = np.zeros((count, size, width * oversample), np.float32)
    padded[..., :size] = stamps
    by_pixel = padded.reshape(count, size, width, oversample)
    return np.ascontiguousarray(by_pixel.swapaxes(2, 3))


@jit
def render(
    cube: Plane,
    oversample: int,
    nodes: Plane,
    weights: Vector,
    x: Vector,
    y: Vector,
    rate: Vector,
    image: Plane,
    start: int,
    stop: int,
) -> None:
    """Add stars to rows ``start`` to ``stop`` of ``image``, in the order given.

    ``cube`` as :func:`by_phase` makes it; ``nodes`` and ``weights`` (star, 4) as
    :meth:`aqueduct.psf.epsf.Epsf.corners` gives them.
    """
    size, width = cube.shape[1], cube.shape[3]
    half, stride = size // 2, oversample * width
    flat = cube.reshape((cube.shape[0], size, stride))
    mixed, line = np.empty((size, stride), np.float32), np.empty(stride, np.float32)
    tap = np.empty(6, np.int64)
    for k in range(len(x)):
        row, column = int(np.floor(y[k])), int(np.floor(x[k]))
        # The phase is the same in every pixel, so the interpolation weights are too.
        u, v = (column - x[k]) * oversample, (row - y[k]) * oversample
        i, j = int(np.floor(u)), int(np.floor(v))
        wx, wy = interpolation(u - i), interpolation(v - j)
        # All 6 x 6 samples of a pixel must lie on the stamp.
        above, left = half + j - 2, half + i - 2
        first_row = max(row - above // oversample, start)
        last_row = min(row + (size - 6 - above) // oversample, stop - 1)
        first = max(column - left // oversample, 0)
        last = min(column + (size - 6 - left) // oversample, image.shape[1] - 1)
        if first_row > last_row or first > last:
            continue
        top = above + (first_row - row) * oversample
        bottom = above + (last_row - row) * oversample + 6
        _mix(flat, nodes[k], weights[k], mixed, top, bottom)
        for n in range(6):
            sample = left + (first - column) * oversample + n
            tap[n] = sample % oversample * width + sample // oversample
        a, b, c = (
            np.float32(rate[k] * wx[0]),
            np.float32(rate[k] * wx[1]),
            np.float32(rate[k] * wx[2]),
        )
        d, e, f = (
            np.float32(rate[k] * wx[3]),
            np.float32(rate[k] * wx[4]),
            np.float32(rate[k] * wx[5]),
        )
        for r in range(first_row, last_row + 1):
            _combine(mixed, above + (r - row) * oversample, wy, line)
            for p in range(last - first + 1):
                image[r, first + p] += (
                    a * line[tap[0] + p]
                    + b * line[tap[1] + p]
                    + c * line[tap[2] + p]
                    + d * line[tap[3] + p]
                    + e * line[tap[4] + p]
                    + f * line[tap[5] + p]
                )


@jit
def _mix(flat: Plane, nodes: Plane, weights: Vector, mixed: Plane, top: int, bottom: int) -> None:
    """Rows ``top`` to ``bottom`` of the weighted mean of four stamps."""
    a, b = np.float32(weights[0]), np.float32(weights[1])
    c, d = np.float32(weights[2]), np.float32(weights[3])
    one, two, three, four = flat[nodes[0]], flat[nodes[1]], flat[nodes[2]], flat[nodes[3]]
    for s in range(top, bottom):
        for p in range(mixed.shape[1]):
            mixed[s, p] = a * one[s, p] + b * two[s, p] + c * three[s, p] + d * four[s, p]


@jit
def _combine(
    mixed: Plane, top: int, weights: tuple[float, float, float, float, float, float], line: Plane
) -> None:
    """The stamp along a row of pixels: six rows of samples, weighted."""
    a, b, c = np.float32(weights[0]), np.float32(weights[1]), np.float32(weights[2])
    d, e, f = np.float32(weights[3]), np.float32(weights[4]), np.float32(weights[5])
    for p in range(len(line)):
        line[p] = (
            a * mixed[top, p]
            + b * mixed[top + 1, p]
            + c * mixed[top + 2, p]
            + d * mixed[top + 3, p]
            + e * mixed[top + 4, p]
            + f * mixed[top + 5, p]
        )
