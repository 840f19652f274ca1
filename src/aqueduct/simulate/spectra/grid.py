"""The wavelengths of template spectra, and the profiles drawn on them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP: Final = 4e-4
"""Step in ln(lambda): 120 km/s, a resolution lambda / dlambda of 2500."""
GRID: Final[Floats] = 0.05 * np.exp(STEP * np.arange(11514))
"""Micrometre in vacuum, 0.05 to 5."""
GRID.flags.writeable = False


def at(wavelength: float) -> int:
    """Index of the point nearest to a wavelength in micrometre."""
    return round(float(np.log(wavelength / GRID[0])) / STEP)


def gaussian(centre: float, width: float) -> Floats:
    """Gaussian of height one; both in micrometre."""
    return np.exp(-0.5 * ((GRID - centre) / width) ** 2)


def with_lines(continuum: Floats, centre: Floats, equivalent: Floats, width: Floats) -> Floats:
    """Emission lines added to a continuum.

    Parameters
    ----------
    continuum : ndarray, (w,)
        f_nu.
    centre, equivalent, width : ndarray, (line,)
        Centre, equivalent width and standard deviation, micrometre at rest.
    """
    flux = continuum.copy()
    for place, light, sigma in zip(centre, equivalent, width, strict=True):
        profile = gaussian(float(place), float(sigma))
        # Sums to the line's light on the grid, however few its points.
        area = (profile * GRID).sum() * STEP
        flux += continuum[at(float(place))] * float(light) / area * profile
    return flux
