"""Stars: each with the ePSF of its own position (:mod:`aqueduct.psf.rendering`).

In a crowded field the ePSF of a faint star is split in two,

    P = t P + (1 - t) P

with t a taper from 1 to 0 between 8 and 12 pixels from the star. The first part is drawn
as above; the second, the wing, is smooth and varies little, and is drawn for all stars of
1/8 x 1/8 of the detector together (:mod:`aqueduct.simulate.render.spread`), scaled so that
each star keeps its flux.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.threads import over
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.render.spread import add, spread

Plane = NDArray[Any]
Floats = NDArray[np.float64]

CROWDED: Final = 30_000
"""Stars from which the faint ones are drawn in two parts."""
BRIGHT: Final = 1000.0
"""Electron/s from which a star is always drawn in one part."""
_TAPER: Final = (8.0, 12.0)
"""Pixels from a star where the wing begins and where the core ends."""
_TILES: Final = 8
_PHASES: Final = 2
"""Samples per pixel at which wings are drawn."""


def draw_stars(x: Floats, y: Floats, rate: Floats, epsf: Epsf, image: Plane) -> None:
    """Add point sources to ``image`` in place.

    Parameters
    ----------
    x, y : ndarray, (star,)
        0-based pixel, finite.
    rate : ndarray, (star,)
        Electron/s.
    epsf : Epsf
    image : ndarray of float32, (row, column)
    """
    split = len(x) > CROWDED and epsf.radius > 2 * _TAPER[1] and epsf.oversample % _PHASES == 0
    faint = (rate < BRIGHT) & split
    epsf.render(x[~faint], y[~faint], rate[~faint], image)
    if faint.any():
        core, wing = _split(epsf)
        core.render(x[faint], y[faint], rate[faint], image)
        _draw_wings(x[faint], y[faint], rate[faint], wing, image)


def _split(epsf: Epsf) -> tuple[Epsf, Epsf]:
    """The core, cut to its size, and the wing of an ePSF."""
    at = (np.arange(epsf.psf.shape[-1]) - epsf.psf.shape[-1] // 2) / epsf.oversample
    inner, outer = _TAPER
    part = np.clip((np.hypot(at, at[:, None]) - inner) / (outer - inner), 0, 1)
    taper = (np.cos(np.pi / 2 * part) ** 2).astype(np.float32)
    edge = epsf.psf.shape[-1] // 2 - int(outer * epsf.oversample) - 3
    cut = slice(edge, -edge)
    core = np.ascontiguousarray((epsf.psf * taper)[:, cut, cut])
    return replace(epsf, psf=core), replace(epsf, psf=epsf.psf * (1 - taper))


def _draw_wings(x: Floats, y: Floats, rate: Floats, wing: Epsf, image: Plane) -> None:
    """Draw the wings of all stars, tile by tile."""
    shares = wing.psf.sum(axis=(1, 2), dtype=np.float64)
    nodes, weights = wing.corners(x, y)
    share = (shares[nodes] * weights).sum(axis=1)
    height, width = (-(-side // _TILES) for side in image.shape)
    row, column = (
        np.clip(at // size, 0, _TILES - 1).astype(int) for at, size in ((y, height), (x, width))
    )
    order = np.argsort(row * _TILES + column, kind="stable")
    ends = np.searchsorted((row * _TILES + column)[order], np.arange(_TILES**2 + 1))

    def tile(index: int) -> tuple[int, int, Plane] | None:
        pick = order[ends[index] : ends[index + 1]]
        if len(pick) == 0:
            return None
        tile_row, tile_column = divmod(index, _TILES)
        stamp = wing.at((tile_column + 0.5) * width, (tile_row + 0.5) * height)
        flux = rate[pick] * share[pick] / stamp.sum()
        return spread(x[pick], y[pick], flux, stamp, wing.oversample, _PHASES)

    for start in range(0, _TILES**2, _TILES):
        for patch in over(tile, list(range(start, start + _TILES))):
            if patch is not None:
                add(*patch, image)
