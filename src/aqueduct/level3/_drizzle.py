"""Images made ready for a sky cell, and drizzled onto it tile by tile.

Each output tile is filled by itself from the part of the image that reaches it, so the
tiles can be spread over threads and the sums don't depend on how many there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.geometry.skycells import SkyCell
from aqueduct.kernels.drizzle import SUMS, drizzle
from aqueduct.level3._common import file_name
from aqueduct.level3._maps import CellMap, cell_map
from aqueduct.products import Image

Floats = NDArray[np.float64]
Tile = tuple[slice, slice]
Weighting = Literal["ivm", "ivm-sky", "exptime"]

TILE: Final = 256
BLOCK: Final = 16
"""Image pixels by which the part of an image that reaches a tile is found."""
MESH: Final = 8
"""Weights are smooth: inverse medians of MESH x MESH areas of the image."""
STRIDE: Final = 4


def tiles(cell: SkyCell) -> list[Tile]:
    """The cell's pixels in tiles of 256 x 256."""
    edges = [slice(start, min(start + TILE, cell.pixels)) for start in range(0, cell.pixels, TILE)]
    return [(rows, columns) for rows in edges for columns in edges]


@dataclass(frozen=True, eq=False)
class Layer:
    """One image ready to be drizzled onto a cell.

    Attributes
    ----------
    image : Image
    map : CellMap
    bad : int
        DQ bits that exclude a pixel.
    level : float
        Sky to subtract, in the unit of the image.
    weight : ndarray of float64, (8, 8)
        Weights at the middles of a mesh.
    nodes : tuple of ndarray
        Cell x and y of every 16th pixel corner.
    """

    image: Image
    map: CellMap
    bad: int
    level: float
    weight: Floats
    nodes: tuple[Floats, Floats]

    def onto(self, tile: Tile, pixfrac: float) -> Floats | None:
        """Sums (4, height, width) of this image on a tile; None where it doesn't reach.

        See :mod:`aqueduct.kernels.drizzle` for what is summed.
        """
        part = self._part(tile)
        if part is None:
            return None
        rows, columns = part
        x, y = self.map.lattice(
            np.arange(rows.start, rows.stop + 1) - 0.5,
            np.arange(columns.start, columns.stop + 1) - 0.5,
        )
        image = self.image
        data = np.asarray(image.data[part], np.float32) - np.float32(self.level)
        poisson = np.asarray(image.var_poisson[part], np.float32)
        rnoise = np.asarray(image.var_rnoise[part], np.float32)
        good = np.isfinite(data) & (poisson >= 0) & (rnoise >= 0) & np.isfinite(poisson + rnoise)
        good &= (np.asarray(image.dq[part]) & np.uint32(self.bad)) == 0
        weight = np.where(good, self._weights(rows, columns), 0.0).astype(np.float32)
        sums = np.zeros((SUMS, tile[0].stop - tile[0].start, tile[1].stop - tile[1].start))
        x -= tile[1].start
        y -= tile[0].start
        drizzle(x, y, data, weight, poisson, rnoise, pixfrac, sums)
        return sums

    def _part(self, tile: Tile) -> Tile | None:
        """The smallest rectangle of blocks of the image that holds all that reach a tile."""
        reached = [
            (_blocks(np.maximum, at) > along.start - 1) & (_blocks(np.minimum, at) < along.stop)
            for at, along in zip(self.nodes, (tile[1], tile[0]), strict=True)
        ]
        both = reached[0] & reached[1]
        if not both.any():
            return None
        found = (np.flatnonzero(both.any(axis=axis)) * BLOCK for axis in (1, 0))
        rows, columns = (
            slice(int(starts[0]), min(int(starts[-1]) + BLOCK, size))
            for starts, size in zip(found, self.image.data.shape, strict=True)
        )
        return rows, columns

    def _weights(self, rows: slice, columns: slice) -> Floats:
        height, width = self.image.data.shape
        return _hats(rows, height) @ self.weight @ _hats(columns, width).T


def layer(image: Image, cell: SkyCell, weighting: Weighting, bad: int) -> Layer | None:
    """Make an image ready for a cell; None if it lies off the cell.

    Parameters
    ----------
    image : Image
        MJy/sr. ``meta.background`` holds its sky level where one was found.
    cell : SkyCell
    weighting : {"ivm", "ivm-sky", "exptime"}
        Inverse variance of the read noise, of read noise and sky, or exposure time.
    bad : int
        DQ bits that exclude a pixel.

    Raises
    ------
    InputError
        If the image has no smooth WCS, or no variance or exposure time to weight it by.
    """
    found = cell_map(image.wcs, image.data.shape, cell)
    if found is None:
        return None
    rows, columns = (
        np.minimum(np.arange(0, size + BLOCK, BLOCK), size) - 0.5 for size in image.data.shape
    )
    return Layer(
        image=image,
        map=found,
        bad=bad,
        level=sky_level(image),
        weight=_weight_mesh(image, weighting, bad),
        nodes=found.lattice(rows, columns),
    )


def sky_level(image: Image) -> float:
    """The sky that is still in the data: 0 where none was found or it is subtracted."""
    background = image.meta.get("background") or {}
    level = background.get("level")
    return 0.0 if level is None or background.get("subtracted") else float(level)


def exposure_time(image: Image) -> float:
    """Effective exposure time, seconds.

    Raises
    ------
    InputError
        If the metadata lack it.
    """
    value: Any = image.meta.get("exposure", {}).get("effective_exposure_time")
    if value is None or not (np.isfinite(value) and value > 0):
        raise InputError(
            f"meta.exposure.effective_exposure_time is {value}",
            where=file_name(image),
        )
    return float(value)


def _weight_mesh(image: Image, weighting: Weighting, bad: int) -> Floats:
    """Weights on a mesh. Medians, so that no pixel's own flux, jumps or saturation count."""
    if weighting == "exptime":
        return np.full((MESH, MESH), exposure_time(image))
    thin = (slice(None, None, STRIDE),) * 2
    variance = np.asarray(image.var_rnoise[thin], np.float32)
    if weighting == "ivm-sky":
        variance = variance + np.asarray(image.var_poisson[thin], np.float32)
    clean = (np.asarray(image.dq[thin]) & np.uint32(bad)) == 0
    usable = clean & (variance > 0) & np.isfinite(variance)
    if clean.any() and not usable.any():
        raise InputError(
            "var_rnoise is not positive anywhere",
            where=file_name(image),
            hint="set resample.weight = exptime, or calibrate the image again",
        )
    overall = np.median(variance[usable]) if usable.any() else np.inf
    mesh = np.full((MESH, MESH), overall, float)
    down, across = (np.linspace(0, size, MESH + 1).astype(int) for size in variance.shape)
    for i in range(MESH):
        for j in range(MESH):
            area = slice(down[i], down[i + 1]), slice(across[j], across[j + 1])
            if usable[area].any():
                mesh[i, j] = np.median(variance[area][usable[area]])
    return 1.0 / mesh


def _hats(pixels: slice, size: int) -> Floats:
    """Linear interpolation from mesh middles to pixels, constant beyond the outer ones."""
    middles = (np.arange(MESH) + 0.5) * size / MESH - 0.5
    at = np.arange(pixels.start, pixels.stop)
    return np.stack([np.interp(at, middles, unit) for unit in np.eye(MESH)], axis=1)


def _blocks(extreme: np.ufunc, nodes: Floats) -> Floats:
    """Extreme of the four corners of each block."""
    rows: Floats = extreme(nodes[:-1], nodes[1:])
    return np.asarray(extreme(rows[:, :-1], rows[:, 1:]))
