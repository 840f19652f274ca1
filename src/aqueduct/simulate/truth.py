"""The truth about the sources of a product, one row for each."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.simulate.scene import Scene

Floats = NDArray[np.float64]
Truth = dict[str, NDArray[Any]]


def within(
    pixel: tuple[Floats, Floats], shape: tuple[int, int], margin: float = 0.0
) -> NDArray[np.int64]:
    """Index of the sources whose centre is on an image, or ``margin`` pixels above or below."""
    (x, y), (height, width) = pixel, shape
    on = (x > -0.5) & (x < width - 0.5) & (y > -0.5 - margin) & (y < height - 0.5 + margin)
    return np.flatnonzero(on)


def rows_of(
    scene: Scene,
    on: NDArray[np.int64],
    place: tuple[Floats, Floats],
    pixel: tuple[Floats, Floats],
    **columns: NDArray[Any],
) -> Truth:
    """The rows ``on`` of the truth.

    Parameters
    ----------
    scene : Scene
    on : ndarray of int64
    place : (ra, dec)
        Degrees, at the time of the product.
    pixel : (x, y)
        0-based.
    **columns : ndarray, (source,)
        The others, of all sources.

    Returns
    -------
    dict of str to ndarray
        ``source`` (index in the scene), ``id``, ``kind``, ``ra``, ``dec``, ``x``, ``y`` and
        ``columns``.
    """
    every: Truth = {
        "source": np.arange(len(scene)),
        "id": scene.id,
        "kind": scene.kind,
        "ra": place[0],
        "dec": place[1],
        "x": pixel[0],
        "y": pixel[1],
        **columns,
    }
    return {name: values[on] for name, values in every.items()}


def at_pixels(plane: NDArray[Any], truth: Truth) -> NDArray[Any]:
    """Values of a plane in the pixel of each source of a truth."""
    return np.asarray(plane[np.rint(truth["y"]).astype(int), np.rint(truth["x"]).astype(int)])
