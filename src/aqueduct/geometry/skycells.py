"""Sky cells: the published tessellation of the sky, computed from formulas."""

from __future__ import annotations

from dataclasses import dataclass

from aqueduct.core.step import Product

CELL_PIXELS = 5000
CELL_SCALE = 0.055 / 3600
"""Degrees per pixel."""


@dataclass(frozen=True)
class SkyCell(Product):
    """One cell of the sky's tessellation: a tangent-plane grid of 5000 x 5000 pixels.

    Attributes
    ----------
    name : str
        Such as ``270p65x50y50``.
    ra_projection, dec_projection : float
        Degrees, the tangent point, shared by the cells of a projection region.
    x0, y0 : float
        0-based pixel of the tangent point on this cell's grid.
    ra_center, dec_center : float
        Degrees, the middle of the cell.
    orientation : float
        Degrees, position angle of +y at the centre (ra_projection - ra_center).
    """

    name: str
    ra_projection: float
    dec_projection: float
    x0: float
    y0: float
    ra_center: float
    dec_center: float
    orientation: float = 0.0
    pixels: int = CELL_PIXELS
    scale: float = CELL_SCALE
