"""The dispersed image of a scene: electrons per second in every pixel, without noise.

    image = sum over orders, sources and nodes k of r_k P(c - x_k, r - y_k; lambda_k)

with r_k the electrons of the source that the order puts on node k of its trace
(:mod:`aqueduct.simulate.dispersion.photons`) and P its image at that wavelength (its ePSF,
for extended sources convolved with their shape). The trace leaves the place (x, y) of the
direct image along the columns, turned by an angle ``a``::

    x_k = x + s sin(a),    y_k = y + s cos(a),    s = s(lambda_k)

with s(lambda) as in :mod:`aqueduct.instrument.dispersers`. The ePSF is taken at the place
of the direct image and is linear between a few wavelengths. A source's flux is that of the
whole profile; what falls off the detector is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.threads import over
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.tangent import TangentPlane, jacobian
from aqueduct.instrument.dispersers import trace
from aqueduct.instrument.filters import effective_area
from aqueduct.products.window import SCIENCE
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.dispersion.frame import Frame, Group, spectra
from aqueduct.simulate.dispersion.photons import orders
from aqueduct.simulate.dispersion.shapes import (
    epsf_transforms,
    image,
    sampling,
    shape_transform,
    side,
)
from aqueduct.simulate.dispersion.smear import blend
from aqueduct.simulate.scene import GALAXY, IMAGE, Scene

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]
Sky = PixelMap | TangentPlane

_BATCH: Final = 32
"""Sources drawn before they are added up, which bounds the memory."""


class DispersionConfig(StepConfig):
    """How the dispersers draw spectra."""

    angle: float = Field(
        0.0, ge=-10, le=10, description="Of the traces from +y towards +x, degrees"
    )
    wavelengths: int = Field(8, ge=2, description="At which the ePSF is made")


def margin(element: str) -> int:
    """Pixels off the detector, in y, from which a source's light may still reach it.

    Of ``GRISM`` or ``PRISM``; the wings of the ePSF come on top.
    """
    ends = [trace(order).to_offset(_edges("WFI01", order)) for order in orders(element)]
    return int(np.ceil(np.abs(np.concatenate(ends)).max()))


def path(element: str, config: DispersionConfig) -> tuple[Floats, Floats]:
    """Where the spectra of all orders lie, pixel by pixel.

    Parameters
    ----------
    element : str
        ``GRISM`` or ``PRISM``.
    config : DispersionConfig

    Returns
    -------
    x, y : ndarray, (pixel,)
        From the place of the direct image.
    """
    ends = [trace(order).to_offset(_edges("WFI01", order)) for order in orders(element)]
    along = np.concatenate([np.arange(np.floor(low), high + 1) for low, high in ends])
    angle = np.radians(config.angle)
    return along * np.sin(angle), along * np.cos(angle)


def dispersed_sources(
    scene: Scene,
    x: Floats,
    y: Floats,
    detector: str,
    element: str,
    epsf_of_wavelength: Callable[[float], Epsf],
    sky: Sky,
    config: DispersionConfig | None = None,
    *,
    time: Any = None,
    shape: tuple[int, int] = (SCIENCE, SCIENCE),
) -> Plane:
    """Draw the spectra of all sources of a scene, in all orders.

    Parameters
    ----------
    scene : Scene
        With spectra, or with fluxes in filters (then power laws between them).
    x, y : ndarray, (source,)
        0-based science pixel of the direct image; NaN where a source is too far off the
        detector to be seen, see :func:`margin`.
    detector, element : str
        As ``WFI01``; ``GRISM`` or ``PRISM``.
    epsf_of_wavelength : callable
        The ePSF of this detector at a wavelength in micrometre. All of one grid, size and
        oversampling, which should be 4 or more.
    sky : PixelMap or TangentPlane
        The true map from pixel to sky, for the shapes of extended sources.
    config : DispersionConfig, optional
    time : astropy.time.Time, optional
        When, for light curves.
    shape : (rows, columns)
        Of the image.

    Returns
    -------
    ndarray of float32, (row, column)
        Electron/s.

    Raises
    ------
    InputError
        If the element disperses nothing, the ePSFs differ in grid or size, the scene has
        neither spectra nor fluxes, or a spectrum ends within the band.
    """
    settings = config or DispersionConfig.model_validate({})
    seen = orders(element)
    edges = np.concatenate([_edges(detector, order) for order in seen])
    waves = np.geomspace(edges.min(), edges.max(), settings.wavelengths)
    epsf, stamps = _chromatic([epsf_of_wavelength(float(wave)) for wave in waves])
    factor, angle = scene.brightness(element, time), float(np.radians(settings.angle))
    frame = Frame(scene, x, y, factor, detector, seen, waves, epsf, stamps, angle, shape)
    total = np.zeros(shape, np.float32)
    for group in _groups(frame, sky):
        for start in range(0, len(group.sources), _BATCH):
            batch = [int(source) for source in group.sources[start : start + _BATCH]]
            # Added in their order, whatever the threads do.
            for patches in over(partial(spectra, frame, group), batch):
                for row, column, patch in patches:
                    rows, columns = patch.shape
                    total[row : row + rows, column : column + columns] += patch
    return total


def _edges(detector: str, order: str) -> Floats:
    return effective_area(detector, order)[0][[0, -1]]


def _chromatic(epsfs: list[Epsf]) -> tuple[Epsf, Plane]:
    """One of the ePSFs, for its grid, and the stamps of all (wavelength, position, y, x)."""
    first = epsfs[0]
    for epsf in epsfs:
        same = epsf.psf.shape == first.psf.shape and epsf.oversample == first.oversample
        grids = ((epsf.pixel_x, first.pixel_x), (epsf.pixel_y, first.pixel_y))
        if not (same and all(np.array_equal(*grid) for grid in grids)):
            raise InputError(
                "the ePSFs of different wavelengths differ in grid, size or oversampling",
                hint="make all of them with the same parameters",
            )
    return first, np.stack([np.asarray(epsf.psf, np.float32) for epsf in epsfs])


def _groups(frame: Frame, sky: Sky) -> Iterator[Group]:
    seen = np.isfinite(frame.x) & np.isfinite(frame.y) & (frame.factor > 0)
    extended = np.isin(frame.scene.kind, (GALAXY, IMAGE))
    points = np.flatnonzero(seen & ~extended)
    images = partial(_blended, frame, frame.stamps)
    yield Group(points, images, frame.epsf.oversample, frame.epsf.radius + 1)

    rest = np.flatnonzero(seen & extended)
    sides = np.array([side(frame.scene, int(k), frame.epsf) for k in rest], np.int64)
    # Off the image the map may end: its nearest edge counts.
    x, y = (
        np.clip(place[rest], 0, length - 1)
        for place, length in zip((frame.x, frame.y), frame.shape[::-1], strict=True)
    )
    shears = jacobian(sky, x, y)
    samples = sampling(frame.epsf.oversample)
    for pixels in np.unique(sides).tolist():
        here = sides == pixels
        epsfs = epsf_transforms(frame.stamps, frame.epsf.oversample, pixels)
        shear = dict(zip(rest[here].tolist(), shears[here], strict=True))
        images = partial(_extended, frame, epsfs, shear, pixels)
        yield Group(rest[here], images, samples, pixels // 2)


def _blended(frame: Frame, planes: NDArray[Any], source: int) -> NDArray[Any]:
    """The ePSFs, or their transforms, at the place of a source: (wavelength, y, x)."""
    nodes, weights = frame.epsf.corners(frame.x[source], frame.y[source])
    result = np.empty((planes.shape[0], *planes.shape[2:]), planes.dtype)
    blend(planes, nodes[0], weights[0], result)
    return result


def _extended(
    frame: Frame, epsfs: NDArray[Any], shear: dict[int, Floats], pixels: int, source: int
) -> Plane:
    samples = sampling(frame.epsf.oversample)
    form = shape_transform(frame.scene, source, shear[source], pixels, samples)
    return image(_blended(frame, epsfs, source), form)
