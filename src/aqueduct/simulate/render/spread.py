"""Many points convolved with one ePSF, by Fourier transform.

    image(r) = sum_k f_k P(r - p_k)  ~  sum_m D_m P(r - m / q)

The points are deposited on a grid of q samples per pixel with the kernel by which ePSFs are
interpolated, so that D is exact where interpolating P from q samples per pixel is. The q x q
phases of that grid are convolved apart, each on the grid of the pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from aqueduct.kernels.compile import jit
from aqueduct.psf.sampling import interpolation

Plane = NDArray[Any]
Floats = NDArray[np.float64]

_BORDER = 4
"""Pixels beyond a stamp which the kernel of the deposit reaches."""


def spread(
    x: Floats, y: Floats, flux: Floats, stamp: Plane, oversample: int, phases: int
) -> tuple[int, int, NDArray[np.float32]]:
    """Draw points of one ePSF on the smallest patch that holds them.

    Parameters
    ----------
    x, y : ndarray, (point,)
        0-based pixel; at least one.
    flux : ndarray, (point,)
    stamp : ndarray, (y, x)
        The ePSF, as :meth:`aqueduct.psf.epsf.Epsf.at` returns it.
    oversample : int
        Its samples per pixel.
    phases : int
        Samples per pixel of the deposit: a divisor of ``oversample``.

    Returns
    -------
    row, column : int
        The image pixel of the patch's first.
    patch : ndarray of float32, (row, column)
    """
    border = stamp.shape[0] // 2 // oversample + _BORDER
    row, column = int(np.floor(y.min())) - border, int(np.floor(x.min())) - border
    shape = (
        next_fast_len(int(y.max()) + 1 - row + border, real=True),
        next_fast_len(int(x.max()) + 1 - column + border, real=True),
    )
    grid = np.zeros((phases, phases, *shape), np.float32)
    _deposit(x - column, y - row, flux, grid)
    total = np.zeros((shape[0], shape[1] // 2 + 1), np.complex64)
    for phase in np.ndindex(phases, phases):
        kernel = _kernel(stamp, oversample, phases, phase, shape)
        total += rfft2(grid[phase]) * rfft2(kernel)
    return row, column, irfft2(total, shape)


def add(row: int, column: int, patch: Plane, image: Plane) -> None:
    """Add the part of ``patch`` that falls on ``image``; its first pixel is (row, column)."""
    top, left = max(row, 0), max(column, 0)
    bottom = min(row + patch.shape[0], image.shape[0])
    right = min(column + patch.shape[1], image.shape[1])
    if top < bottom and left < right:
        image[top:bottom, left:right] += patch[
            top - row : bottom - row, left - column : right - column
        ]


def _kernel(
    stamp: Plane, oversample: int, phases: int, phase: tuple[int, ...], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """The ePSF at the pixels around a point at ``phase``, its origin in the first element."""
    kernel = np.zeros(shape, np.float32)
    places, samples = [], []
    for axis in (0, 1):
        size = stamp.shape[axis]
        reach = size // 2 // oversample + 1
        offset = np.arange(-reach, reach + 1)
        sample = size // 2 + offset * oversample - phase[axis] * (oversample // phases)
        inside = (sample >= 0) & (sample < size)
        places.append(offset[inside] % shape[axis])
        samples.append(sample[inside])
    kernel[np.ix_(*places)] = stamp[np.ix_(*samples)]
    return kernel


@jit
def _deposit(x: Floats, y: Floats, flux: Floats, grid: Plane) -> None:
    """Share points among 6 x 6 samples of ``grid`` (phase in y, in x, row, column)."""
    phases = grid.shape[0]
    for k in range(len(x)):
        u, v = x[k] * phases, y[k] * phases
        i, j = int(np.floor(u)), int(np.floor(v))
        wx, wy = interpolation(u - i), interpolation(v - j)
        for m in range(6):
            row, row_phase = divmod(j - 2 + m, phases)
            for n in range(6):
                column, phase = divmod(i - 2 + n, phases)
                grid[row_phase, phase, row, column] += flux[k] * wy[m] * wx[n]
