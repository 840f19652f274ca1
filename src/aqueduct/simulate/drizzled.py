"""What drizzling does to a PSF and to white noise, on average over many sub-pixel offsets.

A detector pixel, shrunk by ``pixfrac`` p, is spread over the pixels it covers. With M the map
from an offset on the output grid to one in detector pixels, r = |det M| detector pixels to an
output pixel, and K = box(p detector pixels) * box(output pixel), of unit integral,

    ePSF'(d)  = (ePSF * K)(d)
    C(d) / v  = (K x K)(d) / (N r)          covariance of outputs d apart
    weight    = N r w

for N exposures of pixel variance v and weight w (``*`` is convolution, ``x`` correlation):
Fruchter & Hook 2002, PASP 114, 144, section 7, for any orientation. K is known in Fourier
space. The average stands for a set of dithers that fill the pixel, or a grid whose phase
runs over an image; a few exposures with small ``pixfrac`` leave holes that it does not show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from aqueduct.core.threads import bands, over
from aqueduct.kernels.compile import jit
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.psf.sampling import sample

Floats = NDArray[np.float64]

_FINE: Final = 16
"""Samples of K per output pixel."""
_FIELD: Final = 32
"""Output pixels over which its correlation is calculated."""
_BAND: Final = 128


@dataclass(frozen=True)
class Drizzle:
    """How detector pixels lie on the output grid.

    Attributes
    ----------
    matrix : tuple of 4 float
        M, by rows: detector pixels (x, y) per output pixel (x, y).
    pixfrac : float
    """

    matrix: tuple[float, float, float, float]
    pixfrac: float = 1.0

    @classmethod
    def turned(cls, ratio: float, position_angle: float, pixfrac: float = 1.0) -> Drizzle:
        """A detector at a position angle over a grid with +x to the east and +y to the north.

        Parameters
        ----------
        ratio : float
            Output over detector pixel scale: 0.5 on sky cells.
        position_angle : float
            Of the detector's +y, degrees east of north; its +x is 90 degrees behind.
        pixfrac : float
        """
        angle = np.radians(position_angle)
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        return cls((-ratio * cos, ratio * sin, ratio * sin, ratio * cos), pixfrac)

    @property
    def share(self) -> float:
        """Detector pixels in an output pixel."""
        a, b, c, d = self.matrix
        return abs(a * d - b * c)

    @property
    def variance(self) -> float:
        """Variance of an output pixel in units of a detector pixel's, one exposure."""
        return float(_correlation(self)[0, 0])

    def epsf(self, epsf: Epsf, x: float, y: float, oversample: int = 2) -> Epsf:
        """The ePSF of the co-add, from that of the detector at science pixel (x, y).

        Parameters
        ----------
        epsf : Epsf
            With capacitance, as the detector has it.
        x, y : float
        oversample : int
            Samples per output pixel.

        Returns
        -------
        Epsf
            One stamp for the whole grid; positions and offsets are output pixels.
        """
        step = 1 / oversample
        half = int(epsf.radius / max(np.linalg.norm(self._matrix(), axis=0)) * oversample)
        offsets = np.arange(-half, half + 1, dtype=np.float64) * step
        stamp = _turned(epsf.at(x, y), epsf.oversample, self._matrix(), offsets)
        seen = fft.irfft2(fft.rfft2(stamp) * self._transfer(len(offsets), step), s=stamp.shape)
        return Epsf(normalised(seen[None], oversample), oversample, np.zeros(1), np.zeros(1))

    def noise(self, shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
        """Noise of unit variance in each pixel, correlated as drizzled white noise is.

        Parameters
        ----------
        shape : (rows, columns)
        rng : numpy.random.Generator
        """
        kernel = _filter(self)
        reach = len(kernel) // 2
        white = np.empty((shape[0] + 2 * reach, shape[1] + 2 * reach), np.float32)
        strips = bands(len(white), _BAND)

        def draw(item: tuple[tuple[int, int], np.random.Generator]) -> None:
            (start, stop), stream = item
            stream.standard_normal(dtype=np.float32, out=white[start:stop])

        over(draw, list(zip(strips, rng.spawn(len(strips)), strict=True)))
        out = np.empty(shape, np.float32)
        over(lambda rows: _convolve(white, kernel, out, *rows), bands(shape[0], _BAND))
        return out

    def _matrix(self) -> Floats:
        return np.array(self.matrix).reshape(2, 2)

    def _transfer(self, size: int, step: float) -> Floats:
        """Fourier transform of K on the frequencies of a real transform of ``size`` squared."""
        up, along = fft.fftfreq(size, step)[:, None], fft.rfftfreq(size, step)[None, :]
        inverse = np.linalg.inv(self._matrix())
        own_x = inverse[0, 0] * along + inverse[1, 0] * up
        own_y = inverse[0, 1] * along + inverse[1, 1] * up
        pixel = np.sinc(self.pixfrac * own_x) * np.sinc(self.pixfrac * own_y)
        return np.asarray(pixel * np.sinc(along) * np.sinc(up))


@lru_cache(maxsize=16)
def _correlation(drizzle: Drizzle) -> Floats:
    """C / v for one exposure at whole-pixel lags, wrapped: (32, 32), lag 0 first."""
    transfer = drizzle._transfer(_FIELD * _FINE, 1 / _FINE)
    fine = fft.irfft2(transfer**2, s=(_FIELD * _FINE,) * 2) * _FINE**2
    return np.asarray(fine[::_FINE, ::_FINE] / drizzle.share)


@lru_cache(maxsize=16)
def _filter(drizzle: Drizzle) -> NDArray[np.float32]:
    """Turns white noise into noise with that correlation and unit variance: its root."""
    correlation = _correlation(drizzle)
    power = np.maximum(fft.fft2(correlation).real, 0)
    root = np.roll(fft.ifft2(np.sqrt(power)).real, (_FIELD // 2,) * 2, (0, 1))
    strong = np.abs(root).max(axis=0) > 2e-3 * root.max()
    reach = int(np.abs(np.flatnonzero(strong) - _FIELD // 2).max())
    part = slice(_FIELD // 2 - reach, _FIELD // 2 + reach + 1)
    kernel = root[part, part]
    return np.asarray(kernel / np.sqrt((kernel**2).sum()), np.float32)


@jit
def _turned(stamp: Floats, oversample: int, matrix: Floats, offsets: Floats) -> Floats:
    """A stamp sampled at M d for all output offsets d."""
    size = offsets.size
    out = np.empty((size, size))
    for i in range(size):
        for j in range(size):
            dx = matrix[0, 0] * offsets[j] + matrix[0, 1] * offsets[i]
            dy = matrix[1, 0] * offsets[j] + matrix[1, 1] * offsets[i]
            out[i, j] = sample(stamp, oversample, dx, dy)
    return out


@jit
def _convolve(white: Any, kernel: Any, out: Any, start: int, stop: int) -> None:
    """Rows ``start`` to ``stop`` of ``out``; ``white`` has a margin of the kernel's reach."""
    size = kernel.shape[0]
    for row in range(start, stop):
        for column in range(out.shape[1]):
            out[row, column] = 0.0
        for i in range(size):
            for j in range(size):
                weight = kernel[i, j]
                for column in range(out.shape[1]):
                    out[row, column] += weight * white[row + i, column + j]
