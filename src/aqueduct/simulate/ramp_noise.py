"""Variance of a count rate fitted to a ramp, without the ramp.

Resultants R_i, means of N_i reads with mean time t_i and tau_i = sum_k (2 N_i - 2 k + 1) t_k
/ N_i^2, have for a rate a (DN/s), gain g (e/DN) and read noise s (DN) the covariance

    C = (a/g) T + s^2 diag(1/N_i),   T_ij = t_i (i < j),   T_ii = tau_i       [DN^2]

The best unbiased slope beside a free offset is w'R, w = C^-1 (t - t0) / norm; its variance

    var_poisson = (a/g) w'T w,   var_rnoise = s^2 w' diag(1/N) w             [(DN/s)^2]

depends, but for a scale, on rho = a / (g s^2) and the number of resultants used alone, and is
tabulated once. This is what a likelihood fit of all differences reaches (Casertano 2022,
Roman-STScI-000394; Brandt 2024, PASP 136, 045004).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqueduct.kernels.compile import jit

Floats = NDArray[np.float64]
Plane = NDArray[Any]

_LOWEST: Final = -7.0
"""log10 of the least rho tabulated, 1/s; below it the weights no longer change."""
_STEP: Final = 0.02
_NODES: Final = 701


@dataclass(frozen=True, eq=False)
class RampNoise:
    """Variance of fitted rates for one read pattern.

    Attributes
    ----------
    photon : ndarray of float64, (resultants + 1, node)
        w'T w, 1/s, with the first k resultants, at log10 rho = -7, -6.98, ...; NaN below two.
    read : ndarray of float64, (resultants + 1, node)
        w' diag(1/N) w, 1/s^2.
    last : ndarray of float64, (resultants,)
        Seconds from the reset to the last read of each resultant.
    """

    photon: Floats
    read: Floats
    last: Floats

    @classmethod
    def of(cls, read_pattern: tuple[tuple[int, ...], ...], frame_time: float) -> RampNoise:
        """Tabulate a read pattern: 1-based reads, ``frame_time`` seconds apart."""
        return _tabulated(read_pattern, frame_time)

    @property
    def resultants(self) -> int:
        return len(self.last)

    def rho(self, ratio: Plane) -> Floats:
        """Rate a / (g s^2), 1/s, of ramps whose var_poisson is ``ratio`` times var_rnoise."""
        rho = 10.0 ** (_LOWEST + _STEP * np.arange(_NODES))
        known = np.log(rho * self.photon[-1] / self.read[-1])
        with np.errstate(divide="ignore"):
            at = np.log(ratio)
        return np.asarray(np.exp(np.interp(at, known, np.log(rho), left=-np.inf)))

    def usable(self, rate: Plane, capacity: ArrayLike) -> NDArray[np.int64]:
        """Resultants before saturation.

        Parameters
        ----------
        rate : ndarray
            Electron/s.
        capacity : ndarray
            Electrons at which a pixel saturates.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            until = np.where(rate > 0, capacity / np.maximum(rate, 1e-30), np.inf)
        return np.searchsorted(self.last, until, side="left")

    def variances(
        self, rate: ArrayLike, gain: ArrayLike, read_noise: ArrayLike, count: ArrayLike
    ) -> tuple[Plane, Plane]:
        """Photon and read variance of fitted rates.

        Parameters
        ----------
        rate : ndarray
            DN/s, dark current included.
        gain : ndarray
            Electron/DN.
        read_noise : ndarray
            DN, one read.
        count : ndarray of int
            Resultants used.

        Returns
        -------
        var_poisson, var_rnoise : ndarray of float32
            (DN/s)^2; NaN with fewer than two resultants.
        """
        parts = np.broadcast_arrays(rate, gain, read_noise, count)
        shape = parts[0].shape
        kinds = (np.float32, np.float32, np.float32, np.int64)
        a, g, s, n = (np.array(p, kind).ravel() for p, kind in zip(parts, kinds, strict=True))
        out = np.empty((2, a.size), np.float32)
        _variances(a, g, s, n, self.photon, self.read, out)
        return out[0].reshape(shape), out[1].reshape(shape)


@lru_cache(maxsize=16)
def _tabulated(read_pattern: tuple[tuple[int, ...], ...], frame_time: float) -> RampNoise:
    number = np.array([len(reads) for reads in read_pattern], np.float64)
    mean = np.array([frame_time * np.mean(reads) for reads in read_pattern])
    shared = np.minimum.outer(mean, mean)
    np.fill_diagonal(shared, [frame_time * _variance_time(reads) for reads in read_pattern])
    rho = 10.0 ** (_LOWEST + _STEP * np.arange(_NODES))
    photon, read = np.full((2, len(number) + 1, _NODES), np.nan)
    for count in range(2, len(number) + 1):
        part, alone = shared[:count, :count], np.diag(1 / number[:count])
        design = np.stack([np.ones(count), mean[:count]], axis=1)
        # Divided by 1 + rho, so that neither end is badly scaled.
        covariance = (rho[:, None, None] * part + alone) / (1 + rho)[:, None, None]
        solved = np.linalg.solve(covariance, np.broadcast_to(design, (_NODES, *design.shape)))
        weights = (solved @ np.linalg.inv(design.T @ solved))[:, :, 1]
        photon[count] = np.einsum("ki,ij,kj->k", weights, part, weights)
        read[count] = np.einsum("ki,ij,kj->k", weights, alone, weights)
    last = np.array([frame_time * reads[-1] for reads in read_pattern])
    return RampNoise(photon, read, last)


def _variance_time(reads: tuple[int, ...]) -> float:
    """The time tau of a resultant, in reads: the variance of the mean of a Poisson process."""
    count = len(reads)
    return float((2 * count - 2 * np.arange(1, count + 1) + 1) @ np.array(reads)) / count**2


@jit
def _variances(
    rate: Plane,
    gain: Plane,
    read_noise: Plane,
    count: Plane,
    photon: Floats,
    read: Floats,
    out: Plane,
) -> None:
    """Interpolate the tables linearly in log10 rho; all pixel arrays flat."""
    top = photon.shape[1] - 1
    for k in range(rate.size):
        n = count[k]
        photons = max(rate[k], np.float32(0.0)) / np.float64(gain[k])
        noise = np.float64(read_noise[k]) ** 2
        rho = photons / noise
        at = max((np.log10(rho) - _LOWEST) / _STEP, 0.0) if rho > 0.0 else 0.0
        low = min(int(at), top - 1)
        part = min(at - low, 1.0)
        out[0, k] = photons * (photon[n, low] + part * (photon[n, low + 1] - photon[n, low]))
        out[1, k] = noise * (read[n, low] + part * (read[n, low + 1] - read[n, low]))
