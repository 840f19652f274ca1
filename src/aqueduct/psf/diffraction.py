"""From a pupil to the light of a star in the focal plane, at the samples wanted.

    E(theta) = integral T(u) exp(2 pi i W(u) / lambda) exp(2 pi i u theta / lambda) du
    I(theta) = sum_k w_k |E_k(theta)|^2,    w_k and lambda_k: Gauss quadrature over the band

E is a product of three matrices (a matrix Fourier transform: Soummer et al. 2007, Opt.
Express 15, 15935), so its samples are the same for all wavelengths and nothing is
interpolated. The cells of the pupil average a finer mask; the factor that this puts on E
is taken out. The Gauss rule of n nodes for the photons of a band is exact for a PSF that is
a polynomial in lambda of degree 2 n - 1: 7 nodes do what equal shares do with 30.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal

from aqueduct.psf.pupil import Pupil

Floats = NDArray[np.float64]

ARCSEC: Final = np.pi / 180 / 3600
_MICROMETRE: Final = 1e-6


def gauss_nodes(x: Floats, weight: Floats, count: int) -> tuple[Floats, Floats]:
    """Gauss quadrature for a weight given on samples.

    Parameters
    ----------
    x, weight : ndarray, (n,)
        Samples, and the weight of each, not negative.
    count : int
        Nodes wanted, fewer than the samples with weight.

    Returns
    -------
    nodes, shares : ndarray, (count,)
        Ascending; the shares sum to 1. sum(shares p(nodes)) is the weighted mean of
        p(x) for every polynomial p of a degree below 2 ``count`` (Golub & Welsch 1969).
    """
    middle, half = (x[0] + x[-1]) / 2, max((x[-1] - x[0]) / 2, np.finfo(float).tiny)
    at, mass = (x - middle) / half, weight / weight.sum()
    before, here = np.zeros_like(at), np.ones_like(at)
    diagonal, beside = np.zeros(count), np.zeros(count)
    for k in range(count):  # orthonormal polynomials by their three-term recurrence
        diagonal[k] = (mass * at * here * here).sum()
        if k == count - 1:
            break
        following = (at - diagonal[k]) * here - beside[k - 1] * before
        beside[k] = np.sqrt((mass * following**2).sum())
        before, here = here, following / beside[k]
    roots, vectors = eigh_tridiagonal(diagonal, beside[:-1])
    return middle + half * roots, vectors[0] ** 2


def intensity(
    pupil: Pupil,
    wavefront: NDArray[np.float32],
    wavelengths: Floats,
    shares: Floats,
    step: float,
    size: int,
) -> Floats:
    """Light of a star, by wavelengths.

    Parameters
    ----------
    pupil : Pupil
    wavefront : ndarray of float32, (v, u)
        Micrometre.
    wavelengths, shares : ndarray, (n,)
        Micrometre, and the part of the light in each.
    step : float
        Spacing of the samples, arcsec.
    size : int
        Samples on a side, the star on sample ``size // 2``.

    Returns
    -------
    ndarray, (size, size)
        Share of all the light that came through the pupil, per sample.
    """
    axis = pupil.axis
    rows, columns = (np.flatnonzero(pupil.transmission.any(axis=way)) for way in (1, 0))
    part = np.ix_(rows, columns)
    mask, path = pupil.transmission[part], wavefront[part]
    theta = np.asarray((np.arange(size) - size // 2) * (step * ARCSEC), np.float64)
    total = np.zeros((size, size))
    for wavelength, share in zip(wavelengths, shares, strict=True):
        phase = path * np.float32(2 * np.pi / wavelength)
        field = np.empty(mask.shape, np.complex64)
        field.real, field.imag = mask * np.cos(phase), mask * np.sin(phase)
        wave = wavelength * _MICROMETRE
        across = _transform(theta, axis[columns], wave, pupil)
        along = _transform(theta, axis[rows], wave, pupil)
        light = along @ field @ across.T
        scale = share * (step * ARCSEC * pupil.step / wave) ** 2
        total += scale * (light.real**2 + light.imag**2)
    return np.asarray(total / mask.sum(dtype=np.float64))


def _transform(theta: Floats, u: Floats, wave: float, pupil: Pupil) -> NDArray[np.complex64]:
    """Fourier matrix (theta, u), less the mean over a cell."""
    lost = np.sinc(pupil.step * theta / wave) / np.sinc(pupil.spacing * theta / wave)
    matrix = np.exp(2j * np.pi / wave * theta[:, None] * u) / lost[:, None]
    return np.asarray(matrix, np.complex64)
