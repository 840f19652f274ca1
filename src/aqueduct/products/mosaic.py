"""Level 3: co-added images on sky cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.step import Product
from aqueduct.geometry.skycells import SkyCell
from aqueduct.products.meta import Meta


@dataclass(frozen=True)
class Mosaic(Product):
    """A co-added image on a sky cell.

    Attributes
    ----------
    data, err : ndarray of float32, (row, column)
        MJy/sr. ``err`` is sqrt(var_poisson + var_rnoise) of each pixel by itself; the
        noise that neighbours share through resampling is not in it.
    weight : ndarray of float32
        Sum of the drizzle weights.
    var_poisson, var_rnoise : ndarray of float32
        (MJy/sr)^2.
    context : ndarray of uint32, (plane, row, column)
        Input k contributed where bit k % 32 of plane k // 32 is set.
    cell : SkyCell
    """

    data: NDArray[np.float32]
    err: NDArray[np.float32]
    weight: NDArray[np.float32]
    var_poisson: NDArray[np.float32]
    var_rnoise: NDArray[np.float32]
    context: NDArray[np.uint32]
    cell: SkyCell
    meta: Meta
    wcs: Any = None
    extras: dict[str, NDArray[Any]] = field(default_factory=dict)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw it; see :func:`aqueduct.products.plot.plot`."""
        from aqueduct.products.plot import plot

        return plot(self, ax, **options)

    @property
    def optical_element(self) -> str:
        return str(self.meta["instrument"]["optical_element"])
