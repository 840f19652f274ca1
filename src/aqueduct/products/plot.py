"""Products as figures: a first look, not a tool of publication."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.products.catalog import Catalog, Segmentation
from aqueduct.products.image import Image
from aqueduct.products.mosaic import Mosaic
from aqueduct.products.ramp import Raw

_UNIT: Final = {Raw: "DN", Image: "DN/s", Mosaic: "MJy/sr"}
_COLOURS = 19
_LARGEST = 2048
"""Pixels on a side that are drawn; larger images are averaged down."""


def plot(product: Any, ax: Any = None, **options: Any) -> Any:
    """Draw a product.

    Images are drawn with an asinh stretch between the limits of zscale; a raw ramp as its
    last resultant less its first; a segmentation map with a colour per source; a catalog
    as positions on the sky.

    Parameters
    ----------
    product : Raw, Image, Mosaic, Segmentation or Catalog
    ax : matplotlib.axes.Axes, optional
        Where to draw; by default a new figure.
    **options
        Passed to ``imshow``, or to ``scatter`` for a catalog.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        If there is nothing to draw of such a product.
    """
    if ax is None:
        from matplotlib import pyplot

        ax = pyplot.subplots(figsize=(9, 8), layout="constrained")[1]
    if isinstance(product, Catalog):
        _positions(product, ax, options)
    elif isinstance(product, Segmentation):
        _labels(product, ax, options)
    elif isinstance(product, Raw):
        change = product.data[-1].astype(np.float32)
        if len(product.data) > 1:
            change -= product.data[0]
        _image(product, change, ax, options)
    elif isinstance(product, Image | Mosaic):
        _image(product, product.data, ax, options)
    else:
        raise InputError(f"nothing to draw of {type(product).__name__}")
    ax.set_title(str(product.meta.get("filename", type(product).__name__)), fontsize="small")
    return ax


def _image(product: Any, data: NDArray[Any], ax: Any, options: dict[str, Any]) -> None:
    from astropy.visualization import AsinhStretch, ImageNormalize, ZScaleInterval

    size = _block(data)
    drawn = averaged(data, size)
    finite = drawn[np.isfinite(drawn)]
    low, high = ZScaleInterval().get_limits(finite) if finite.size else (0.0, 1.0)
    norm = ImageNormalize(vmin=low, vmax=high, stretch=AsinhStretch(0.1))
    shown = ax.imshow(
        drawn,
        **{**_frame(data, size), "cmap": "gray", "norm": norm, **options},
    )
    label = "last - first resultant" if isinstance(product, Raw) else "data"
    ax.figure.colorbar(shown, ax=ax, label=f"{label} [{_UNIT[type(product)]}]", shrink=0.8)
    ax.set(xlabel="x [pixel]", ylabel="y [pixel]")


def averaged(data: NDArray[Any], size: int) -> NDArray[np.float32]:
    """Means over blocks of ``size`` pixels on a side, NaN left out; a rest is dropped."""
    values = np.asarray(data, np.float32)
    if size == 1:
        return values
    rows, columns = (side // size for side in data.shape)
    blocks = values[: rows * size, : columns * size].reshape(rows, size, columns, size)
    good = np.isfinite(blocks)
    total = np.where(good, blocks, 0).sum(axis=(1, 3), dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / good.sum(axis=(1, 3)), np.float32)


def _frame(data: NDArray[Any], size: int) -> dict[str, Any]:
    """How ``imshow`` is called: pixel centres at integers, whatever was averaged."""
    rows, columns = (side // size * size for side in data.shape)
    return {
        "origin": "lower",
        "interpolation": "nearest",
        "extent": (-0.5, columns - 0.5, -0.5, rows - 0.5),
    }


def _block(data: NDArray[Any]) -> int:
    """Side of the blocks that are drawn as one pixel."""
    return -(-int(max(data.shape)) // _LARGEST)


def _labels(product: Segmentation, ax: Any, options: dict[str, Any]) -> None:
    size = _block(product.data)
    rows, columns = (side // size * size for side in product.data.shape)
    labels = np.asarray(product.data[:rows:size, :columns:size], np.int64)
    # Neighbouring labels far apart in the colour map; 0, the sky, is left out.
    colours = np.ma.masked_where(labels == 0, labels * 7 % _COLOURS)
    ax.imshow(
        colours,
        **{**_frame(product.data, size), "cmap": "tab20", **options},
    )
    ax.set_facecolor("black")
    ax.set(xlabel="x [pixel]", ylabel="y [pixel]")


def _positions(product: Catalog, ax: Any, options: dict[str, Any]) -> None:
    if not {"ra", "dec"} <= set(product.columns):
        raise InputError("the catalog has no positions", hint="it needs columns ra and dec")
    ra, dec = product["ra"], product["dec"]
    if len(product) and np.nanmax(ra) - np.nanmin(ra) > 180:  # on both sides of 0 h
        ra = (ra + 180) % 360 - 180
    ax.scatter(ra, dec, **{"s": 3, "linewidths": 0, **options})
    if len(product):
        ax.set_aspect(1 / np.cos(np.radians(float(np.nanmedian(dec)))))
    ax.invert_xaxis()
    ax.ticklabel_format(useOffset=False)
    ax.set(xlabel="right ascension [deg]", ylabel="declination [deg]")
