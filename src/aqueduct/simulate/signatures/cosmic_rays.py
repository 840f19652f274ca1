"""Cosmic rays: straight tracks of electrons, at random times.

The number of hits is Poisson; the track's length l follows p(l) ~ l^-4.33 from 10 to 2000
micrometre (Miles et al. 2021), and the energy left per length a Moyal distribution of
location 120 and width 50 eV/micrometre, at 0.5 eV for each electron: 240 and 100
electron/micrometre. Source: the model of romanisim as it runs; its documentation takes the
same numbers for electrons. The share of a pixel is proportional to the path within it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.instrument.detectors import PIXEL_PITCH
from aqueduct.simulate.signatures.events import deposit, summed
from aqueduct.simulate.signatures.frame import Act, Frame

_LENGTHS: Final = (10.0, 2000.0)
_SLOPE: Final = -4.33
_STEP: Final = 0.05
"""Pixels between the points that stand for a track."""


class CosmicRayConfig(StepConfig):
    """Rate and charge of cosmic rays."""

    flux: float = Field(8.0, ge=0, description="Hits per second and square centimetre")
    charge: float = Field(240.0, gt=0, description="Moyal location, electron/micrometre")
    spread: float = Field(100.0, gt=0, description="Moyal width, electron/micrometre")


def cosmic_rays(frame: Frame, config: CosmicRayConfig, rng: np.random.Generator) -> Act | None:
    """Leave the charge of cosmic rays."""
    return deposit(frame, draw_hits(frame, config, rng))


def draw_hits(frame: Frame, config: CosmicRayConfig, rng: np.random.Generator) -> NDArray[np.void]:
    """Draw the electrons that cosmic rays leave before each read, ordered by row."""
    from scipy.stats import moyal

    shape, reads = frame.shape, int(frame.reads[-1])
    area = shape[0] * shape[1] * (PIXEL_PITCH * 1e-4) ** 2
    count = rng.poisson(config.flux * area * frame.table.frame_time * reads)
    length = lengths(count, rng)
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
    return summed(row, column, read[track], electrons, frame)


def lengths(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Track lengths, micrometre, by inversion of the power law."""
    power = _SLOPE + 1
    low, high = (edge**power for edge in _LENGTHS)
    drawn: NDArray[np.float64] = (low + rng.random(count) * (high - low)) ** (1 / power)
    return drawn
