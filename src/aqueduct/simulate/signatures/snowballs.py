"""Snowballs: large round events, a saturated core in a halo.

    q(r) = q_0                                 r <  R
    q(r) = q_h exp(-(r - R) / (s R))           r >= R           [electron]

with q_0 far above the full well, so that all pixels of the core saturate. Rate: about one
in 20 s on a detector of 13.6 cm2 (JWST user documentation, "Snowballs and Shower
Artifacts"); core radii follow p(R) ~ R^-2 between the limits given, the halo is ours.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.instrument.detectors import PIXEL_PITCH
from aqueduct.simulate.signatures.events import DTYPE, deposit, summed
from aqueduct.simulate.signatures.frame import Act, Frame

_REACH: Final = 6.0
"""Scale lengths of the halo that are drawn."""


class SnowballConfig(StepConfig):
    """Rate and size of snowballs."""

    flux: float = Field(3.7e-3, ge=0, description="Snowballs per second and square centimetre")
    smallest: float = Field(1.5, gt=0, description="Smallest radius of a core, pixel")
    largest: float = Field(8.0, gt=0, description="Largest radius of a core, pixel")
    core: float = Field(3e5, ge=0, description="Charge of a pixel of the core, electron")
    halo: float = Field(2e3, ge=0, description="Charge at the inner edge of the halo, electron")
    scale: float = Field(1.0, gt=0, description="Scale length of the halo in core radii")


def snowballs(frame: Frame, config: SnowballConfig, rng: np.random.Generator) -> Act | None:
    """Leave the charge of snowballs."""
    return deposit(frame, draw_snowballs(frame, config, rng))


def draw_snowballs(
    frame: Frame, config: SnowballConfig, rng: np.random.Generator
) -> NDArray[np.void]:
    """Draw the electrons that snowballs leave before each read, ordered by row."""
    shape, reads = frame.shape, int(frame.reads[-1])
    area = shape[0] * shape[1] * (PIXEL_PITCH * 1e-4) ** 2
    count = rng.poisson(config.flux * area * frame.table.frame_time * reads)
    share = rng.random(count)
    radius = 1 / (1 / config.smallest + share * (1 / config.largest - 1 / config.smallest))
    middle = rng.uniform(-0.5, np.array(shape)[:, None] - 0.5, (2, count))
    read = rng.integers(1, reads + 1, count)
    parts = [_one(*one, config) for one in zip(middle[0], middle[1], radius, read, strict=True)]
    if not parts:
        return np.zeros(0, DTYPE)
    row, column, when, electrons = (np.concatenate(part) for part in zip(*parts, strict=True))
    return summed(row, column, when, electrons, frame)


def _one(
    row: float, column: float, radius: float, read: int, config: SnowballConfig
) -> tuple[NDArray[Any], ...]:
    """Rows, columns, reads and electrons of one snowball."""
    reach = int(np.ceil(radius * (1 + _REACH * config.scale)))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    rows, columns = int(np.rint(row)) + y.ravel(), int(np.rint(column)) + x.ravel()
    distance = np.hypot(rows - row, columns - column)
    halo = config.halo * np.exp(-(distance - radius) / (config.scale * radius))
    electrons = np.where(distance < radius, config.core, halo)
    return rows, columns, np.full(len(rows), read), electrons
