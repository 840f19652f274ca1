"""Sky cells: the published tessellation of the sky, computed from formulas.

4058 projection regions in 51 rings of declination and two polar caps, each with one
tangent point, each cut into square cells of 5000 pixels that overlap their neighbours
by 200. With N = 13 and y = (26 - i) / 52, ring i = 1..51 is bounded by delta(i -+ 1/2)::

    sin(delta) = 8 y / 3                             |y| <= 1/4
    sin(delta) = sign(y) (1 - (2 - 4|y|)^2 / 3)      elsewhere

(the HEALPix latitudes, Gorski et al. 2005, ApJ 622, 759), and has 8 min(i, 13, 52 - i)
regions. A cell belongs to a region if a corner of its core, the 4800 pixels that it
shares with no cell of the region, lies within the region's bounds.

Every position has one owner: the cell of its region whose core holds it.
Bounds include their lower end, not their upper one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqueduct.core.errors import InputError
from aqueduct.core.step import Product
from aqueduct.geometry.footprint import area, clip, middle_plane
from aqueduct.geometry.tangent import Floats, TangentPlane, center, separation

CELL_PIXELS: Final = 5000
CELL_SCALE: Final = 0.055 / 3600
"""Degrees per pixel."""

PITCH: Final = 4800
REACH: Final = 35
"""Cells from a region's tangent point to its farthest one, along x or y."""
RINGS: Final = 51
REGIONS: Final = 4058
_MIDDLE: Final = (CELL_PIXELS - 1) / 2
_NAME: Final = re.compile(r"(\d{3})([pm])(\d{2})x(\d{2})y(\d{2})")

Integers = NDArray[np.int64]


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

    @property
    def plane(self) -> TangentPlane:
        """The analytic grid of the cell."""
        return TangentPlane(self.ra_projection, self.dec_projection, self.x0, self.y0, self.scale)

    def corners(self) -> tuple[Floats, Floats]:
        """(ra, dec) of the outer corners, counted as (0, 0), (right, 0), (right, top), (0, top)."""
        low, high = -0.5, self.pixels - 0.5
        return self.plane.to_sky([low, high, high, low], [low, low, high, high])

    def wcs_info(self) -> dict[str, Any]:
        """The grid with the keys of an association's ``skycell_wcs_info``."""
        return {
            "name": self.name,
            "pixel_scale": self.scale,
            "ra_projection_center": self.ra_projection,
            "dec_projection_center": self.dec_projection,
            "x0_projection": self.x0,
            "y0_projection": self.y0,
            "ra_center": self.ra_center,
            "dec_center": self.dec_center,
            "nx": self.pixels,
            "ny": self.pixels,
            "orientat": self.orientation,
            "orientat_projection_center": 0.0,
        }

    @classmethod
    def from_wcs_info(cls, info: Mapping[str, Any]) -> SkyCell:
        """The cell that an association describes.

        Raises
        ------
        InputError
            If a key is absent, or the grid is not square and unrotated.
        """
        where = f"skycell_wcs_info of {info.get('name', 'a cell without name')}"
        try:
            cell = cls(
                name=str(info["name"]),
                ra_projection=float(info["ra_projection_center"]),
                dec_projection=float(info["dec_projection_center"]),
                x0=float(info["x0_projection"]),
                y0=float(info["y0_projection"]),
                ra_center=float(info["ra_center"]),
                dec_center=float(info["dec_center"]),
                orientation=float(info["orientat"]),
                pixels=int(info["nx"]),
                scale=float(info["pixel_scale"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"lacks or garbles {error}", where=where) from error
        if info.get("ny", cell.pixels) != cell.pixels:
            raise InputError("the grid is not square", where=where)
        if info.get("orientat_projection_center", 0.0) != 0.0:
            raise InputError("the grid is rotated; no published region is", where=where)
        return cell

    @classmethod
    def from_table(cls, row: Any, region: Any, meta: Mapping[str, Any]) -> SkyCell:
        """The cell in a row of a ``skycells`` reference file.

        Parameters
        ----------
        row, region : numpy.void
            Of its tables ``skycells`` and ``projection_regions``.
        meta : mapping
            Its ``pixel_scale`` (arcsec) and ``nxy_skycell``.
        """
        return cls.from_wcs_info(
            {
                "name": row["name"],
                "pixel_scale": meta["pixel_scale"] / 3600,
                "ra_projection_center": region["ra_tangent"],
                "dec_projection_center": region["dec_tangent"],
                "x0_projection": row["x_tangent"],
                "y0_projection": row["y_tangent"],
                "ra_center": row["ra_center"],
                "dec_center": row["dec_center"],
                "nx": meta["nxy_skycell"],
                "orientat": row["orientat"],
                "orientat_projection_center": float(region["orientat"]),
            }
        )


@dataclass(frozen=True)
class Region:
    """A projection region: the cells that share one tangent point.

    ``ra_min`` may exceed ``ra_max`` where the region holds RA 0; the polar caps have
    0 and 360. All in degrees; ``nx``, ``ny`` is its size in pixels.
    """

    index: int
    ra_tangent: float
    dec_tangent: float
    ra_min: float
    ra_max: float
    dec_min: float
    dec_max: float
    nx: int
    ny: int

    @property
    def plane(self) -> TangentPlane:
        """The grid of the region, counted from the tangent point."""
        return TangentPlane(self.ra_tangent, self.dec_tangent, scale=CELL_SCALE)

    @property
    def prefix(self) -> str:
        """The first part of the names of its cells."""
        sign = "p" if self.dec_tangent >= 0 else "m"
        return f"{round(self.ra_tangent):03d}{sign}{round(abs(self.dec_tangent)):02d}"

    def holds(self, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.bool_]:
        """Which positions are within the bounds."""
        dec = np.asarray(dec)
        top = self.dec_max if self.dec_max < 90 else np.inf
        within = (dec >= self.dec_min) & (dec < top)
        width = (self.ra_max - self.ra_min) % 360.0 or 360.0
        return np.asarray(within & ((np.asarray(ra) - self.ra_min) % 360.0 < width))


def _latitude(i: ArrayLike) -> Floats:
    """Declination, degrees, at ring coordinate ``i`` from 0 (north) to 52 (south)."""
    y = (26.0 - np.asarray(i, float)) / 52.0
    polar = np.sign(y) * (1.0 - (2.0 - 4.0 * np.abs(y)) ** 2 / 3.0)
    return np.asarray(np.degrees(np.arcsin(np.where(np.abs(y) <= 0.25, 8.0 * y / 3.0, polar))))


_RING: Final = np.arange(1, RINGS + 1)
_TILES: Final = 8 * np.minimum(np.minimum(_RING, 13), 52 - _RING)
_FIRST: Final = 1 + np.concatenate([[0], np.cumsum(_TILES)])
"""Index of the first region of each ring; the last entry is the south cap."""
_BOUNDS: Final = _latitude(np.arange(RINGS + 1) + 0.5)
"""Declinations between the rings, from north to south."""


@cache
def region(index: int) -> Region:
    """The projection region of this index: 0 is the north cap, 4057 the south cap.

    Raises
    ------
    InputError
        If there is none.
    """
    if not 0 <= index < REGIONS:
        raise InputError(f"no projection region {index}", hint=f"they run from 0 to {REGIONS - 1}")
    if index in (0, REGIONS - 1):
        return _cap(index)
    ring = int(np.searchsorted(_FIRST, index, side="right")) - 1
    tile, tiles = index - int(_FIRST[ring]), int(_TILES[ring])
    ra, half = tile * 360.0 / tiles, 180.0 / tiles
    top, bottom = float(_BOUNDS[ring]), float(_BOUNDS[ring + 1])
    nearest = 0.0 if top > 0 > bottom else min(abs(top), abs(bottom))
    width = 2 * half * float(np.cos(np.radians(nearest)))
    return Region(
        index,
        ra,
        float(_latitude(ring + 1)),
        (ra - half) % 360.0,
        (ra + half) % 360.0,
        bottom,
        top,
        _even(width),
        _even(top - bottom),
    )


def _cap(index: int) -> Region:
    edge = float(_BOUNDS[0])
    size = 2 * int((90.0 - edge) / CELL_SCALE)
    if index == 0:
        return Region(index, 135.0, 90.0, 0.0, 360.0, edge, 90.0, size, size)
    return Region(index, 225.0, -90.0, 0.0, 360.0, -90.0, -edge, size, size)


def _even(degrees: float) -> int:
    """Whole pixels in an angle, rounded down to an even number."""
    return int(degrees / CELL_SCALE) // 2 * 2


@cache
def _prefixes() -> dict[str, int]:
    return {region(index).prefix: index for index in range(REGIONS)}


@lru_cache(maxsize=256)
def _exists(index: int) -> NDArray[np.bool_]:
    """Which of the (2 * 35 + 1)^2 places (jy, jx) of a region hold a cell."""
    here = region(index)
    edges = PITCH * (np.arange(-REACH, REACH + 2) - 0.5)
    inside = here.holds(*here.plane.to_sky(*np.meshgrid(edges, edges)))
    return inside[:-1, :-1] | inside[:-1, 1:] | inside[1:, :-1] | inside[1:, 1:]


def cells_of_region(index: int) -> list[SkyCell]:
    """All cells of a projection region, in the published order."""
    jy, jx = np.nonzero(_exists(index))
    return _cells(region(index), jx - REACH, jy - REACH)


def cell(name: str) -> SkyCell:
    """The cell of this name.

    Raises
    ------
    InputError
        If there is none.
    """
    match = _NAME.fullmatch(name)
    index = _prefixes().get(name[:6]) if match else None
    if match is None or index is None:
        raise InputError(f"no sky cell {name!r}", hint="names look like 270p65x70y49")
    jy, jx = int(match[4]) - 50, int(match[5]) - 50
    if max(abs(jx), abs(jy)) > REACH or not _exists(index)[jy + REACH, jx + REACH]:
        raise InputError(f"projection region {index} has no sky cell {name!r}")
    return _cells(region(index), np.array([jx]), np.array([jy]))[0]


def _cells(here: Region, jx: Integers, jy: Integers) -> list[SkyCell]:
    """The cells at steps (jx, jy) from a region's tangent point."""
    ra, dec = here.plane.to_sky(PITCH * jx, PITCH * jy)
    turn = (here.ra_tangent - ra + 180.0) % 360.0 - 180.0
    return [
        SkyCell(
            name=f"{here.prefix}x{50 + y:02d}y{50 + x:02d}",
            ra_projection=here.ra_tangent,
            dec_projection=here.dec_tangent,
            x0=_MIDDLE - PITCH * int(x),
            y0=_MIDDLE - PITCH * int(y),
            ra_center=float(a),
            dec_center=float(d),
            orientation=float(t),
        )
        for x, y, a, d, t in zip(jx, jy, ra, dec, turn, strict=True)
    ]


def region_index(ra: ArrayLike, dec: ArrayLike) -> Integers:
    """Index of the projection region that holds each position in degrees."""
    ra, dec = np.broadcast_arrays(np.asarray(ra, float) % 360.0, np.asarray(dec, float))
    ring = np.searchsorted(-_BOUNDS, -dec, side="left") - 1
    tiles = _TILES[np.clip(ring, 0, RINGS - 1)]
    tile = np.floor(ra * tiles / 360.0 + 0.5).astype(np.int64) % tiles
    index = np.where(ring >= RINGS, REGIONS - 1, _FIRST[np.clip(ring, 0, RINGS)] + tile)
    return np.where(ring < 0, 0, index)


def owner(ra: ArrayLike, dec: ArrayLike) -> NDArray[np.str_]:
    """Name of the one cell that owns each position in degrees."""
    ra, dec = np.broadcast_arrays(np.asarray(ra, float), np.asarray(dec, float))
    names = np.empty(ra.shape, "U12")
    indices = region_index(ra, dec)
    for index in np.unique(indices):
        here = indices == index
        jx, jy = _core(int(index), ra[here], dec[here])
        prefix = region(int(index)).prefix
        names[here] = [f"{prefix}x{50 + y:02d}y{50 + x:02d}" for x, y in zip(jx, jy, strict=True)]
    return names


def owns(cell: SkyCell, ra: ArrayLike, dec: ArrayLike) -> NDArray[np.bool_]:
    """Which positions in degrees belong to ``cell`` and to no other."""
    return np.asarray(owner(ra, dec) == cell.name)


def _core(index: int, ra: Floats, dec: Floats) -> tuple[Integers, Integers]:
    """Steps (jx, jy) of the cell whose core holds each position of a region.

    Where a bound cuts a core between its corners that cell doesn't exist; the owner is
    then the existing cell whose middle is nearest along the worse of x and y.
    """
    x, y = (value / PITCH for value in region(index).plane.to_pixel(ra, dec))
    jx, jy = (np.floor(value + 0.5).astype(np.int64) for value in (x, y))
    exists = _exists(index)
    orphan = np.nonzero(~exists[jy + REACH, jx + REACH])[0]
    if orphan.size:
        all_y, all_x = (step - REACH for step in np.nonzero(exists))
        for k in orphan:
            nearest = np.argmin(np.maximum(np.abs(all_x - x[k]), np.abs(all_y - y[k])))
            jx[k], jy[k] = all_x[nearest], all_y[nearest]
    return jx, jy


@cache
def _extents() -> tuple[Floats, Floats, Floats]:
    """(ra, dec, radius) in degrees of the circle about each region's cells."""
    every = [region(index) for index in range(REGIONS)]
    ra = np.array([one.ra_tangent for one in every])
    dec = np.array([one.dec_tangent for one in every])
    corner = np.array([one.ra_max for one in every])
    reach = [
        separation(ra, dec, corner, [getattr(one, bound) for one in every])
        for bound in ("dec_min", "dec_max")
    ]
    return ra, dec, np.maximum(*reach) + CELL_PIXELS * 1.5 * CELL_SCALE


def cells_overlapping(ra: ArrayLike, dec: ArrayLike) -> list[SkyCell]:
    """All cells, of any region, whose grid shares area with a polygon.

    Parameters
    ----------
    ra, dec : array_like
        Vertices in order, degrees; edges are great circles. Give some vertices along
        each edge of an image (``outline(..., per_edge=4)``): its edges are curved.

    Returns
    -------
    list of SkyCell
        By region, and within it in the published order.
    """
    middle_plane(ra, dec)
    middle = center(ra, dec)
    size = float(separation(*middle, ra, dec).max())
    region_ra, region_dec, radius = _extents()
    near = separation(*middle, region_ra, region_dec) <= size + radius
    found = []
    for index in np.nonzero(near)[0]:
        here = region(int(index))
        polygon = np.stack(here.plane.to_pixel(ra, dec), axis=1)
        if np.isfinite(polygon).all():
            found.extend(_cells(here, *_touched(int(index), polygon)))
    return found


def _touched(index: int, polygon: Floats) -> tuple[Integers, Integers]:
    """Steps (jx, jy) of the region's cells that share area with a polygon on its plane."""
    half = CELL_PIXELS / 2
    low = np.maximum(np.ceil((polygon.min(axis=0) - half) / PITCH), -REACH).astype(int)
    high = np.minimum(np.floor((polygon.max(axis=0) + half) / PITCH), REACH).astype(int)
    square = half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    steps = [
        (x, y)
        for y in range(low[1], high[1] + 1)
        for x in range(low[0], high[0] + 1)
        if _exists(index)[y + REACH, x + REACH]
        and area(clip(polygon, square + PITCH * np.array([x, y]))) > 0
    ]
    jx, jy = np.array(steps, np.int64).reshape(-1, 2).T
    return jx, jy
