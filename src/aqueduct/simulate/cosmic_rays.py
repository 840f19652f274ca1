"""Cosmic rays: straight tracks of electrons, at random times.

The number of hits is Poisson; the track's length l follows p(l) ~ l^-4.33 from 10 to 2000
micrometre, and the charge left per length a Moyal distribution (location 120, width 50
electron/micrometre). Source: the model of romanisim, whose documentation gives these
units; the share of each pixel is proportional to the path within it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.instrument.detectors import PIXEL_PITCH

DTYPE: Final = np.dtype(
    [("row", np.int32), ("column", np.int32), ("read", np.int32), ("electrons", np.float64)]
)
_LENGTHS: Final = (10.0, 2000.0)
_SLOPE: Final = -4.33
_STEP: Final = 0.05
"""Pixels between the points that stand for a track."""


class CosmicRayConfig(StepConfig):
    """Rate and charge of cosmic rays."""

    flux: float = Field(8.0, ge=0, description="Hits per second and square centimetre")
    charge: float = Field(120.0, gt=0, description="Moyal location, electron/micrometre")
    spread: float = Field(50.0, gt=0, description="Moyal width, electron/micrometre")


def draw_hits(
    shape: tuple[int, int],
    frame_time: float,
    reads: int,
    config: CosmicRayConfig,
    rng: np.random.Generator,
) -> NDArray[Any]:
    """Draw the electrons that cosmic rays leave before each read.

    Parameters
    ----------
    shape : (rows, columns)
    frame_time : float
        Seconds between reads.
    reads : int
        Number of reads.
    config : CosmicRayConfig
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of ``DTYPE``
        Sorted by row, column, read (1-based), each once.
    """
    from scipy.stats import moyal

    area = shape[0] * shape[1] * (PIXEL_PITCH * 1e-4) ** 2
    count = rng.poisson(config.flux * area * frame_time * reads)
    length = _lengths(count, rng)
    density = moyal.rvs(config.charge, config.spread, size=count, random_state=rng)
    angle = rng.uniform(0, 2 * np.pi, count)
    start = rng.uniform(-0.5, np.array(shape)[:, None] - 0.5, (2, count))
    read = rng.integers(1, reads + 1, count)

    points = np.ceil(length / PIXEL_PITCH / _STEP).astype(np.int64)
    track = np.repeat(np.arange(count), points)
    along = np.arange(len(track)) - np.repeat(np.cumsum(points) - points, points)
    distance = (along + 0.5) / points[track] * length[track] / PIXEL_PITCH
    row = np.rint(start[0, track] + distance * np.sin(angle[track])).astype(np.int64)
    column = np.rint(start[1, track] + distance * np.cos(angle[track])).astype(np.int64)
    electrons = (np.maximum(density, 0) * length / points)[track]
    inside = (row >= 0) & (row < shape[0]) & (column >= 0) & (column < shape[1])
    place = (row * shape[1] + column) * (reads + 1) + read[track]
    return _summed(place[inside], electrons[inside], shape[1], reads + 1)


def _lengths(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Track lengths, micrometre, by inversion of the power law."""
    power = _SLOPE + 1
    low, high = (edge**power for edge in _LENGTHS)
    lengths: NDArray[np.float64] = (low + rng.random(count) * (high - low)) ** (1 / power)
    return lengths


def _summed(
    place: NDArray[np.int64], electrons: NDArray[np.float64], columns: int, reads: int
) -> NDArray[Any]:
    """Hits at equal places added up."""
    unique, inverse = np.unique(place, return_inverse=True)
    hits = np.zeros(len(unique), DTYPE)
    pixel, hits["read"] = np.divmod(unique, reads)
    hits["row"], hits["column"] = np.divmod(pixel, columns)
    hits["electrons"] = np.bincount(inverse, electrons, len(unique))
    return hits
