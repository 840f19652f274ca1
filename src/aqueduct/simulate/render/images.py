"""Images of the sky as sources: templates at sources' places, planes of data cubes.

    image(r) = sum_j sum_s (v_j / m^2) P(r - p_js)

Every pixel j of the given image, of v_j electron/s, is m x m points at equal steps over it,
no further apart than the samples of the ePSF; p_js is where the sky map of the given image
and that of the detector put a point. All light is kept, the distortion is exact, and nothing
is interpolated but the ePSF. What blurs the given image already is not undone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.geometry.tangent import TangentPlane
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.render.spread import add, spread
from aqueduct.simulate.scene import Scene

Plane = NDArray[Any]
Floats = NDArray[np.float64]
ToSky = Callable[[Floats, Floats], tuple[Floats, Floats]]

_POINTS: Final = 500_000
"""Points drawn at a time."""
_PATCH: Final = 512
"""Pixels over which the ePSF of the middle serves."""
_ARCSEC: Final = 1 / 3600


def draw_images(
    scene: Scene, x: Floats, y: Floats, rate: Floats, epsf: Epsf, sky: Any, image: Plane
) -> None:
    """Add image templates to ``image`` in place.

    Parameters
    ----------
    scene : Scene
        Of images only.
    x, y : ndarray, (source,)
        0-based pixel, finite.
    rate : ndarray, (source,)
        Electron/s.
    epsf : Epsf
    sky : PixelMap or TangentPlane
    image : ndarray of float32, (row, column)
    """
    ra, dec = sky.to_sky(x, y)
    for k, which in enumerate(scene.image):
        template = scene.images[which]
        height, width = template.image.shape
        angle = np.nan_to_num(scene.position_angle[k])
        to_sky = _placed(float(ra[k]), float(dec[k]), angle, template.scale, (width, height))
        draw_plane(rate[k] * template.image, to_sky, template.scale, epsf, sky, image)


def draw_plane(
    values: Plane, to_sky: ToSky, scale: float, epsf: Epsf, sky: Any, image: Plane
) -> None:
    """Add an image of the sky, such as a plane of a data cube, to ``image`` in place.

    Parameters
    ----------
    values : ndarray, (row, column)
        Electron/s in each of its pixels.
    to_sky : callable
        From its 0-based pixels (x, y) to ICRS degrees: the ``to_sky`` of a TangentPlane.
    scale : float
        Its arcsec per pixel.
    epsf : Epsf
    sky : PixelMap or TangentPlane
        Of ``image``; what falls off it and its margin is lost.
    image : ndarray of float32, (row, column)
    """
    steps = int(np.ceil(scale / PIXEL_SCALE * epsf.oversample))
    offset = (np.arange(steps) + 0.5) / steps - 0.5
    side = max(int(np.sqrt(_POINTS) / steps), 1)
    for top in range(0, values.shape[0], side):
        for left in range(0, values.shape[1], side):
            part = values[top : top + side, left : left + side]
            down = (top + np.arange(part.shape[0])[:, None] + offset).ravel()
            along = (left + np.arange(part.shape[1])[:, None] + offset).ravel()
            v, u = (axis.ravel() for axis in np.meshgrid(down, along, indexing="ij"))
            x, y = sky.to_pixel(*to_sky(u, v))
            flux = np.repeat(np.repeat(part, steps, axis=0), steps, axis=1).ravel() / steps**2
            _draw_points(x, y, flux, epsf, image)


def _placed(ra: float, dec: float, angle: float, scale: float, size: tuple[int, int]) -> ToSky:
    """From a template's pixels to the sky, its middle at (ra, dec), +y ``angle`` east of north."""
    plane = TangentPlane(ra, dec, scale=scale * _ARCSEC, parity=-1)
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))

    def to_sky(u: Floats, v: Floats) -> tuple[Floats, Floats]:
        du, dv = u - (size[0] - 1) / 2, v - (size[1] - 1) / 2
        return plane.to_sky(du * cos - dv * sin, du * sin + dv * cos)

    return to_sky


def _draw_points(x: Floats, y: Floats, flux: Floats, epsf: Epsf, image: Plane) -> None:
    """Draw points that lie near one another, patch by patch of one ePSF."""
    reach = epsf.radius + 1
    near = (flux != 0) & (x > -reach) & (x < image.shape[1] + reach)
    near &= (y > -reach) & (y < image.shape[0] + reach)
    x, y, flux = x[near], y[near], flux[near]
    patch = (y // _PATCH).astype(int) * image.shape[1] + (x // _PATCH).astype(int)
    for index in np.unique(patch):
        pick = patch == index
        stamp = epsf.at(float(x[pick].mean()), float(y[pick].mean()))
        add(*spread(x[pick], y[pick], flux[pick], stamp, epsf.oversample, epsf.oversample), image)
