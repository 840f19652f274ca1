"""Standard stars on a grid: known magnitudes and types, none near another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.instrument.photometry import njy
from aqueduct.simulate.scene.colours import exact_fluxes
from aqueduct.simulate.scene.scene import STAR, Scene

Floats = NDArray[np.float64]


class GridConfig(StepConfig):
    """Isolated stars of standard types."""

    spacing: float = Field(20.0, gt=0, description="Arcsec between neighbours")
    wobble: float = Field(
        0.5, ge=0, description="RMS shift of each from the grid, arcsec: all pixel phases"
    )
    magnitudes: tuple[float, ...] = Field(
        (17.0, 18.0, 19.0, 20.0, 21.0, 22.0, 23.0),
        min_length=1,
        description="AB in F158, one row of the grid each, in turn",
    )
    templates: tuple[str, ...] = Field(
        ("star-A0", "star-G2", "star-K5", "star-M4", "star-DA"),
        min_length=1,
        description="Spectra, one column of the grid each, in turn",
    )


def draw_grid(
    config: GridConfig, ra: float, dec: float, radius: float, rng: np.random.Generator
) -> Scene:
    """Stars on a square grid within a circle (``radius`` in arcmin), with spectra.

    Raises
    ------
    InputError
        If there is no spectral template of a name.
    """
    from aqueduct.simulate.spectra import SourceSpectra, builtin

    step = config.spacing / 60
    reach = int(radius / step)
    row, column = (axis.ravel() for axis in np.mgrid[-reach : reach + 1, -reach : reach + 1])
    inside = np.hypot(row, column) * step <= radius
    row, column = row[inside], column[inside]
    shift = config.wobble / 60 * rng.standard_normal((2, len(row)))
    plane = TangentPlane(ra, dec, scale=1 / 60)
    place = plane.to_sky(column * step + shift[0], row * step + shift[1])
    rows = np.array([builtin().index(name) for name in config.templates], np.int32)
    zero = np.zeros(len(row))
    bare = SourceSpectra(builtin(), rows[column % len(rows)], zero, zero, zero + 1)
    magnitude = np.array(config.magnitudes)[row % len(config.magnitudes)]
    spectra = bare.normalised("F158", njy(magnitude))
    kind = np.full(len(row), STAR, np.uint8)
    return Scene(*place, kind, exact_fluxes(spectra), spectra=spectra)
