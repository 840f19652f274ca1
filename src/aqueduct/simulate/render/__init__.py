"""Images of scenes without noise: sources, and the background behind them."""

from aqueduct.simulate.render.background import (
    STRAY_LIGHT,
    background_rate,
    pixel_area,
)
from aqueduct.simulate.render.images import draw_plane
from aqueduct.simulate.render.sources import sources, trails
from aqueduct.simulate.render.stars import draw_stars

__all__ = [
    "STRAY_LIGHT",
    "background_rate",
    "draw_plane",
    "draw_stars",
    "pixel_area",
    "sources",
    "trails",
]
