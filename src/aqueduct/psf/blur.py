"""What widens the optical PSF on its way into pixels, as factors in Fourier space.

    T(k) = exp(-2 pi^2 k' C k)  *  sinc(k_x) sinc(k_y)  *  sum_d s_d exp(-2 pi i k d)

k in cycles per pixel. C is the covariance of the jitter plus that of charge diffusion,
the sincs are the square pixel, s_d the shares of inter-pixel capacitance. Each factor is
there once or not at all, and :data:`Contents` of a PSF names those that are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import ConfigError
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.instrument.noise import IPC

Floats = NDArray[np.float64]
Contents: TypeAlias = tuple[str, ...]

OPTICS: Final = "optics"
JITTER: Final = "jitter"
DIFFUSION: Final = "charge diffusion"
PIXEL: Final = "pixel"
CAPACITANCE: Final = "inter-pixel capacitance"

_FWHM: Final = np.sqrt(8 * np.log(2))
_MAS_PER_PIXEL: Final = PIXEL_SCALE * 1000


@dataclass(frozen=True)
class Jitter:
    """Pointing jitter: a Gaussian, elongated or round.

    Attributes
    ----------
    major, minor : float
        RMS (sigma) along either axis, mas.
    angle : float
        Degrees from +y towards +x of the science frame to the major axis.
    """

    major: float
    minor: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.minor <= self.major < np.inf:
            raise ConfigError(
                f"jitter of {self.major} by {self.minor} mas",
                hint="give major >= minor >= 0",
            )

    @classmethod
    def of(cls, value: float | Jitter) -> Jitter:
        """A number as a round Gaussian of that RMS."""
        return value if isinstance(value, Jitter) else cls(value, value)

    @classmethod
    def from_fwhm(cls, major: float, minor: float | None = None, angle: float = 0.0) -> Jitter:
        """From full widths at half maximum, mas: 2.355 times the RMS."""
        return cls(major / _FWHM, (major if minor is None else minor) / _FWHM, angle)

    @property
    def covariance(self) -> Floats:
        """(2, 2) by (x, y), pixel^2."""
        turn = np.radians(self.angle)
        along, across = np.array([[np.sin(turn), np.cos(turn)], [np.cos(turn), -np.sin(turn)]])
        total = self.major**2 * np.outer(along, along) + self.minor**2 * np.outer(across, across)
        return np.asarray(total / _MAS_PER_PIXEL**2)


def round_covariance(rms: float) -> Floats:
    """Covariance of a round Gaussian of ``rms`` pixels."""
    return rms**2 * np.eye(2)


def gaussian_transfer(shape: tuple[int, int], oversample: float, covariance: Floats) -> Floats:
    """Transfer function of a Gaussian on the grid of :func:`numpy.fft.rfft2`.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the image.
    oversample : float
        Samples per pixel.
    covariance : ndarray, (2, 2)
        By (x, y), pixel^2.
    """
    ky, kx = _frequencies(shape, oversample)
    power = covariance[0, 0] * kx**2 + covariance[1, 1] * ky**2 + 2 * covariance[0, 1] * kx * ky
    return np.asarray(np.exp(-2 * np.pi**2 * power))


def transfer(
    shape: tuple[int, int], oversample: float, covariance: Floats, contents: Collection[str]
) -> NDArray[Any]:
    """Product of the Gaussian and of the pixel and the capacitance, if in ``contents``."""
    total: NDArray[Any] = gaussian_transfer(shape, oversample, covariance)
    ky, kx = _frequencies(shape, oversample)
    if PIXEL in contents:
        total = total * np.sinc(kx) * np.sinc(ky)
    if CAPACITANCE in contents:
        total = total * sum(
            share * np.exp(-2j * np.pi * ((row - 1) * ky + (column - 1) * kx))
            for (row, column), share in np.ndenumerate(IPC)
        )
    return total


def convolved(image: Floats, factor: NDArray[Any]) -> Floats:
    """``image`` times a transfer function in Fourier space; it wraps around."""
    product = np.fft.rfft2(image) * factor
    return np.asarray(np.fft.irfft2(product, s=(image.shape[0], image.shape[1])))


def interpolated(image: Floats, factor: NDArray[Any], pitch: float, size: int) -> Floats:
    """``image`` times a transfer function, at other samples: its Fourier series is evaluated.

    Parameters
    ----------
    image : ndarray, (n, n)
        n odd; its middle sample becomes that of the result.
    factor : ndarray
        As :func:`transfer` gives it.
    pitch : float
        Spacing of the samples wanted, in those of the image.
    size : int
        How many are wanted on a side, odd.

    Returns
    -------
    ndarray, (size, size)
    """
    count = len(image)
    at = count // 2 + (np.arange(size) - size // 2) * pitch
    along = np.exp(2j * np.pi * at[:, None] * np.fft.fftfreq(count)) / count
    across = np.exp(2j * np.pi * at[:, None] * np.fft.rfftfreq(count)) / count
    across[:, 1:] *= 2  # the other half of the plane has the complex conjugates
    spectrum = np.fft.rfft2(image) * factor
    return np.asarray((along @ spectrum @ across.T).real)


def _frequencies(shape: tuple[int, int], oversample: float) -> tuple[Floats, Floats]:
    """Cycles per pixel along y (a column) and x (a row)."""
    ky = np.fft.fftfreq(shape[0], 1 / oversample)[:, None]
    kx = np.fft.rfftfreq(shape[1], 1 / oversample)[None, :]
    return np.asarray(ky, np.float64), np.asarray(kx, np.float64)
