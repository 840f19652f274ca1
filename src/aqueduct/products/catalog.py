"""Catalogs and the segmentation maps that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.step import Product
from aqueduct.products.meta import Meta

Kind = Literal["image", "mosaic", "multiband"]


@dataclass(frozen=True)
class Catalog(Product):
    """Sources measured on an image or a co-add: one array per column.

    Column names, units, types and descriptions are declared in
    :mod:`aqueduct.products.columns`.
    """

    columns: dict[str, NDArray[Any]]
    meta: Meta
    kind: Kind = "mosaic"

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw it; see :func:`aqueduct.products.plot.plot`."""
        from aqueduct.products.plot import plot

        return plot(self, ax, **options)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.columns[name]


@dataclass(frozen=True)
class Segmentation(Product):
    """Which source each pixel belongs to: labels from 1, 0 for none.

    Attributes
    ----------
    data : ndarray of uint32, (row, column)
    """

    data: NDArray[np.uint32]
    meta: Meta
    kind: Kind = "mosaic"
    wcs: Any = None

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw it; see :func:`aqueduct.products.plot.plot`."""
        from aqueduct.products.plot import plot

        return plot(self, ax, **options)
