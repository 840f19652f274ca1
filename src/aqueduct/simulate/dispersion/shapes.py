"""Images of extended sources at one wavelength: the ePSF convolved with the shape.

    image = F^-1 [ F(ePSF) F(shape) ]

at two samples per pixel. A Sersic profile is round in its own frame, so its transform
depends on one wave number: F(k) = F_n(|B k|), with B the matrix that makes the unit circle
the galaxy's half-light ellipse in pixels, and F_n as in
:mod:`aqueduct.simulate.render.sersic`.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, rfft2

from aqueduct.core.threads import over
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.kernels.compile import jit
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.render.sersic import ROOT, SAMPLES, transforms
from aqueduct.simulate.scene import GALAXY, Scene

Floats = NDArray[np.float64]
Plane = NDArray[Any]

SIDES: Final = (32, 48, 64, 96, 128, 192, 256)
"""Of the images, pixels."""
SAMPLING: Final = 2
"""Samples per pixel of the images, at which nothing of an extended source is lost."""
_REACH: Final = 16.0
"""Side of an image in half-light radii of the major axis."""


def side(scene: Scene, source: int, epsf: Epsf) -> int:
    """Pixels on a side of the image of an extended source: no fewer than of the ePSF."""
    if scene.kind[source] == GALAXY:
        radius, ratio = scene.radius[source], scene.axis_ratio[source]
        if scene.bulge_fraction[source] > 0:
            radius = max(radius, scene.bulge_radius[source])
            ratio = min(ratio, scene.bulge_axis_ratio[source])
        extent = _REACH * radius / np.sqrt(ratio)
    else:
        template = scene.images[scene.image[source]]
        extent = 1.5 * max(template.image.shape) * template.scale
    wanted = max(2 * epsf.radius, extent / PIXEL_SCALE + epsf.radius / 2)
    return next((size for size in SIDES if size >= wanted), SIDES[-1])


def sampling(oversample: int) -> int:
    """Samples per pixel of images made of ePSFs of ``oversample`` samples per pixel."""
    return SAMPLING if oversample % SAMPLING == 0 else oversample


def epsf_transforms(stamps: Plane, oversample: int, pixels: int) -> NDArray[np.complex64]:
    """Transforms of ePSF stamps (..., y, x) over a square of ``pixels``, about their middle.

    Frequencies that :func:`sampling` does not hold are left out.
    """
    size, half = pixels * oversample, stamps.shape[-1] // 2
    # A stamp larger than the image loses its wings.
    keep = min(half, size // 2 - 1)
    part = slice(half - keep, half + keep + 1)
    target = pixels * sampling(oversample)
    result = np.empty((*stamps.shape[:-2], target, target // 2 + 1), np.complex64)

    def one(index: tuple[int, ...]) -> None:
        room = np.zeros((size, size), np.float32)
        room[: 2 * keep + 1, : 2 * keep + 1] = stamps[index][part, part]
        full = rfft2(np.roll(room, (-keep, -keep), (0, 1)))
        rows = np.concatenate([full[: target // 2], full[size - target // 2 :]])
        result[index] = rows[:, : target // 2 + 1] * (target / size) ** 2

    over(one, list(np.ndindex(stamps.shape[:-2])))
    return result


def image(transform: Plane, shape: Plane) -> NDArray[np.float32]:
    """Images (wavelength, y, x) of transforms times that of the shape.

    Centred, and in x continued around by the five samples that interpolation needs, so
    that no light is lost at the edge.
    """
    size = shape.shape[0]
    seen = np.fft.fftshift(irfft2(transform * shape, s=(size, size)), axes=(-2, -1))
    around = np.pad(seen, ((0, 0), (0, 0), (2, 3)), mode="wrap")
    return np.asarray(around, np.float32)


def shape_transform(
    scene: Scene, source: int, jacobian: Floats, pixels: int, samples: int
) -> Plane:
    """Transform (size, size / 2 + 1) of a source's shape, of unit flux.

    Parameters
    ----------
    jacobian : ndarray, (2, 2)
        Arcsec to the east and north (first axis) per pixel in x and y (second).
    pixels : int
        Side of the image.
    samples : int
        Samples per pixel: ``size`` is ``pixels * samples``.
    """
    size = pixels * samples
    if scene.kind[source] != GALAXY:
        return _template(scene, source, jacobian, size, samples)
    result = np.zeros((size, size // 2 + 1), np.float32)
    share = scene.bulge_fraction[source]
    angle = np.radians(scene.position_angle[source])
    profiles = (
        (1 - share, scene.sersic, scene.radius, scene.axis_ratio),
        (share, scene.bulge_sersic, scene.bulge_radius, scene.bulge_axis_ratio),
    )
    for part, index, radius, ratio in profiles:
        if part > 0:
            ellipse = _ellipse(radius[source], ratio[source], angle)
            matrix = (np.linalg.inv(jacobian) @ ellipse).T * (2 * np.pi / pixels)
            _add(transforms(index[[source]])[0], float(part), matrix, result)
    return result


def _ellipse(radius: float, ratio: float, angle: float) -> Floats:
    """Unit circle to half-light ellipse, arcsec to the east and north."""
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([along[1], -along[0]])
    return radius * np.column_stack([along / np.sqrt(ratio), across * np.sqrt(ratio)])


@jit
def _add(table: Plane, flux: float, matrix: Plane, result: Plane) -> None:
    """Add a round profile's transform, seen through ``matrix``, to ``result``."""
    size = result.shape[0]
    for row in range(size):
        ky = row if row < (size + 1) // 2 else row - size
        for kx in range(result.shape[1]):
            u = matrix[0, 0] * kx + matrix[0, 1] * ky
            v = matrix[1, 0] * kx + matrix[1, 1] * ky
            at = np.sqrt(np.sqrt(u * u + v * v)) * (SAMPLES / ROOT)
            k = int(at)
            if k + 1 < len(table):
                result[row, kx] += flux * (table[k] + (at - k) * (table[k + 1] - table[k]))


def _template(scene: Scene, source: int, jacobian: Floats, size: int, samples: int) -> Plane:
    """Transform of an image template, interpolated by GalSim."""
    import galsim

    template = scene.images[scene.image[source]]
    angle = np.radians(np.nan_to_num(scene.position_angle[source]))
    # At angle 0 its x axis runs west and its y axis north.
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    to_sky = turn @ np.diag([-1.0, 1.0])
    profile = galsim.InterpolatedImage(
        galsim.Image(np.asarray(template.image, np.float64)), scale=template.scale, flux=1.0
    ).transform(*(np.linalg.inv(jacobian) @ to_sky * samples).ravel())
    # transform() keeps surface brightness, so the flux has changed by the determinant.
    profile = profile.withFlux(1.0)
    bounds = galsim.BoundsI(0, size // 2, -(size // 2), size // 2 - 1)
    drawn = profile.drawKImage(galsim.ImageCD(bounds), scale=2 * np.pi / size, recenter=False)
    return np.asarray(np.fft.ifftshift(drawn.array, axes=0), np.complex64)
