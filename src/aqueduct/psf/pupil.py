"""The pupil of the telescope and its wavefront, as a detector sees them.

    W(u, v) = sum_j a_j(x, y) Z_j(u / R, v / R),   j = 4 ... 22 (Noll), R = 1.18 m

a_j, in waves at 1.293 micrometre (RMS over the unit disk), is bilinear between the four
corners of the detector; u and v are metres in the entrance pupil along x and y of the
science frame. Piston and tilts are left out: the star is where the distortion puts it.

Source: Cycle 9 Zernikes and pupil masks of the Roman project, in galsim.roman. The masks
have 2048 x 2048 points and the spacing is that of their header, 1.17979 mm, which gives the
telescope's 2.363 m. (galsim.roman.getPSF of GalSim 2.8.5 loses it when it flips the
mask, and makes the pupil 0.5 % smaller and the PSF as much wider.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import ConfigError
from aqueduct.instrument.detectors import sca

Floats = NDArray[np.float64]

REFERENCE_WAVELENGTH: Final = 1.293
"""Micrometre, of the waves in which aberrations are given."""
DIAMETER: Final = 2.36
"""Metre, of the disk of the Zernike polynomials."""
SPACING: Final = 1.17979e-3
"""Metre, between the points of a mask."""
DEFOCUS: Final = 4
"""Noll index of focus."""
TERMS: Final = 23
"""Length of an array of coefficients, indexed by Noll's number; the first four are zero."""
_POINTS: Final = 2048
_LONG: Final = ("F184", "F213")
"""Filters with the larger (cold) mask of their own."""
_HALF: Final = 2043.5
_PIXEL_MM: Final = 0.01


@dataclass(frozen=True, eq=False)
class Pupil:
    """Transmission on a square grid about the optical axis.

    Attributes
    ----------
    transmission : ndarray of float32, (v, u)
        Mean over each cell, 0 to 1.
    step : float
        Side of a cell, metre.
    spacing : float
        Of the points averaged in a cell, metre.
    """

    transmission: NDArray[np.float32]
    step: float
    spacing: float

    @property
    def axis(self) -> Floats:
        """Coordinate of the cells along u or v, metre."""
        count = len(self.transmission)
        return np.asarray((np.arange(count) - (count - 1) / 2) * self.step, np.float64)


@lru_cache(maxsize=8)
def pupil(detector: str, element: str, binning: int = 4) -> Pupil:
    """The pupil of a detector and filter.

    Parameters
    ----------
    detector, element : str
    binning : int
        Points of the mask averaged in a cell, along each axis: a power of two.
    """
    from astropy.io import fits

    kind = "F184" if element in _LONG else "skinny"
    path = _share() / f"RST_WIM_Filter_{kind}_SCA_{sca(detector)}.fits.gz"
    with fits.open(path) as file:
        # The mask is that of the exit pupil, which is mirrored in y.
        mask, step = file[0].data[::-1] > 0, float(file[0].header["PIXELSCL"])
    cells = _POINTS // binning
    mean = mask.reshape(cells, binning, cells, binning).mean(axis=(1, 3), dtype=np.float32)
    mean.flags.writeable = False
    return Pupil(mean, step * binning, step)


def aberrations(
    detector: str, x: float, y: float, extra: Mapping[int, float] | None = None
) -> Floats:
    """Zernike coefficients at a science pixel.

    Parameters
    ----------
    detector : str
    x, y : float
        0-based; beyond the corners they are extrapolated.
    extra : mapping, optional
        Noll number (4 to 22) to what is added, waves RMS at 1.293 micrometre.

    Returns
    -------
    ndarray, (23,)
        By Noll number, waves RMS at 1.293 micrometre.

    Raises
    ------
    ConfigError
        If a Noll number is out of range.
    """
    low, high, corners = _corners(detector)
    fx, fy = (np.array([x, y]) - low) / (high - low)
    total = np.array([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy]) @ corners
    total[:DEFOCUS] = 0.0
    for number, waves in (extra or {}).items():
        if not DEFOCUS <= number < TERMS:
            raise ConfigError(f"no Zernike term {number}", hint="Noll's numbers 4 to 22 are known")
        total[number] += waves
    return total


def wavefront(axis: Floats, coefficients: Floats) -> NDArray[np.float32]:
    """Path difference over the pupil, micrometre, (v, u)."""
    from galsim.zernike import Zernike

    u, v = np.meshgrid(axis, axis)
    polynomial: Any = Zernike(coefficients, R_outer=DIAMETER / 2)
    return np.asarray(polynomial.evalCartesian(u, v) * REFERENCE_WAVELENGTH, np.float32)


@cache
def _corners(detector: str) -> tuple[Floats, Floats, Floats]:
    """First and last (x, y) of the table, and coefficients (corner, Noll number).

    The corners in the order (low x, low y), (high, low), (low, high), (high, high).
    """
    number = sca(detector)
    rows = np.loadtxt(_share() / f"Roman_Cycle-9_WFI_zim_zernikes_082623_{number:02d}.txt")
    place = rows[:, 1:3] / _PIXEL_MM
    # Two of three detectors are mounted turned by half a turn.
    place = place + _HALF if number % 3 == 0 else _HALF - place
    right, upper = (place[1:] > place[0]).T
    order = 1 + np.argsort(right + 2 * upper)
    waves = np.zeros((4, TERMS))
    waves[:, 1:] = rows[order, 5:]
    return place.min(axis=0), place.max(axis=0), waves


def _share() -> Path:
    """Folder of GalSim's tables for Roman."""
    from galsim import meta_data

    return Path(meta_data.share_dir) / "roman"
