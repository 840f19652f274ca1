"""Align one set of positions with another on a plane: offset, matching, robust fit.

The map is target = M source + t, fitted with weights 1/sigma^2 on each axis, where M is

    shift    the identity
    rshift   a rotation
    rscale   a rotation and a scale
    general  any matrix

Of those the one of the smallest Bayesian information criterion, chi^2 + k ln(2n), may be
chosen: a richer map is taken only if the stars ask for it (Schwarz 1978, Ann. Stat. 6, 461).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.geometry.tangent import Floats

Geometry = Literal["shift", "rshift", "rscale", "general"]
GEOMETRIES: Final[tuple[Geometry, ...]] = ("shift", "rshift", "rscale", "general")
PARAMETERS: Final = {"shift": 2, "rshift": 3, "rscale": 4, "general": 6}

Mask = NDArray[np.bool_]
Indices = NDArray[np.intp]

SIGNIFICANCE: Final = 5.0
"""Standard deviations by which the true offset must stand out from chance pairs."""
CLIPS: Final = 10
"""Rounds after which clipping stops, should it not have settled."""
MEDIAN_CHI2: Final = 2 * np.log(2.0)
"""Median of chi^2 with two degrees of freedom."""


@dataclass(frozen=True)
class Alignment:
    """A fitted map of the plane.

    Attributes
    ----------
    geometry : str
    matrix : ndarray, (2, 2)
    shift : ndarray, (2,)
        Of the origin, in the unit of the positions.
    used : ndarray of bool
        Pairs that were not clipped.
    rms : float
        Of the residual vectors of the pairs used, weighted as in the fit.
    chi2 : float
        Reduced chi-square.
    error : float
        Expected rms error vector of the map itself over the pairs used.
    """

    geometry: Geometry
    matrix: Floats
    shift: Floats
    used: Mask
    rms: float
    chi2: float
    error: float

    def __call__(self, positions: Floats) -> Floats:
        """Apply the map to positions (n, 2)."""
        return positions @ self.matrix.T + self.shift


def find_offset(
    source: Floats, target: Floats, search: float, tolerance: float, least: int
) -> Floats:
    """Shift (2,) that brings most sources within ``tolerance`` of a target.

    The peak of the 2-D histogram of the differences of all pairs within ``search``.

    Raises
    ------
    InputError
        If the peak has less than ``least`` pairs or doesn't stand out from chance pairs.
    """
    from scipy.ndimage import uniform_filter
    from scipy.spatial import cKDTree

    pairs = cKDTree(source).sparse_distance_matrix(cKDTree(target), search, output_type="ndarray")
    difference = target[pairs["j"]] - source[pairs["i"]]
    count = max(int(np.ceil(4 * search / tolerance)), 3)
    edges = np.linspace(-search, search, count + 1)
    histogram, _, _ = np.histogram2d(difference[:, 0], difference[:, 1], [edges, edges])
    summed = 9 * uniform_filter(histogram, 3, mode="constant")
    peak = np.unravel_index(np.argmax(summed), summed.shape)
    height = round(summed[peak])
    box = (3 * (edges[1] - edges[0])) ** 2
    chance = len(difference) * box / (np.pi * search**2)
    if height < least or height < chance + SIGNIFICANCE * np.sqrt(chance):
        raise InputError(
            f"no offset within {search} arcsec matches the stars: "
            f"the best has {height} pairs, {chance:.1f} expected by chance"
        )
    shift = (edges[:-1] + np.diff(edges) / 2)[np.array(peak)]
    for _ in range(3):
        near = np.hypot(*(difference - shift).T) < tolerance
        shift = np.median(difference[near], axis=0)
    return np.asarray(shift)


def match(source: Floats, target: Floats, tolerance: float) -> tuple[Indices, Indices]:
    """Indices of the pairs that are each other's nearest, within ``tolerance``."""
    from scipy.spatial import cKDTree

    distance, there = cKDTree(target).query(source, distance_upper_bound=tolerance)
    close = np.nonzero(np.isfinite(distance))[0]
    _, back = cKDTree(source).query(target[there[close]])
    mutual = close[back == close]
    return mutual, there[mutual]


def fit(
    source: Floats, target: Floats, sigma: Floats, geometry: Geometry | None, clip: float
) -> Alignment:
    """Fit a map, leaving out pairs ``clip`` standard deviations off.

    Parameters
    ----------
    source, target, sigma : ndarray, (n, 2)
        Pairs of positions, and the standard deviation of their difference on each axis.
    geometry : str, optional
        Without one, that of the smallest Bayesian information criterion.
    clip : float
        Standard deviations; they are enlarged where the residuals show that ``sigma``
        is too small.

    Raises
    ------
    InputError
        If there are too few pairs for the geometry.
    """
    used = np.ones(len(source), bool)
    for _ in range(CLIPS):
        made = _fit_used(source, target, sigma, used, geometry)
        chi2 = np.sum(((target - made(source)) / sigma) ** 2, axis=1)
        kept = chi2 <= clip**2 * max(1.0, float(np.median(chi2[used])) / MEDIAN_CHI2)
        if (kept == used).all():
            break
        used = kept
    return made


def _fit_used(
    source: Floats, target: Floats, sigma: Floats, used: Mask, geometry: Geometry | None
) -> Alignment:
    count = int(used.sum())
    wanted = GEOMETRIES if geometry is None else (geometry,)
    possible = [kind for kind in wanted if PARAMETERS[kind] < 2 * count]
    if not possible:
        raise InputError(f"{count} matched stars are too few for a {wanted[0]} fit")
    made = [_least_squares(source, target, sigma, used, kind) for kind in possible]
    freedom = [2 * count - PARAMETERS[kind] for kind in possible]
    # If even the richest map leaves too much, the errors are too small, not the map too poor.
    scale = max(1.0, made[-1].chi2)
    criterion = [
        one.chi2 * free / scale + PARAMETERS[one.geometry] * np.log(2 * count)
        for one, free in zip(made, freedom, strict=True)
    ]
    return made[int(np.argmin(criterion))]


def _least_squares(
    source: Floats, target: Floats, sigma: Floats, used: Mask, geometry: Geometry
) -> Alignment:
    x, weight = source[used], 1 / sigma[used]
    middle = np.average(x, axis=0, weights=weight.sum(axis=1))
    design = _design(x - middle, geometry) * weight[:, :, None]
    wanted = (target[used] - x) * weight
    flat = design.reshape(-1, design.shape[-1])
    solution = np.asarray(np.linalg.lstsq(flat, wanted.ravel(), rcond=None)[0], np.float64)
    matrix = _matrix(solution[2:], geometry)
    shift = middle + solution[:2] - matrix @ middle
    residual = target[used] - (x @ matrix.T + shift)
    covariance = np.linalg.pinv(flat.T @ flat)
    freedom = flat.shape[0] - flat.shape[1]
    chi2 = float(np.sum((residual * weight) ** 2)) / freedom
    plain = _design(x - middle, geometry)
    variance = np.einsum("nap,pq,naq->", plain, covariance, plain) / len(x)
    return Alignment(
        geometry,
        matrix,
        shift,
        used,
        rms=float(np.sqrt(2 * np.average(residual**2, weights=weight**2))),
        chi2=chi2,
        error=float(np.sqrt(variance * max(1.0, chi2))),
    )


def _design(x: Floats, geometry: Geometry) -> Floats:
    """Derivatives (n, 2, k) of the mapped positions by the parameters: shift, then matrix."""
    one, zero = np.ones(len(x)), np.zeros(len(x))
    u, v = x.T
    columns: list[tuple[Any, Any]] = [(one, zero), (zero, one)]
    if geometry in ("rshift", "rscale"):
        columns.append((-v, u))
    if geometry == "rscale":
        columns.append((u, v))
    if geometry == "general":
        columns += [(u, zero), (v, zero), (zero, u), (zero, v)]
    return np.stack([np.stack(column, axis=1) for column in columns], axis=2)


def _matrix(parameters: Floats, geometry: Geometry) -> Floats:
    if geometry == "shift":
        return np.eye(2)
    if geometry == "general":
        return np.asarray(np.eye(2) + parameters.reshape(2, 2))
    turn, growth = parameters[0], parameters[1] if geometry == "rscale" else 0.0
    matrix = np.array([[1 + growth, -turn], [turn, 1 + growth]])
    return matrix if geometry == "rscale" else matrix / np.hypot(1.0, turn)
