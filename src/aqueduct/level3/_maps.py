"""Where the pixels of an image fall on a sky cell.

The map from image pixel to cell pixel (distortion, rotation, two projections) is smooth,
so it is sampled at Chebyshev nodes once and evaluated by a small product of matrices::

    X(row, column) = sum_kl T_k(row) C_kl T_l(column)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import ArrayLike, NDArray

from aqueduct.core.errors import InputError
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.skycells import SkyCell
from aqueduct.geometry.tangent import TangentPlane

Floats = NDArray[np.float64]

NODES: Final = 14
TOLERANCE: Final = 1e-5
"""Largest error of the interpolation, in pixels of the cell."""


@dataclass(frozen=True, eq=False)
class CellMap:
    """Image pixel to cell pixel, as Chebyshev series.

    Attributes
    ----------
    x, y : ndarray of float64, (14, 14)
        Coefficients C_kl of the cell's x and y.
    shape : (rows, columns)
        Of the image.
    """

    x: Floats
    y: Floats
    shape: tuple[int, int]

    def lattice(self, rows: ArrayLike, columns: ArrayLike) -> tuple[Floats, Floats]:
        """Cell pixels (x, y), each (row, column), of the lattice rows x columns."""
        down = chebyshev.chebvander(_scaled(rows, self.shape[0]), NODES - 1)
        across = chebyshev.chebvander(_scaled(columns, self.shape[1]), NODES - 1).T
        return down @ self.x @ across, down @ self.y @ across

    def pixel_area(self) -> float:
        """Area of the image's middle pixel in pixels of the cell."""
        row, column = (self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2
        x, y = self.lattice([row - 0.5, row + 0.5], [column - 0.5, column + 0.5])
        one, other = x[1, 1] - x[0, 0], x[1, 0] - x[0, 1]
        return float(abs(one * (y[1, 0] - y[0, 1]) - other * (y[1, 1] - y[0, 0])) / 2)


def cell_map(wcs: Any, shape: tuple[int, int], cell: SkyCell) -> CellMap | None:
    """Map an image's pixels to a cell; None if the image lies off the cell.

    Parameters
    ----------
    wcs : gwcs.WCS
        0-based pixel (x, y) to ICRS degrees.
    shape : (rows, columns)
        Of the image.
    cell : SkyCell

    Raises
    ------
    InputError
        If the image has no WCS, or one that is no smooth map.
    """
    if wcs is None:
        raise InputError("the image has no WCS", hint="run assign_wcs on it first")
    pixels, plane = PixelMap.from_gwcs(wcs, shape), cell.plane
    nodes = chebyshev.chebpts1(NODES)
    x, y = _positions(pixels, plane, _pixel(nodes, shape[0]), _pixel(nodes, shape[1]))
    if not (_reaches(x, cell.pixels) and _reaches(y, cell.pixels)):
        return None
    solve = np.linalg.inv(chebyshev.chebvander(nodes, NODES - 1))
    made = CellMap(solve @ x @ solve.T, solve @ y @ solve.T, shape)
    checks = np.linspace(-1.0, 1.0, NODES + 3)
    rows, columns = _pixel(checks, shape[0]), _pixel(checks, shape[1])
    error = np.abs(
        np.subtract(made.lattice(rows, columns), _positions(pixels, plane, rows, columns))
    ).max()
    if not error < TOLERANCE:
        raise InputError(
            f"the map from the image to {cell.name} is not smooth: off by {error:.2g} pixel",
            hint="check the distortion reference and meta.wcsinfo",
        )
    return made


def _positions(
    pixels: PixelMap, plane: TangentPlane, rows: Floats, columns: Floats
) -> tuple[Floats, Floats]:
    return plane.to_pixel(*pixels.to_sky(columns[None, :], rows[:, None]))


def _reaches(places: Floats, size: int) -> bool:
    """Whether the nodes' range, widened to that of the whole image, meets [0, size)."""
    low, high = float(places.min()), float(places.max())
    margin = 0.05 * (high - low) + 1.0
    return low - margin < size and high + margin > 0.0


def _scaled(pixel: ArrayLike, size: int) -> Floats:
    """Pixels -0.5 to size - 0.5 as -1 to 1."""
    return (2.0 * np.asarray(pixel, float) + 1.0) / size - 1.0


def _pixel(scaled: Floats, size: int) -> Floats:
    return (scaled + 1.0) * size / 2 - 0.5
