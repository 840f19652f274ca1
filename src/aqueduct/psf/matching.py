"""Kernels that turn one PSF into another.

    K = T S* / (|S|^2 + r |S(0)|^2),   scaled so that K(0) = T(0) / S(0)

in Fourier space: S is the source's PSF, T the target's, and r keeps frequencies that the
source hardly passes from being blown up (a Wiener filter). Larger r: less noise, worse
match. What the kernel leaves is predicted from the PSFs themselves.

Source: Gordon et al. 2008, ApJ 682, 336; Aniano et al. 2011, PASP 123, 1218.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import ConfigError
from aqueduct.psf.model import PsfImage

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Matching:
    """A kernel and what to expect of it.

    Attributes
    ----------
    kernel : ndarray of float64, (row, column)
        To convolve the source's image with; centred.
    scale : float
        Side of its pixels, arcsec.
    residual : ndarray of float64, (row, column)
        Source's PSF convolved with the kernel, minus the target's.
    energy_difference : float
        Largest difference of encircled energy, over all radii, as a share of the target's
        light.
    noise_gain : float
        Noise of the convolved image over that of the source's, for noise that is not
        correlated: sqrt(sum K^2).
    """

    kernel: Floats
    scale: float
    residual: Floats
    energy_difference: float
    noise_gain: float


def matching_kernel(
    source: PsfImage, target: PsfImage, *, regularisation: float = 1e-4
) -> Matching:
    """The kernel that takes the PSF of ``source`` to that of ``target``.

    Parameters
    ----------
    source, target : PsfImage
        Of the same odd size and the same scale, the star in the middle.
    regularisation : float
        r; power of the source at which the kernel begins to yield, relative to its largest.

    Raises
    ------
    ConfigError
        If the images differ in size or scale, or the star is not in the middle.
    """
    _check(source, target)
    shape = source.values.shape
    first, second = (np.fft.rfft2(np.fft.ifftshift(psf.values)) for psf in (source, target))
    ratio = second * first.conj() / (np.abs(first) ** 2 + regularisation * abs(first[0, 0]) ** 2)
    ratio *= (second[0, 0] / first[0, 0]).real / ratio[0, 0].real
    kernel = np.fft.fftshift(np.fft.irfft2(ratio, s=shape))
    matched = np.fft.fftshift(np.fft.irfft2(ratio * first, s=shape))
    residual = matched - target.values
    return Matching(
        kernel,
        source.scale,
        residual,
        _energy(residual) / float(target.values.sum()),
        float(np.sqrt((kernel**2).sum())),
    )


def _check(source: PsfImage, target: PsfImage) -> None:
    if source.values.shape != target.values.shape or source.scale != target.scale:
        raise ConfigError(
            f"PSFs of {source.values.shape} pixels of {source.scale} arcsec and of "
            f"{target.values.shape} of {target.scale}",
            hint="make both images with the same size and scale",
        )
    middle = source.values.shape[0] // 2
    places = (source.x, source.y, target.x, target.y)
    if source.values.shape[0] % 2 == 0 or any(at != middle for at in places):
        raise ConfigError(
            "the star is not in the middle of both PSFs",
            hint="make the images with an odd size and no shift of the centre",
        )


def _energy(residual: Floats) -> float:
    """Largest sum of the residual over a circle about the middle."""
    y, x = np.indices(residual.shape) - residual.shape[0] // 2
    squared = (x**2 + y**2).ravel()
    rings = np.bincount(squared, weights=residual.ravel())
    return float(np.abs(np.cumsum(rings)).max())
