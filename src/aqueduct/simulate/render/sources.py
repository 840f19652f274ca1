"""The sky as the detector sees it: electrons per second in every pixel, without noise.

    rate(x, y) = sum_k f_k P_k(x, y)

f_k [electron/s] is a source's rate in pixels of unit response and P_k the share of it that
falls in the pixel: the ePSF, convolved with the shape of the source where it has one. f_k is
that of the whole source; what falls off the detector is lost. Stars, galaxies and images
are drawn by a module each.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.products.window import SCIENCE
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.render.galaxies import draw_galaxies
from aqueduct.simulate.render.images import draw_images
from aqueduct.simulate.render.stars import draw_stars
from aqueduct.simulate.scene import AGN, GALAXY, IMAGE, STAR, Scene

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]

_STEP: Final = 0.25
"""Largest distance, pixels, between the points of a trail."""


def sources(
    scene: Scene,
    x: Floats,
    y: Floats,
    rate: Floats,
    epsf: Epsf,
    sky: Any,
    shape: tuple[int, int] = (SCIENCE, SCIENCE),
) -> Plane:
    """Draw all sources of a scene.

    Parameters
    ----------
    scene : Scene
    x, y : ndarray, (source,)
        0-based pixel; NaN where a source is far off the image.
    rate : ndarray, (source,)
        Electron/s; the image has its unit.
    epsf : Epsf
    sky : PixelMap or TangentPlane
        The true map from pixel to sky, for the shapes of galaxies and images.
    shape : (rows, columns)

    Returns
    -------
    ndarray of float32, (row, column)
        Electron/s.

    Raises
    ------
    InputError
        If a galaxy's Sersic index is out of the range that can be drawn.
    """
    image = np.zeros(shape, np.float32)
    reach = epsf.radius + 1
    seen = np.isfinite(x) & np.isfinite(y) & (rate != 0)
    near = seen & (np.abs(x - shape[1] / 2) < shape[1] / 2 + reach)
    near &= np.abs(y - shape[0] / 2) < shape[0] / 2 + reach
    points = near & ((scene.kind == STAR) | (scene.kind == AGN))
    draw_stars(x[points], y[points], rate[points], epsf, image)
    for kind, draw in ((GALAXY, draw_galaxies), (IMAGE, draw_images)):
        pick = seen & (scene.kind == kind)
        draw(scene.take(pick), x[pick], y[pick], rate[pick], epsf, sky, image)
    return image


def trails(
    x0: Floats, y0: Floats, x1: Floats, y1: Floats, rate: Floats
) -> tuple[Floats, Floats, Floats]:
    """Points at equal steps, at most a quarter of a pixel, along straight trails.

    Parameters
    ----------
    x0, y0, x1, y1 : ndarray, (source,)
        0-based pixels at the start and at the end.
    rate : ndarray, (source,)
        Electron/s, shared evenly by the points of a source.

    Returns
    -------
    x, y, rate : ndarray, (point,)
        For :func:`aqueduct.simulate.render.stars.draw_stars`.
    """
    seen = np.isfinite(x0 + y0 + x1 + y1)
    x0, y0, x1, y1, rate = (column[seen] for column in (x0, y0, x1, y1, rate))
    count = np.maximum(np.ceil(np.hypot(x1 - x0, y1 - y0) / _STEP), 1).astype(int)
    source = np.repeat(np.arange(len(count)), count)
    step = np.arange(len(source)) - np.repeat(np.cumsum(count) - count, count)
    along = (step + 0.5) / count[source]
    x, y = x0[source], y0[source]
    return (
        x + along * (x1[source] - x),
        y + along * (y1[source] - y),
        (rate / count)[source],
    )
