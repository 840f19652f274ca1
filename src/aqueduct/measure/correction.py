"""Aperture correction of PSF photometry: what a wrong core of the ePSF does to fluxes.

The fit sees the core alone, so the error of the share of light that the ePSF gives to it is
that of all fluxes. A large circle of radius R holds nearly all the light, and its share

    E = sum_i f_i P(x_i - x, y_i - y)            f_i: share of pixel i in the circle

of the ePSF P is hardly wrong. With A the flux in the circle and F that of the fit, the
correction is the weighted mean over bright, isolated, unflagged point sources of

    c = A / (E F)          with weight 1 / (var A / A^2 + s^2)

less those beyond 4 standard deviations; s is the scatter from star to star. Its error is
that of the weighted mean, times the root of the reduced chi-square where that exceeds 1.
Source: Stetson 1990, PASP 102, 932.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aqueduct.measure.apertures import Field, Vector, circular
from aqueduct.psf.epsf import Epsf

Chosen = NDArray[np.bool_]

LEAST_SNR: Final = 200.0
LEAST_STARS: Final = 10
LARGEST_ERROR: Final = 1e-3
_SCATTER: Final = 2e-3
"""s: errors of flat, nonlinearity and ePSF from place to place."""
_CLEAR: Final = 1.2
"""Distance in R within which no other source may be."""
_AROUND: Final = 3.0
"""Distance in R within which all others may have this share of a star's flux."""
_OTHERS: Final = 0.01
_CLIP: Final = 4.0
_ROUNDS: Final = 20
_MOST: Final = 1000
"""Stars used, the brightest."""


@dataclass(frozen=True)
class Correction:
    """Factor on PSF fluxes, and how well it is known; 1 and NaN without stars.

    Attributes
    ----------
    ratio, error : float
    stars : int
        Stars that the mean rests on.
    """

    ratio: float
    error: float
    stars: int

    @property
    def good(self) -> bool:
        """Whether it is known better than fluxes need."""
        return self.stars >= LEAST_STARS and self.error < LARGEST_ERROR


def isolated(x: Vector, y: Vector, flux: Vector, bright: Chosen, radius: float) -> Chosen:
    """Which of the ``bright`` have next to no light of others within ``radius`` pixels."""
    alone = bright & np.isfinite(x) & np.isfinite(y)
    known = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    stars = np.flatnonzero(alone)
    if len(stars) == 0:
        return alone
    trees = (cKDTree(np.stack([x[part], y[part]], axis=1)) for part in (stars, known))
    one, other = trees
    pairs = one.sparse_distance_matrix(other, _AROUND * radius, output_type="coo_matrix")
    star, mate = stars[pairs.row], known[pairs.col]
    foreign = star != mate
    star, mate, distance = star[foreign], mate[foreign], pairs.data[foreign]
    light = np.zeros(len(x))
    np.add.at(light, star, np.maximum(np.nan_to_num(flux[mate]), 0.0))
    alone[star[distance < _CLEAR * radius]] = False
    return np.asarray(alone & (light <= _OTHERS * np.nan_to_num(flux)))


def enclosed(epsf: Epsf, x: Vector, y: Vector, radius: Vector) -> Vector:
    """E: share of stars' light in circles of ``radius`` pixels about them, (star,)."""
    size = 2 * int(np.ceil(np.max(radius, initial=1.0))) + 3
    stamps, row, column = epsf.stamps(x, y, size)
    # One below the other they are an image, and no circle leaves its stamp.
    image = stamps.reshape(-1, size)
    whole = Field(image, image, np.zeros(image.shape, np.bool_), np.zeros(image.shape, np.int32))
    places = x - column, y - row + size * np.arange(len(x))
    return circular(whole, *places, radius[:, None]).flux[:, 0]


def aperture_correction(fit: Vector, aperture: Vector, error: Vector, share: Vector) -> Correction:
    """Compare PSF fluxes of chosen stars with those in large circles.

    Parameters
    ----------
    fit : ndarray, (star,)
        F, in any unit.
    aperture, error : ndarray, (star,)
        A and its standard error, in the same.
    share : ndarray, (star,)
        E of each star, from :func:`enclosed`.
    """
    brightest = np.argsort(-fit, kind="stable")[:_MOST]
    fit, aperture, error, share = (v[brightest] for v in (fit, aperture, error, share))
    ratio = aperture / (share * fit)
    variance = (error / aperture) ** 2 + _SCATTER**2
    kept = np.isfinite(ratio) & np.isfinite(variance)
    if not kept.any():
        return Correction(1.0, np.nan, 0)
    mean = float(np.median(ratio[kept]))
    for _ in range(_ROUNDS):
        pull = (ratio - mean) / np.sqrt(variance)
        spread = max(1.4826 * float(np.median(np.abs(pull[kept]))), 1.0)
        now = np.isfinite(pull) & (np.abs(pull) < _CLIP * spread)
        mean = float(np.average(ratio[now], weights=1 / variance[now]))
        if np.array_equal(now, kept):
            break
        kept = now
    count = int(now.sum())
    chi2 = float(((ratio - mean) ** 2 / variance)[now].sum()) / max(count - 1, 1)
    return Correction(mean, float(np.sqrt(max(chi2, 1.0) / (1 / variance[now]).sum())), count)
