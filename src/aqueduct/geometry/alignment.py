"""Bring one set of positions onto another on a plane: offset, matching, rigid map.

The map is target = M source + t with M a rotation, by

    tan(angle) = sum p x q / sum p . q

of the positions p and q from the middle of their sets (Horn 1987, J. Opt. Soc. Am. A 4, 629).
It serves to tell the stars apart; :mod:`aqueduct.geometry.fieldfit` measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.geometry.tangent import Floats

Indices = NDArray[np.intp]

CHANCE: Final = 1e-4
"""Largest probability that chance pairs alone make the peak of the offset anywhere."""
CLIP: Final = 3.0
"""Distances, in units of the median one, from which a pair is left out."""
CLIPS: Final = 10
"""Rounds after which clipping stops, should it not have settled."""


@dataclass(frozen=True)
class Rigid:
    """A map of the plane.

    Attributes
    ----------
    matrix : ndarray, (2, 2)
    shift : ndarray, (2,)
        Of the origin, in the unit of the positions.
    """

    matrix: Floats
    shift: Floats

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
    from scipy.special import pdtrc

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
    places = (2 * search) ** 2 / box
    if height < least or places * pdtrc(height - 1, chance) > CHANCE:
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


def fit_rigid(source: Floats, target: Floats, *, turn: bool) -> Rigid:
    """Fit a shift, and with ``turn`` a rotation, leaving out pairs far off.

    Parameters
    ----------
    source, target : ndarray, (n, 2)
        Pairs of positions; at least one.
    turn : bool
    """
    used = np.ones(len(source), bool)
    for _ in range(CLIPS):
        made = _rigid(source[used], target[used], turn)
        distance = np.hypot(*(target - made(source)).T)
        kept = distance <= CLIP * np.median(distance[used])
        if (kept == used).all():
            break
        used = kept
    return made


def _rigid(source: Floats, target: Floats, turn: bool) -> Rigid:
    middle, there = source.mean(axis=0), target.mean(axis=0)
    matrix = np.eye(2)
    if turn:
        p, q = source - middle, target - there
        across, along = np.sum(p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]), np.sum(p * q)
        size = np.hypot(across, along)
        if size > 0:
            matrix = np.array([[along, -across], [across, along]]) / size
    return Rigid(matrix, there - matrix @ middle)
