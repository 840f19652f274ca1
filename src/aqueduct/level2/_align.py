"""Match the stars of an exposure with reference stars, and fit its detectors together.

The telescope's pointing error is one offset and one small turn for all detectors: found
from the peak of all pair differences and the nearest pairs, it brings stars close enough to
be told apart. The fit of :mod:`aqueduct.geometry.fieldfit` then takes over, and its map
finds more and surer pairs, until they stay the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.geometry.alignment import Rigid, find_offset, fit_rigid, match
from aqueduct.geometry.fieldfit import FieldFit, FieldGeometry, Pairs, fit_field, supported
from aqueduct.geometry.tangent import Floats

FIELD: Final = 1600.0
"""Arcsec: from the middle of the WFI to its outermost corner."""
STRAIGHT: Final = 1e-4
"""Turn, in radians, up to which it counts as linear: 0.01 mas at the corner."""
ROUNDS: Final = 6
NARROW: Final = 5.0
"""Radius of later matches, in rms of the last fit,"""
NARROWEST: Final = 0.05
"""and its least value, arcsec."""
GROWTH: Final = 1.02
"""Growth of the number of pairs above which the radius stays wide."""
WIDE: Final = 5.0
"""By how much the radius is enlarged if the first gives no match."""
ENOUGH: Final = 0.6
"""Share of good stars, of all that have a neighbour in the wide radius, that settles it."""
NOISIEST: Final = 5.0
"""Residuals, in stated errors, beyond which few stars show that they need a richer map."""
GOOD: Final = 0.5
"""Probability above which a star counts as used."""


@dataclass(frozen=True)
class Stars:
    """Sources of all detectors, detector by detector.

    Attributes
    ----------
    plane : ndarray, (n, 2)
        On the common tangent plane, arcsec.
    place : ndarray, (n, 2)
        On the detector, scaled to [-1, 1].
    sigma : ndarray, (n,)
        Centroid error on each axis, arcsec.
    detector : ndarray of int, (n,)
        Index of the image.
    """

    plane: Floats
    place: Floats
    sigma: Floats
    detector: NDArray[np.intp]


@dataclass(frozen=True)
class Solution:
    """The map of an exposure.

    Attributes
    ----------
    attitude : Rigid
        Applied first.
    field : FieldFit
        What is added to it.
    pairs : Pairs
        The stars of the last fit.
    """

    attitude: Rigid
    field: FieldFit
    pairs: Pairs

    def __call__(self, detector: int, plane: Floats, place: Floats) -> Floats:
        """Corrected plane positions (n, 2), arcsec, of places on one detector."""
        return self.attitude(plane) + self.field.displacement(detector, plane / FIELD, place)

    def covariance(self, detector: int, plane: Floats, place: Floats) -> Floats:
        """Their covariance (n, 2, n, 2), arcsec^2."""
        return self.field.covariance(detector, plane / FIELD, place)

    @property
    def good(self) -> int:
        """Number of stars used."""
        return int((self.field.good > GOOD).sum())

    def of(self, detector: int) -> slice:
        """The pairs of one detector."""
        return slice(*self.pairs.starts[detector : detector + 2])


def solve(
    stars: Stars,
    target: Floats,
    target_sigma: Floats,
    detectors: int,
    *,
    geometry: FieldGeometry | None,
    search: float,
    tolerance: float,
    least: int,
    clip: float,
) -> Solution:
    """Match and fit.

    Parameters
    ----------
    stars : Stars
    target, target_sigma : ndarray, (m, 2)
        Reference stars on the plane and their errors, arcsec.
    detectors : int
    geometry : str, optional
        Without one, that of the greatest evidence.
    search, tolerance : float
        Largest offset, and largest distance of a pair after it, arcsec.
    least : int
        Fewest good stars.
    clip : float
        Standard deviations beyond which a star is left out.

    Raises
    ------
    InputError
        If there are too few pairs.
    """
    made = failure = None
    for radius in (tolerance, min(WIDE * tolerance, search)):
        try:
            found = _solve(
                stars, target, target_sigma, detectors, geometry, search, radius, least, clip
            )
        except InputError as error:
            failure = error
            continue
        if made is None or found.good > made.good:
            made = found
        # A distortion that is badly off smears the offset beyond the radius: look farther.
        within = match(_moved(found, stars, detectors), target, WIDE * tolerance)[0]
        if found.good > ENOUGH * len(within):
            break
    if made is None:
        raise failure or InputError("no stars match")
    return made


def _solve(
    stars: Stars,
    target: Floats,
    target_sigma: Floats,
    detectors: int,
    geometry: FieldGeometry | None,
    search: float,
    tolerance: float,
    least: int,
    clip: float,
) -> Solution:
    attitude, moved = _attitude(stars, target, search, tolerance, least, geometry)
    radius, before, wide = tolerance, 0, True
    for _ in range(ROUNDS):
        i, j = match(moved, target, radius)
        if len(i) < least:
            raise InputError(f"{len(i)} stars match within {radius:.3f} arcsec")
        sigma = np.hypot(stars.sigma[i, None], target_sigma[j])
        starts = np.searchsorted(stars.detector[i], np.arange(detectors + 1))
        offset = target[j] - attitude(stars.plane[i])
        pairs = Pairs(stars.plane[i] / FIELD, stars.place[i], starts, offset, sigma)
        last = fit_field(pairs, target[j] - moved[i], geometry, radius, clip)
        made = Solution(attitude, last, pairs)
        moved = _moved(made, stars, detectors)
        # Wide as long as the map reaches new stars, then narrow against chance pairs.
        if len(i) <= GROWTH * before:
            if not wide:
                break
            wide, radius = False, min(tolerance, max(NARROW * last.rms, NARROWEST))
        before = len(i)
    if made.good < max(least, GOOD * len(i)):
        raise InputError(f"{made.good} of {len(i)} matches agree with each other")
    if made.field.noise > NOISIEST and "detector" not in supported(len(i)):
        raise InputError(f"{made.good} are too few for a map that fits them")
    return made


def _attitude(
    stars: Stars,
    target: Floats,
    search: float,
    tolerance: float,
    least: int,
    geometry: FieldGeometry | None,
) -> tuple[Rigid, Floats]:
    """Offset, with the turn if it is too large for a linear fit, and the positions moved."""
    shift = find_offset(stars.plane, target, search, tolerance, least)
    attitude = Rigid(np.eye(2), shift)
    moved = attitude(stars.plane)
    for _ in range(3):
        i, j = match(moved, target, tolerance)
        if len(i) < least:
            raise InputError(f"{len(i)} stars match within {tolerance:.3f} arcsec")
        found = fit_rigid(stars.plane[i], target[j], turn=geometry != "shift")
        moved = found(stars.plane)
    if abs(found.matrix[1, 0]) > STRAIGHT:
        return found, moved
    return attitude, moved


def _moved(made: Solution, stars: Stars, detectors: int) -> Floats:
    starts = np.searchsorted(stars.detector, np.arange(detectors + 1))
    parts = [slice(a, b) for a, b in pairwise(starts)]
    return np.concatenate(
        [made(d, stars.plane[part], stars.place[part]) for d, part in enumerate(parts)]
    )
