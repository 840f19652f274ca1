"""The Fourier transform of an ePSF, at all nodes of its grid.

    P^(k) = K^(kx / q) K^(ky / q) sum over samples of P(d) exp(-2 pi i k d) / q^2

with k in cycles per pixel, q samples per pixel, and K^ the transform of the kernel that
interpolates between samples, so that galaxies and stars have the same ePSF. The pixel is in
it, as it is in the ePSF.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import next_fast_len, rfft2

from aqueduct.core.threads import over
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.sampling import interpolation

Plane = NDArray[Any]
Floats = NDArray[np.float64]

MARGIN: Final = 3
"""Rows and columns around the table, for its interpolation."""
_COARSEST: Final = 256
FAINTEST: Final = 1e-5
"""Smallest modulus of a transform that counts."""
RING: Final = 0.05
"""Cycles per pixel between entries of :attr:`Transfer.modulus`."""
_REACH: Final = 0.5
"""Cycles per sample; what lies beyond is the kernel's, not the ePSF's."""


@dataclass(frozen=True)
class Transfer:
    """Transforms of an ePSF's stamps.

    Attributes
    ----------
    table : ndarray of complex64, (node, row, column)
        Steps of 1 / ``size`` cycle per pixel; k = 0 in row ``count + MARGIN`` and column
        ``MARGIN``, k in x not below ``-MARGIN`` steps.
    size : int
    modulus : ndarray, (ring,)
        Mean modulus of the transform in steps of :data:`RING` cycle per pixel.
    outside : ndarray, (radius,)
        Mean share of the light further than so many pixels from the star.
    """

    table: NDArray[np.complex64]
    size: int
    modulus: Floats
    outside: Floats

    @classmethod
    def of(cls, epsf: Epsf) -> Transfer:
        """The transforms of all stamps."""
        size = _COARSEST
        while size < 1.25 * epsf.psf.shape[-1] / epsf.oversample:
            size *= 2
        modulus = np.mean(over(lambda stamp: _modulus(stamp, epsf.oversample), list(epsf.psf)), 0)
        count = int(np.flatnonzero(modulus > FAINTEST)[-1] * RING * size)

        def node(stamp: Plane) -> NDArray[np.complex64]:
            return _transform(stamp, epsf.oversample, size, count)

        return cls(np.stack(over(node, list(epsf.psf))), size, modulus, _outside(epsf))

    def at(self, side: int) -> tuple[NDArray[np.complex64], int]:
        """The table for stamps of ``side`` pixels, and its size: never more than ``side``."""
        stride = max(self.size // side, 1)
        if stride == 1:
            return self.table, self.size
        middle = self.table.shape[1] // 2
        reach = (middle - MARGIN) // stride * stride
        rows = slice(middle - reach, middle + reach + 1, stride)
        columns = slice(MARGIN, MARGIN + reach + 1, stride)
        return np.pad(self.table[:, rows, columns], ((0, 0), (MARGIN,) * 2, (MARGIN,) * 2)), side


def _padded(stamp: Plane, side: int) -> NDArray[np.complex64]:
    """Transform of a stamp, its middle in the first element of a square of ``side``."""
    half = stamp.shape[0] // 2
    padded = np.zeros((side, side), np.float32)
    at = np.arange(-half, half + 1) % side
    padded[np.ix_(at, at)] = stamp
    return np.asarray(rfft2(padded), np.complex64)


def _at(half_plane: Plane, rows: Plane, columns: Plane) -> NDArray[np.complex64]:
    """The transform at any steps of frequency, which in samples repeats itself."""
    side = half_plane.shape[0]
    columns = columns % side
    mirrored = columns > side // 2
    row = np.where(mirrored, -rows[:, None], rows[:, None]) % side
    value = half_plane[row, np.where(mirrored, side - columns, columns)]
    return np.asarray(np.where(mirrored, value.conj(), value), np.complex64)


def _modulus(stamp: Plane, oversample: int) -> Floats:
    """Mean modulus in rings of frequency."""
    side = next_fast_len(stamp.shape[0] + 1)
    reach = int(_REACH * side)
    rows, columns = np.arange(-reach, reach + 1), np.arange(reach + 1)
    light = np.abs(_at(_padded(stamp, side), rows, columns)) / oversample**2
    smooth = _between_samples(rows / side)
    light *= np.abs(smooth[:, None] * smooth[reach:])
    ring = (np.hypot(rows[:, None], columns) * (oversample / side / RING)).astype(int).ravel()
    mean = np.bincount(ring, light.ravel()) / np.maximum(np.bincount(ring), 1)
    return np.asarray(mean[: int(_REACH * oversample / RING)])


def _transform(stamp: Plane, oversample: int, size: int, count: int) -> NDArray[np.complex64]:
    """One node of the table."""
    side = size * oversample
    rows = np.arange(-count - MARGIN, count + MARGIN + 1)
    whole = _padded(stamp, side) / np.float32(oversample**2)
    smooth = _between_samples(rows / side)
    return _at(whole, rows, rows[count:]) * smooth[:, None] * smooth[count:]


def _between_samples(k: Floats) -> NDArray[np.float32]:
    """Transform of the interpolating kernel at ``k`` cycles per sample."""
    node, weight = np.polynomial.legendre.leggauss(32)
    shift = (node + 1) / 2
    # Sample m, from -2 to 3, has its share at the distance t - m of a point at t.
    shares = np.array([interpolation(t) for t in shift]) * weight[:, None] / 2
    distance = shift[:, None] - np.arange(-2, 4)
    waves = np.cos(2 * np.pi * k[:, None, None] * distance)
    return np.asarray((waves * shares).sum(axis=(1, 2)), np.float32)


def _outside(epsf: Epsf) -> Floats:
    """Mean share of the light beyond 0, 1, 2, ... pixels, from that within the stamp."""
    at = (np.arange(epsf.psf.shape[-1]) - epsf.psf.shape[-1] // 2) / epsf.oversample
    ring = np.hypot(at, at[:, None]).astype(int).ravel()
    light = np.bincount(ring, epsf.psf.mean(axis=0, dtype=np.float64).ravel())
    return np.append(light[::-1].cumsum()[::-1], 0.0) / epsf.oversample**2
