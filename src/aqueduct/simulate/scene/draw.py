"""Draw a scene from one of three models."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.simulate.scene.counts import draw_counts
from aqueduct.simulate.scene.grid import GridConfig, draw_grid
from aqueduct.simulate.scene.scene import Scene
from aqueduct.simulate.scene.universe import UniverseConfig, draw_universe


class SceneConfig(StepConfig):
    """What a scene is drawn from.

    The fields from ``stars`` to ``motion`` are those of the model ``counts``.
    """

    model: Literal["counts", "universe", "grid"] = Field(
        "counts",
        description="Power-law counts, models of the universe and the Galaxy, or a grid of stars",
    )

    stars: float = Field(16.0, ge=0, description="Stars per square arcmin")
    star_limits: tuple[float, float] = Field((17.0, 26.0), description="AB magnitudes in F158")
    star_slope: float = Field(0.1, description="Slope k of the star counts")
    galaxies: float = Field(14.0, ge=0, description="Galaxies per square arcmin")
    galaxy_limits: tuple[float, float] = Field((19.5, 26.0), description="AB magnitudes in F158")
    galaxy_slope: float = Field(0.3, description="Slope k of the galaxy counts")
    size: float = Field(0.30, gt=0, description="Median half-light radius at magnitude 23, arcsec")
    motion: float = Field(5.0, ge=0, description="RMS proper motion of stars, mas/yr")
    catalog_limit: float = Field(20.7, description="Faintest star of the astrometric catalog, G")
    universe: UniverseConfig = UniverseConfig.model_validate({})
    grid: GridConfig = GridConfig.model_validate({})


def draw_scene(
    config: SceneConfig, ra: float, dec: float, radius: float, rng: np.random.Generator
) -> Scene:
    """Draw the sources within a circle.

    Parameters
    ----------
    config : SceneConfig
    ra, dec : float
        Its centre, degrees.
    radius : float
        Arcmin.
    rng : numpy.random.Generator
    """
    if config.model == "universe":
        return draw_universe(config.universe, ra, dec, radius, rng)
    if config.model == "grid":
        return draw_grid(config.grid, ra, dec, radius, rng)
    return draw_counts(config, ra, dec, radius, rng)
