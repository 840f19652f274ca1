"""The sky as the detector sees it: electrons per second in every pixel, without noise.

    rate(x, y) = q(x, y) [ sum_k f_k P_k(x, y) + Z Omega(x, y) / Omega_0 + T ]

f_k [electron/s] is a source's flux through the AB zero point of the detector, P_k the
share that falls in the pixel (the ePSF; for a galaxy, its Sersic profile convolved with
it), Z and T the zodiacal and thermal rates per nominal pixel, Omega the solid angle of
the pixel on the sky, Omega_0 its mean, q the relative response. A source's flux is that
of the whole profile; what falls off the detector is lost.

Galaxies are drawn with GalSim (Rowe et al. 2015) with the ePSF of the middle of their
1/8 x 1/8 of the detector.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.siaf import aperture
from aqueduct.instrument.filters import background, njy_per_electron
from aqueduct.products.window import SCIENCE
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.scene import GALAXY, STAR, Scene

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]

_CELLS: Final = 8
_MARGIN: Final = 100
"""Pixels off the detector from which a source is still drawn."""
_STEP: Final = 64
"""Pixels between samples of the distortion's Jacobian."""
_STAMPS: Final = (48, 96, 192, 384)
"""Sides, in pixels, of the stamps in which galaxies are drawn."""


def rates(scene: Scene, detector: str, element: str) -> Floats:
    """Total electron/s of each source in a pixel of unit response."""
    return scene.flux[element] / njy_per_electron(detector, element)


def sources(scene: Scene, x: Floats, y: Floats, rate: Floats, epsf: Epsf, sky: PixelMap) -> Plane:
    """Draw all sources of a scene.

    Parameters
    ----------
    scene : Scene
    x, y : ndarray, (source,)
        0-based science pixel; NaN where a source is far off the detector.
    rate : ndarray, (source,)
        Electron/s.
    epsf : Epsf
    sky : PixelMap
        The true map from pixel to sky, for the shapes of galaxies.

    Returns
    -------
    ndarray of float32, (4088, 4088)
        Electron/s.
    """
    image = np.zeros((SCIENCE, SCIENCE), np.float32)
    middle = SCIENCE / 2
    near = (np.abs(np.stack([x, y]) - middle) < middle + _MARGIN).all(axis=0)
    stars = near & (scene.kind == STAR)
    epsf.render(x[stars], y[stars], rate[stars], image)
    _galaxies(scene, np.flatnonzero(near & (scene.kind == GALAXY)), x, y, rate, epsf, sky, image)
    return image


def background_rate(element: str, detector: str, zodiacal: float = 1.0) -> Plane:
    """Sky and thermal background, electron/s, of a detector of unit response.

    ``zodiacal`` is the zodiacal light in units of its minimum over the sky.
    """
    light, thermal = background(element)
    area = pixel_area(detector)
    return np.asarray(zodiacal * light * area / area.mean() + thermal, np.float32)


@cache
def pixel_area(detector: str) -> Floats:
    """Solid angle, steradian, of every science pixel (4088, 4088), from the distortion."""
    from scipy.interpolate import RectBivariateSpline

    seen = aperture(detector)
    grid = np.linspace(0, SCIENCE - 1, SCIENCE // _STEP + 1)
    x, y = np.meshgrid(grid, grid)
    sides = []
    for dx, dy in ((0.5, 0.0), (0.0, 0.5)):
        (a2, a3), (b2, b3) = seen.to_v2v3(x - dx, y - dy), seen.to_v2v3(x + dx, y + dy)
        sides.append(((b2 - a2) * np.cos(np.radians(b3 / 3600)), b3 - a3))
    (along_x, up_x), (along_y, up_y) = sides
    area = np.abs(along_x * up_y - along_y * up_x) * np.radians(1 / 3600) ** 2
    every = np.arange(SCIENCE)
    smooth: Floats = RectBivariateSpline(grid, grid, area)(every, every)
    return smooth


def _galaxies(
    scene: Scene,
    pick: NDArray[np.int64],
    x: Floats,
    y: Floats,
    rate: Floats,
    epsf: Epsf,
    sky: PixelMap,
    image: Plane,
) -> None:
    """Add the galaxies ``pick`` to ``image``, cell by cell of equal ePSF."""
    import galsim

    jacobians = _jacobians(sky, x[pick], y[pick])
    cells = np.clip(np.stack([x, y])[:, pick] * _CELLS // SCIENCE, 0, _CELLS - 1)
    order = np.lexsort(cells)
    width, latest, psf = SCIENCE / _CELLS, (-1.0, -1.0), None
    for k in order:
        cell = (float(cells[0, k]), float(cells[1, k]))
        if cell != latest:
            latest = cell
            stamp = epsf.at(*((index + 0.5) * width - 0.5 for index in cell))
            # The pixel is in the ePSF: its samples are values, not sums over small pixels.
            psf = galsim.InterpolatedImage(galsim.Image(stamp, scale=1 / epsf.oversample), flux=1.0)
        source = int(pick[k])
        profile = galsim.Convolve([_profile(scene, source, rate[source], jacobians[k]), psf])
        _draw(profile, x[source], y[source], _stamp_size(scene, source), image)


def _jacobians(sky: PixelMap, x: Floats, y: Floats) -> Floats:
    """Arcsec to the east and north (first axis) per pixel in x and y (second): (n, 2, 2)."""
    result = np.empty((len(x), 2, 2))
    for axis, (dx, dy) in enumerate(((0.5, 0.0), (0.0, 0.5))):
        (ra1, dec1), (ra2, dec2) = sky.to_sky(x - dx, y - dy), sky.to_sky(x + dx, y + dy)
        east = (ra2 - ra1 + 180) % 360 - 180
        result[:, 0, axis] = east * np.cos(np.radians((dec1 + dec2) / 2)) * 3600
        result[:, 1, axis] = (dec2 - dec1) * 3600
    return result


def _profile(scene: Scene, source: int, rate: float, jacobian: Floats) -> Any:
    """The Sersic profile in pixels, of total flux ``rate``."""
    import galsim

    profile = galsim.Sersic(scene.sersic[source], half_light_radius=scene.radius[source])
    # In axes (east, north) an angle east of north runs backwards from the north axis.
    turned = profile.shear(
        q=scene.axis_ratio[source], beta=(90 - scene.position_angle[source]) * galsim.degrees
    )
    return turned.transform(*np.linalg.inv(jacobian).ravel()).withFlux(rate)


def _stamp_size(scene: Scene, source: int) -> int:
    """Side of a stamp that reaches out to 8 half-light radii of the major axis."""
    reach = 16 * scene.radius[source] / np.sqrt(scene.axis_ratio[source]) / 0.11
    return next((size for size in _STAMPS if size > reach + 16), _STAMPS[-1])


def _draw(profile: Any, x: float, y: float, size: int, image: Plane) -> None:
    """Add ``profile`` centred at (x, y) to ``image``."""
    import galsim

    column, row = round(x) - size // 2, round(y) - size // 2
    stamp = galsim.Image(size, size, dtype=np.float32, xmin=column, ymin=row)
    whole = galsim.BoundsI(0, image.shape[1] - 1, 0, image.shape[0] - 1)
    profile.drawImage(stamp, method="no_pixel", center=galsim.PositionD(x, y), scale=1.0)
    part = stamp.bounds & whole
    if part.isDefined():
        rows, columns = slice(part.ymin, part.ymax + 1), slice(part.xmin, part.xmax + 1)
        image[rows, columns] += stamp[part].array
