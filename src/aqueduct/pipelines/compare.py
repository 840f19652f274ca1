"""Compare catalogs with the truth they were simulated from.

For isolated stars: completeness by magnitude; flux bias, the median of F / F_true - 1;
pull width, the robust width of (F - F_true) / err; and the astrometric residual, the
robust width per axis. Robust widths are 1.4826 times the median absolute deviation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aqueduct.geometry import TangentPlane
from aqueduct.instrument.photometry import abmag

Array = NDArray[np.float64]

MATCH = 0.15
"""Arcseconds within which a source counts as found."""
ISOLATION = 3.0
"""Arcseconds to the nearest other true source of an isolated one."""


@dataclass(frozen=True)
class Truth:
    """True positions (degrees) and fluxes (nJy) in one filter; ``star`` marks point sources."""

    ra: Array
    dec: Array
    flux: Array
    star: NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """What a catalog says: positions (degrees), fluxes and their errors (nJy)."""

    ra: Array
    dec: Array
    flux: Array
    flux_err: Array


@dataclass(frozen=True)
class Comparison:
    """How a catalog compares with truth, for isolated stars.

    Attributes
    ----------
    completeness : dict of float to (found, present)
        By magnitude bin of width 1, keyed by its middle.
    flux_bias, flux_bias_err : float
        Fraction, of stars measured at S/N above 20.
    pull_width : float
    residual : (float, float)
        Mas, robust width in right ascension (times cos dec) and declination, same stars.
    offset : (float, float)
        Mas, median.
    stars : int
        Stars that enter flux and position statistics.
    """

    completeness: dict[float, tuple[int, int]]
    flux_bias: float
    flux_bias_err: float
    pull_width: float
    residual: tuple[float, float]
    offset: tuple[float, float]
    stars: int

    @property
    def half(self) -> float:
        """Magnitude at which half the stars are found; NaN if never fewer."""
        middles = list(self.completeness)
        shares = [found / present for found, present in self.completeness.values()]
        for k in range(len(middles) - 1):
            if shares[k] >= 0.5 > shares[k + 1]:
                return middles[k] + (shares[k] - 0.5) / (shares[k] - shares[k + 1])
        return float("nan")


def compare(measured: Measured, truth: Truth, inside: NDArray[np.bool_]) -> Comparison:
    """Match by position and summarise.

    Parameters
    ----------
    measured, truth
    inside : ndarray of bool
        True sources within the measured area, where completeness is counted.
    """
    plane = TangentPlane(
        float(np.median(truth.ra)), float(np.median(truth.dec)), 0.0, 0.0, 1 / 3600
    )
    there = np.column_stack(plane.to_pixel(truth.ra, truth.dec))
    here = np.column_stack(plane.to_pixel(measured.ra, measured.dec))
    distance, nearest = cKDTree(here).query(there)
    separation = cKDTree(there).query(there, k=2)[0][:, 1]
    isolated = truth.star & inside & (separation > ISOLATION)
    found = isolated & (distance < MATCH)
    flux, err = measured.flux[nearest], measured.flux_err[nearest]
    good = found & (flux > 20 * err) & np.isfinite(flux) & (err > 0)
    ratio = flux[good] / truth.flux[good] - 1
    shift = 1000 * (here[nearest] - there)[good]
    return Comparison(
        completeness=_completeness(truth.flux, isolated, found),
        flux_bias=float(np.median(ratio)),
        flux_bias_err=float(1.2533 * robust_width(ratio) / np.sqrt(max(ratio.size, 1))),
        pull_width=robust_width((flux[good] - truth.flux[good]) / err[good]),
        residual=(robust_width(shift[:, 0]), robust_width(shift[:, 1])),
        offset=(float(np.median(shift[:, 0])), float(np.median(shift[:, 1]))),
        stars=int(good.sum()),
    )


def robust_width(values: Array) -> float:
    """1.4826 times the median absolute deviation: sigma of a normal distribution."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def _completeness(
    flux: Array, isolated: NDArray[np.bool_], found: NDArray[np.bool_]
) -> dict[float, tuple[int, int]]:
    with np.errstate(divide="ignore"):
        magnitude = abmag(flux)
    bins = {}
    for low in range(17, 28):
        within = isolated & (magnitude >= low) & (magnitude < low + 1)
        if within.any():
            bins[low + 0.5] = (int((found & within).sum()), int(within.sum()))
    return bins
