"""``meta.wcsinfo`` of a co-add: its sky cell in RAD's words."""

from __future__ import annotations

from typing import Any

import numpy as np

from aqueduct.geometry.footprint import outline, s_region
from aqueduct.geometry.skycells import SkyCell
from aqueduct.geometry.tangent import TangentPlane, vector


def wcsinfo(cell: SkyCell) -> dict[str, Any]:
    """The block, from the cell's grid alone."""
    plane = cell.plane
    middle = (cell.pixels - 1) / 2
    ra, dec = plane.to_sky(middle, middle)
    scale, angle = _local(plane, middle, middle)
    corners = outline(plane.to_sky, (cell.pixels, cell.pixels))
    return {
        "ra_ref": cell.ra_projection,
        "dec_ref": cell.dec_projection,
        "x_ref": cell.x0,
        "y_ref": cell.y0,
        "pixel_scale_ref": cell.scale,
        "pixel_scale": scale,
        "projection": "TAN",
        "s_region": s_region(*corners),
        "image_shape": [cell.pixels, cell.pixels],
        "ra": float(ra),
        "dec": float(dec),
        "orientation": angle,
        "orientation_ref": 0.0,
        "skycell_name": cell.name,
        "rotation_matrix": [[1.0, 0.0], [0.0, 1.0]],
    }


def _local(plane: TangentPlane, x: float, y: float) -> tuple[float, float]:
    """Pixel scale (root of the area, degrees) and position angle of +y (degrees) at a pixel."""
    ra, dec = plane.to_sky([x, x + 0.5, x - 0.5, x, x], [y, y, y, y + 0.5, y - 0.5])
    right, up = (vector(ra[k], dec[k]) - vector(ra[k + 1], dec[k + 1]) for k in (1, 3))
    scale = float(np.degrees(np.sqrt(np.linalg.norm(np.cross(right, up)))))
    alpha = np.radians(ra[0])
    east = np.array([-np.sin(alpha), np.cos(alpha), 0.0])
    north = np.cross(vector(ra[0], dec[0]), east)
    angle = np.degrees(np.arctan2(up @ east, up @ north))
    # Rounded, so that -1e-14 does not become 360.
    return scale, float(np.round(angle, 9) % 360.0)
