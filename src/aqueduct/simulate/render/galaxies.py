"""Sersic galaxies, drawn in Fourier space.

    stamp^(k) = sum over whole cycles m of  G^(k + m) P^(k + m) exp(-2 pi i (k + m) p)
    G^(k)     = sum_c f_c F_n(2 pi |M_c^T k|)

with k in cycles per pixel, P^ the ePSF's transform at the galaxy's own place, p the centre,
F_n the transform of a circular profile of unit half-light radius
(:mod:`aqueduct.simulate.render.sersic`) and M_c = J^-1 S_c what takes the unit circle to
the half-light ellipse of component c (disk, bulge) in pixels: S_c to the sky, J the local
derivative of the sky by the pixel. Light beyond a stamp wraps around it: stamps are so large
that this is below 1e-5 electron/s/pixel and 0.5 % of the light (spread over the stamp: 0.1 % within
1.6 arcsec), or of 1024 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2

from aqueduct.core.threads import over
from aqueduct.geometry.tangent import jacobian
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.render.fourier import fill
from aqueduct.simulate.render.sersic import ROOT, SAMPLES, light_beyond, transforms
from aqueduct.simulate.render.spread import add
from aqueduct.simulate.render.transfer import RING, Transfer
from aqueduct.simulate.scene import Scene

Plane = NDArray[Any]
Floats = NDArray[np.float64]
Index = NDArray[np.int64]

SIZES: Final = (64, 128, 256, 512, 1024)
"""Sides of the stamps, pixels."""
_LOST: Final = 5e-3
"""Largest share of the light that may wrap."""
_DIM: Final = 1e-5
"""Largest mean surface brightness of what wraps, electron/s/pixel."""
_FAINTEST: Final = 3e-6
"""Smallest value of a transform that counts, of a profile or of it times the ePSF's."""
_BATCH: Final = 1 << 19
"""Pixels in the stamps drawn by one task."""
_WAVE: Final = 16
"""Tasks whose stamps are held at a time."""


@dataclass(frozen=True)
class _Galaxies:
    """What is drawn: two profiles (the second is the bulge) for each of some galaxies.

    ``index`` and ``light`` (electron/s) are (galaxy, 2); ``form`` (galaxy, 2, 2, 2) is
    M M^T in pixels; ``x`` and ``y`` are (galaxy,).
    """

    x: Floats
    y: Floats
    index: Floats
    light: Floats
    form: Floats

    def take(self, pick: Index) -> _Galaxies:
        return _Galaxies(*(getattr(self, entry.name)[pick] for entry in fields(self)))


def draw_galaxies(
    scene: Scene, x: Floats, y: Floats, rate: Floats, epsf: Epsf, sky: Any, image: Plane
) -> None:
    """Add galaxies to ``image`` in place.

    Parameters
    ----------
    scene : Scene
        Of galaxies only.
    x, y : ndarray, (galaxy,)
        0-based pixel, finite.
    rate : ndarray, (galaxy,)
        Electron/s.
    epsf : Epsf
    sky : PixelMap or TangentPlane
        From pixel to sky, for the shapes.
    image : ndarray of float32, (row, column)

    Raises
    ------
    InputError
        If a Sersic index is out of range.
    """
    if len(scene) == 0:
        return
    # Off the image the derivative is that at its edge: maps need not reach further.
    inside = [
        np.clip(at, 0.5, side - 1.5) for at, side in ((x, image.shape[1]), (y, image.shape[0]))
    ]
    galaxies = _galaxies(scene, x, y, rate, jacobian(sky, *inside))
    transfer = Transfer.of(epsf)
    size = _sizes(galaxies, transfer)
    tables = {int(side): transfer.at(int(side)) for side in np.unique(size)}
    nodes, weights = epsf.corners(x, y)

    def draw(batch: Index) -> list[tuple[int, int, Plane]]:
        side = int(size[batch[0]])
        some = galaxies.take(batch)
        return _stamps(some, side, transfer, tables[side], nodes[batch], weights[batch])

    reach = size / 2
    near = (x > -reach) & (x < image.shape[1] + reach) & (y > -reach) & (y < image.shape[0] + reach)
    # Neighbours in a batch share the nodes of the ePSF, which stay in the cache.
    order = np.lexsort((nodes[:, 0], size))
    batches = _batches(order[near[order]], size)
    for start in range(0, len(batches), _WAVE):
        for stamps in over(draw, batches[start : start + _WAVE]):
            for stamp in stamps:
                add(*stamp, image)


def _galaxies(scene: Scene, x: Floats, y: Floats, rate: Floats, to_sky: Floats) -> _Galaxies:
    """Profiles in pixels; a galaxy without a bulge has one of no light."""
    bulge = scene.bulge_fraction > 0
    disk = (scene.sersic, scene.radius, scene.axis_ratio)
    second = (scene.bulge_sersic, scene.bulge_radius, scene.bulge_axis_ratio)
    index, radius, ratio = (
        np.stack([first, np.where(bulge, other, first)], axis=1)
        for first, other in zip(disk, second, strict=True)
    )
    share = np.stack([1 - scene.bulge_fraction, scene.bulge_fraction], axis=1)
    angle = np.radians(scene.position_angle)
    # Unit vectors (east, north) of the major and minor axes, one axis a column.
    axes = np.array([[np.sin(angle), np.cos(angle)], [np.cos(angle), -np.sin(angle)]])
    axes = axes.transpose(2, 1, 0)[:, None]
    square = radius[..., None] ** 2 * np.stack([1 / ratio, ratio], axis=-1)
    to_pixels = np.linalg.inv(to_sky)[:, None]
    matrix = to_pixels @ (axes * np.sqrt(square)[..., None, :])
    return _Galaxies(x, y, index, rate[:, None] * share, matrix @ matrix.swapaxes(-1, -2))


def _sizes(galaxies: _Galaxies, transfer: Transfer) -> Index:
    """Side of each galaxy's stamp."""
    major = np.sqrt(np.linalg.eigvalsh(galaxies.form)[..., -1])
    size = np.full(len(galaxies.x), SIZES[-1])
    total = galaxies.light.sum(axis=1)
    for side in SIZES[-2::-1]:
        beyond = light_beyond(side / 2 / major, galaxies.index) * galaxies.light
        psf = transfer.outside[min(side // 2, len(transfer.outside) - 1)]
        lost = beyond.sum(axis=1) + psf * total
        size[(lost < _LOST * total) & (lost < _DIM * side**2)] = side
    return size


def _batches(order: Index, size: Index) -> list[Index]:
    """Galaxies of one stamp size, so many that one task has enough to do."""
    batches = []
    for side in SIZES:
        group, count = order[size[order] == side], max(_BATCH // side**2, 1)
        batches += [group[start : start + count] for start in range(0, len(group), count)]
    return batches


def _stamps(
    galaxies: _Galaxies,
    side: int,
    transfer: Transfer,
    table: tuple[Plane, int],
    nodes: Index,
    weights: Floats,
) -> list[tuple[int, int, Plane]]:
    """First row, first column and pixels of the stamp of every galaxy."""
    row, column = (np.floor(at).astype(int) - side // 2 for at in (galaxies.y, galaxies.x))
    profiles = transforms(galaxies.index.ravel()).reshape(*galaxies.index.shape, -1)
    terms = galaxies.form[..., (0, 0, 1), (0, 1, 1)] * (2 * np.pi) ** 2
    spectra = np.empty((len(row), side, side // 2 + 1), np.complex64)
    fill(
        *table,
        _limits(galaxies, profiles, transfer),
        nodes,
        weights,
        profiles,
        np.ascontiguousarray(terms),
        galaxies.light,
        _cuts(profiles),
        galaxies.x - column,
        galaxies.y - row,
        spectra,
    )
    stamps = irfft2(spectra, (side, side))
    return list(zip(row.tolist(), column.tolist(), stamps, strict=True))


def _limits(galaxies: _Galaxies, profiles: Plane, transfer: Transfer) -> Floats:
    """Cycles per pixel where a galaxy's transform times the ePSF's falls below what counts."""
    k = (np.arange(len(transfer.modulus)) + 1) * RING
    minor = np.sqrt(np.linalg.eigvalsh(galaxies.form)[..., 0])
    root = np.sqrt(2 * np.pi * minor[..., None] * k)
    sample = np.minimum(root * (SAMPLES / ROOT), SAMPLES).astype(int)
    share = galaxies.light / galaxies.light.sum(axis=1, keepdims=True)
    light = share[..., None] * np.abs(np.take_along_axis(profiles, sample, axis=-1))
    counts = light.sum(axis=1) * transfer.modulus > _FAINTEST
    return np.asarray(k[len(k) - 1 - counts[:, ::-1].argmax(axis=1)])


def _cuts(profiles: Plane) -> Floats:
    """Arguments beyond which the transforms (..., sample) count as nil."""
    last = SAMPLES - 2 - (np.abs(profiles[..., -3::-1]) > _FAINTEST).argmax(axis=-1)
    return np.asarray((last * (ROOT / SAMPLES)) ** 2, np.float64)
