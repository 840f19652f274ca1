"""DAOFIND sharpness and roundness at given positions.

H is the data correlated with a Gaussian of zero sum, scaled so that H is the height of
the best-fitting Gaussian; the template's pixels lie within max(2, 1.5 sigma) of its
middle. At the source's pixel, with <d> the mean of the template's other pixels::

    sharpness  = (d - <d>) / H
    roundness1 = 2 (S_top-left - S_top-right + S_bottom-right - S_bottom-left) / sum |H|

where S sums H over quarters of the template's square. Source: Stetson 1987, PASP 99, 191.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit
from aqueduct.measure.apertures import Field, Vector, doubles
from aqueduct.measure.background import Mask, Plane


def template(fwhm: float) -> tuple[Vector, Mask]:
    """The Gaussian of zero sum for a full width in pixels, and which pixels are part of it."""
    sigma = fwhm / np.sqrt(8 * np.log(2))
    reach = max(2.0, 1.5 * sigma)
    axis = np.arange(-int(reach), int(reach) + 1)
    square = axis[:, None] ** 2 + axis[None, :] ** 2
    inside = square <= reach * reach
    peak = np.where(inside, np.exp(-0.5 * square / sigma**2), 0.0)
    count, total = inside.sum(), peak.sum()
    level = (peak**2).sum() - total**2 / count
    return np.where(inside, (peak - total / count) / level, 0.0), inside


def sharpness(field: Field, x: Vector, y: Vector, fwhm: float) -> tuple[Vector, Vector]:
    """Sharpness and roundness1 of sources.

    Parameters
    ----------
    field : Field
        Masked pixels count as zero, as do those off the image.
    x, y : ndarray, (source,)
        Pixels.
    fwhm : float
        Of the Gaussian, pixels.

    Returns
    -------
    sharpness, roundness1 : ndarray, (source,)
        NaN where H is zero.
    """
    kernel, inside = template(fwhm)
    out: NDArray[np.float64] = np.full((2, len(x)), np.nan)
    _sharpness(field.data, field.mask, doubles(x), doubles(y), kernel, inside, out)
    return out[0], out[1]


@jit
def _value(data: Plane, mask: Mask, row: int, column: int) -> float:
    if row < 0 or column < 0 or row >= data.shape[0] or column >= data.shape[1]:
        return 0.0
    return 0.0 if mask[row, column] else float(data[row, column])


@jit
def _sharpness(
    data: Plane, mask: Mask, x: Vector, y: Vector, kernel: Vector, inside: Mask, out: Vector
) -> None:
    reach = kernel.shape[0] // 2
    others = inside.sum() - 1
    for k in range(len(x)):
        if not (np.isfinite(x[k]) and np.isfinite(y[k])):
            continue
        row, column = int(np.rint(y[k])), int(np.rint(x[k]))
        centre, total = _value(data, mask, row, column), 0.0
        peak = twofold = size = 0.0
        for i in range(-reach, reach + 1):
            for j in range(-reach, reach + 1):
                height = 0.0
                for m in range(-reach, reach + 1):
                    for n in range(-reach, reach + 1):
                        if inside[reach + m, reach + n]:
                            height += kernel[reach + m, reach + n] * _value(
                                data, mask, row + i + m, column + j + n
                            )
                if i == 0 and j == 0:
                    peak = height
                    continue
                if inside[reach + i, reach + j]:
                    total += _value(data, mask, row + i, column + j)
                # Each quarter holds the half axis that follows it clockwise.
                left = (i < 0 and j <= 0) or (i > 0 and j >= 0)
                twofold += height if left else -height
                size += abs(height)
        if peak != 0.0:
            out[0, k] = (centre - total / others) / peak
        if size > 0.0:
            out[1, k] = 2.0 * twofold / size
