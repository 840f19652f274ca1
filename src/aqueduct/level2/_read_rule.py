"""What the read pattern alone decides in the correction of nonlinearity."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

NODES: Final = 3
"""Of the Gauss rule; a resultant of fewer reads has one for each."""

Floats = NDArray[np.float32]


class Rule(NamedTuple):
    """Of n resultants and all their reads.

    Attributes
    ----------
    middle : ndarray of float32, (n,)
        Mean read of each resultant, counted from that of the first.
    starts : ndarray of int64, (n + 1,)
        First read of each, counted through.
    nodes, weights : ndarray of float32, (n, NODES)
        Gauss rule for the mean over a resultant: reads from its mean. A node that is not
        needed has weight 0.
    basis : ndarray of float32, (reads, NODES)
        At each read, the parabolas that are 1 at one node and 0 at the others.
    widths : ndarray of float32, (n,)
        The reads that a resultant stands for, 0 for a single one.
    variances : ndarray of float32, (n,)
        Of the read numbers of each.
    even : bool
        Whether the reads of each resultant are evenly spaced.
    """

    middle: Floats
    starts: NDArray[np.int64]
    nodes: Floats
    weights: Floats
    basis: Floats
    widths: Floats
    variances: Floats
    even: bool


@lru_cache(maxsize=8)
def rule(pattern: tuple[tuple[int, ...], ...]) -> Rule:
    """For the read numbers of each resultant."""
    middle = np.array([np.mean(reads) for reads in pattern])
    starts = np.cumsum([0, *map(len, pattern)])
    nodes, weights = np.zeros((2, len(pattern), NODES), np.float32)
    basis = np.zeros((starts[-1], NODES), np.float32)
    for i, reads in enumerate(pattern):
        count = min(len(reads), NODES)
        x, w, parabolas = _gauss(np.array(reads) - middle[i], count)
        nodes[i, :count], weights[i, :count] = x, w
        basis[starts[i] : starts[i + 1], :count] = parabolas
    gaps = [np.unique(np.diff(reads)) for reads in pattern]
    widths = [
        len(reads) * float(gap.mean()) if gap.size else 0.0
        for reads, gap in zip(pattern, gaps, strict=True)
    ]
    return Rule(
        middle=(middle - middle[0]).astype(np.float32),
        starts=starts,
        nodes=nodes,
        weights=weights,
        basis=basis,
        widths=np.array(widths, np.float32),
        variances=np.array([np.var(reads) for reads in pattern], np.float32),
        even=all(gap.size <= 1 for gap in gaps),
    )


def _gauss(
    points: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Gauss rule for the mean over ``points``, and the polynomials that are 1 at one node.

    The nodes are the eigenvalues of x in the basis of the orthogonal polynomials (Golub and
    Welsch 1969); as many nodes as there are points are the points themselves.
    """
    powers = np.vander(points, count, increasing=True) / np.sqrt(points.size)
    orthogonal, _ = np.linalg.qr(powers)
    nodes, vectors = np.linalg.eigh(orthogonal.T @ (points[:, None] * orthogonal))
    inverse = np.linalg.inv(np.vander(nodes, count, increasing=True))
    return nodes, vectors[0] ** 2, np.vander(points, count, increasing=True) @ inverse
