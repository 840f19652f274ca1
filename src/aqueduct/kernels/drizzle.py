"""Drizzle: spread the pixels of one image over the pixels of another grid.

A pixel, shrunk by ``pixfrac`` about its centre, is a quadrilateral of area J on the
output grid; the share of it in output pixel j is a_j = overlap_j / J. With the input
pixel's weight w, value d and variance v the output sums are::

    W = sum w a      S = sum w a d      V = sum (w a)^2 v

and S / W, V / W^2 are the weighted mean surface brightness and its variance
(Fruchter & Hook 2002, PASP 114, 144, equations 4 and 5, square kernel).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit

SUMS = 4
"""Planes of the sums: w a d, w a, (w a)^2 times the first and the second variance."""

# Shares below this are rounding of quadrilaterals that only touch.
_TOUCH = 1e-10
_LEVEL = 1e-6


@jit
def drizzle(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    data: NDArray[np.float32],
    weight: NDArray[np.float32],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    pixfrac: float,
    sums: NDArray[np.float64],
) -> None:
    """Add one image to ``sums``.

    Parameters
    ----------
    x, y : ndarray of float64, (rows + 1, columns + 1)
        Pixel corners of the image, as pixel coordinates of ``sums``.
    data, weight, first, second : ndarray of float32, (rows, columns)
        Values, weights (0: left out) and two kinds of variance.
    pixfrac : float
        Linear size of the shrunk pixel, 0 < pixfrac <= 1.
    sums : ndarray of float64, (4, height, width)
        Changed in place; see ``SUMS``.
    """
    height, width = sums.shape[1:]
    shrink = 1.0 - pixfrac
    for i in range(data.shape[0]):
        for j in range(data.shape[1]):
            w = weight[i, j]
            if not w > 0.0:
                continue
            xa, xb, xc, xd = x[i, j], x[i, j + 1], x[i + 1, j + 1], x[i + 1, j]
            ya, yb, yc, yd = y[i, j], y[i, j + 1], y[i + 1, j + 1], y[i + 1, j]
            left = int(np.floor(min(xa, xb, xc, xd) + 0.5))
            right = int(np.floor(max(xa, xb, xc, xd) + 0.5))
            low = int(np.floor(min(ya, yb, yc, yd) + 0.5))
            high = int(np.floor(max(ya, yb, yc, yd) + 0.5))
            if right < 0 or left >= width or high < 0 or low >= height:
                continue
            if shrink > 0.0:
                xm, ym = 0.25 * (xa + xb + xc + xd), 0.25 * (ya + yb + yc + yd)
                xa, ya = xa + shrink * (xm - xa), ya + shrink * (ym - ya)
                xb, yb = xb + shrink * (xm - xb), yb + shrink * (ym - yb)
                xc, yc = xc + shrink * (xm - xc), yc + shrink * (ym - yc)
                xd, yd = xd + shrink * (xm - xd), yd + shrink * (ym - yd)
            area = 0.5 * ((xc - xa) * (yd - yb) - (xd - xb) * (yc - ya))
            if area == 0.0:
                continue
            for row in range(max(low, 0), min(high, height - 1) + 1):
                v = 0.5 - row
                for column in range(max(left, 0), min(right, width - 1) + 1):
                    u = 0.5 - column
                    share = (
                        _below(xb + u, yb + v, xa + u, ya + v)
                        + _below(xc + u, yc + v, xb + u, yb + v)
                        + _below(xd + u, yd + v, xc + u, yc + v)
                        + _below(xa + u, ya + v, xd + u, yd + v)
                    ) / area
                    if share > _TOUCH:
                        wa = w * share
                        sums[0, row, column] += wa * data[i, j]
                        sums[1, row, column] += wa
                        sums[2, row, column] += wa * wa * first[i, j]
                        sums[3, row, column] += wa * wa * second[i, j]


@jit
def _below(x1: float, y1: float, x2: float, y2: float) -> float:
    """Signed area of the unit square below a segment: integral of clip(y, 0, 1) over x."""
    if (x1 <= 0.0 and x2 <= 0.0) or (x1 >= 1.0 and x2 >= 1.0) or (y1 <= 0.0 and y2 <= 0.0):
        return 0.0
    xa, xb = min(max(x1, 0.0), 1.0), min(max(x2, 0.0), 1.0)
    if xa == xb or (y1 >= 1.0 and y2 >= 1.0):
        return xb - xa
    slope = (y2 - y1) / (x2 - x1)
    ya, yb = y1 + slope * (xa - x1), y1 + slope * (xb - x1)
    # The quotient below would be rounding where the segment is almost level.
    if abs(yb - ya) < _LEVEL or (min(ya, yb) >= 0.0 and max(ya, yb) <= 1.0):
        return (xb - xa) * min(max(0.5 * (ya + yb), 0.0), 1.0)
    # With y linear in x, the integral is that of clip(y, 0, 1) over y, divided by the slope.
    return (_clipped(yb) - _clipped(ya)) / slope


@jit
def _clipped(y: float) -> float:
    """Integral of clip(t, 0, 1) for t from 0 to y."""
    if y <= 0.0:
        return 0.0
    return 0.5 * y * y if y <= 1.0 else y - 0.5
