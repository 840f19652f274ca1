"""Drawing from a density on a grid, and places in a circle on the sky."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aqueduct.geometry.tangent import TangentPlane

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def draw_cells(expected: Floats, rng: np.random.Generator) -> tuple[Integers, ...]:
    """Poisson events in the cells of a grid: the index of each event's cell along each axis.

    Parameters
    ----------
    expected : ndarray
        Mean number of events in each cell.
    """
    edges = np.cumsum(expected.ravel())
    total = edges[-1] if edges.size else 0.0
    # Sorted places make the search run through memory in order.
    places = np.sort(rng.random(rng.poisson(total))) * total
    cells = np.minimum(np.searchsorted(edges, places, side="right"), max(edges.size - 1, 0))
    return tuple(np.asarray(axis) for axis in np.unravel_index(cells, expected.shape))


def within(edges: Floats, cell: Integers, rng: np.random.Generator) -> Floats:
    """Values spread evenly over cells with these edges."""
    return np.asarray(edges[cell] + rng.random(len(cell)) * np.diff(edges)[cell])


def in_circle(
    count: int, ra: float, dec: float, radius: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """(ra, dec) spread evenly over a circle; ``radius`` in arcmin, the rest in degrees."""
    distance, angle = radius * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
    plane = TangentPlane(ra, dec, scale=1 / 60)
    return plane.to_sky(distance * np.cos(angle), distance * np.sin(angle))
