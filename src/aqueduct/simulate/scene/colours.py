"""Fluxes in every filter from a magnitude in F158 and a spectral template.

Exactly, through the spectrum of each source; or, for many sources, from tables of the ratio
to the flux in F158 by type, redshift and dust, between whose points its logarithm is
linear: within 1 % of exact for nearly all galaxies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.instrument.filters import FILTERS, njy_per_electron
from aqueduct.instrument.photometry import njy
from aqueduct.simulate.scene.populations import CLASSES

if TYPE_CHECKING:
    from aqueduct.simulate.spectra import SourceSpectra

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]
Fluxes = dict[str, Floats]

_STANDARD: Final = "F158"
_DETECTOR: Final = "WFI01"
"""The detector whose bands define a scene's fluxes."""
_Z_STEP: Final = 0.02
_DUST_STEP: Final = 0.05
_FEW: Final = 30_000
"""Galaxies up to which each is integrated: a table takes as long."""
_DARK: Final = 1e-12
"""Stands for no flux where hydrogen absorbs it all."""


def exact_fluxes(spectra: SourceSpectra) -> Fluxes:
    """AB flux in nJy of each source, by filter."""
    return {
        element: spectra.rates(_DETECTOR, element) * njy_per_electron(_DETECTOR, element)
        for element in FILTERS
    }


def star_spectra(magnitude: Floats, code: Floats, dust: Floats) -> SourceSpectra:
    """The templates nearest in type, behind dust of the Milky Way, of these magnitudes."""
    from aqueduct.simulate.spectra import SourceSpectra, builtin

    rows, codes = star_sequence()
    edges = 0.5 * (codes[1:] + codes[:-1])
    template, zero = rows[np.searchsorted(edges, code)], np.zeros(len(code))
    bare = SourceSpectra(builtin(), template, zero, zero, zero + 1, dust)
    return bare.normalised(_STANDARD, njy(magnitude))


def star_fluxes(magnitude: Floats, code: Floats, dust: Floats) -> Fluxes:
    """As :func:`star_spectra`, with colours between those of the templates."""
    from aqueduct.simulate.spectra import SourceSpectra, builtin

    rows, codes = star_sequence()
    grid = _grid(dust, _DUST_STEP)
    template, ebv = np.repeat(rows, len(grid)), np.tile(grid, len(rows))
    zero = np.zeros(len(ebv))
    table = exact_fluxes(SourceSpectra(builtin(), template, zero, zero, zero + 1, ebv))
    place = np.stack([np.interp(code, codes, np.arange(len(codes))), dust / _DUST_STEP])
    return _interpolated(table, (len(rows), len(grid)), place, njy(magnitude))


def galaxy_spectra(
    magnitude: Floats, template: Integers, redshift: Floats, dust: Floats
) -> SourceSpectra:
    """Spectra of templates (rows of the built-in library) of these magnitudes."""
    from aqueduct.simulate.spectra import SourceSpectra, builtin

    bare = SourceSpectra(builtin(), template, redshift, dust, np.ones(len(redshift)))
    return bare.normalised(_STANDARD, njy(magnitude))


def galaxy_fluxes(magnitude: Floats, template: Integers, redshift: Floats, dust: Floats) -> Fluxes:
    """As :func:`galaxy_spectra`; from a table if there are many."""
    from aqueduct.simulate.spectra import SourceSpectra, builtin

    if len(template) <= _FEW:
        return exact_fluxes(galaxy_spectra(magnitude, template, redshift, dust))
    kinds, which = np.unique(template, return_inverse=True)
    axes = kinds, _grid(redshift, _Z_STEP), _grid(dust, _DUST_STEP)
    kind, z, ebv = _every(*axes)
    table = exact_fluxes(SourceSpectra(builtin(), kind, z, ebv, np.ones(len(z))))
    place, shape = np.stack([which, redshift / _Z_STEP, dust / _DUST_STEP]), [len(a) for a in axes]
    return _interpolated(table, shape, place, njy(magnitude))


def _interpolated(table: Fluxes, shape: Sequence[int], place: Floats, standard: Floats) -> Fluxes:
    """``standard`` times the ratio to the flux in F158, linear in its logarithm."""
    from scipy.ndimage import map_coordinates

    ratios = {
        element: np.log(np.maximum(values / table[_STANDARD], _DARK)).reshape(shape)
        for element, values in table.items()
    }
    return {
        element: standard * np.exp(map_coordinates(ratio, place, order=1))
        for element, ratio in ratios.items()
    }


def _every(*axes: NDArray[Any]) -> list[NDArray[Any]]:
    """All combinations of the values of the axes, the last running fastest."""
    return [values.ravel() for values in np.meshgrid(*axes, indexing="ij")]


def star_sequence() -> tuple[Integers, Floats]:
    """Rows of the built-in library that hold stars from O to T, and their codes, ascending."""
    from aqueduct.simulate.spectra import builtin

    known = {
        star_code(name.removeprefix("star-")): row
        for row, name in enumerate(builtin().names)
        if name.startswith("star-") and name[5] in CLASSES and name[6:].isdecimal()
    }
    codes = sorted(known)
    return np.array([known[code] for code in codes], np.int32), np.array(codes, np.float64)


def star_code(kind: str) -> float:
    """Number of a spectral type: 42 for G2."""
    return 10.0 * CLASSES.index(kind[0]) + float(kind[1:])


def _grid(values: Floats, step: float) -> Floats:
    """0, step, ... to beyond the greatest value."""
    top = float(values.max()) if len(values) else 0.0
    return np.asarray(step * np.arange(int(np.ceil(top / step)) + 2), np.float64)
