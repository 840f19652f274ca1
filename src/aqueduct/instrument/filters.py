"""Optical elements: throughput, AB zero points, backgrounds.

    rate [electron/s] = flux [nJy] / (nJy per electron/s)

where the denominator is the flux density, flat in frequency (AB), that gives one electron
per second in a detector. Source: Roman technical information, effective areas v8 and
zero points of 2024-03-01; zodiacal minimum and thermal background of 2024-06-03.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import nearest
from aqueduct.core.errors import InputError
from aqueduct.instrument.detectors import sca
from aqueduct.instrument.technical import table, text

FILTERS: Final = ("F062", "F087", "F106", "F129", "F146", "F158", "F184", "F213")
DISPERSERS: Final = ("GRISM", "GRISM0", "PRISM")
"""The grism in its first and in its zeroth order, and the prism."""

Floats = NDArray[np.float64]

_IMAGING = "WideFieldInstrument/Imaging"
_ZERO_POINTS = f"{_IMAGING}/ZeroPoints/Roman_zeropoints_20240301.ecsv"
_ERG_PER_NJY = 1e-32
"""1 nJy in erg / s / cm^2 / Hz."""
_COLUMNS: Final = dict(zip(FILTERS, FILTERS, strict=True)) | dict(
    zip(DISPERSERS, ("Grism_1stOrder", "Grism_0thOrder", "Prism"), strict=True)
)
"""Column of the tables of effective areas, by element."""


def _known(element: str) -> str:
    if element not in FILTERS:
        raise InputError(f"no imaging filter {element!r}", hint=nearest(element, FILTERS))
    return element


def _zero_point(detector: str, element: str, column: str) -> float:
    points = table(_ZERO_POINTS)
    row = (points["detector"] == f"WFI{sca(detector):02d}") & (points["element"] == _known(element))
    return float(points[column][row][0])


def ab_zero_point(detector: str, element: str) -> float:
    """AB magnitude that gives 1 electron/s."""
    return _zero_point(detector, element, "ABMag")


def njy_per_electron(detector: str, element: str) -> float:
    """Flux density in nJy that gives 1 electron/s.

    Raises
    ------
    InputError
        If the detector or the filter does not exist.
    """
    return _zero_point(detector, element, "FNU") / _ERG_PER_NJY


def effective_area(detector: str, element: str) -> tuple[Floats, Floats]:
    """Wavelength (micrometre) and effective area (m^2) where the element transmits.

    Parameters
    ----------
    detector : str
        As ``WFI01``.
    element : str
        One of :data:`FILTERS` or :data:`DISPERSERS`.

    Returns
    -------
    wavelength, area : ndarray, (n,)
        Every nanometre, with the zero on either side of the band; read-only.

    Raises
    ------
    InputError
        If the detector or the element does not exist.
    """
    if element not in _COLUMNS:
        raise InputError(f"no optical element {element!r}", hint=nearest(element, _COLUMNS))
    return _band(sca(detector), element)


@cache
def _band(number: int, element: str) -> tuple[Floats, Floats]:
    columns = _areas(number)
    wave, area = columns["Wave"], columns[_COLUMNS[element]]
    passes = np.flatnonzero(area > 0)
    part = slice(max(passes[0] - 1, 0), passes[-1] + 2)
    return wave[part], area[part]


@cache
def _areas(number: int) -> dict[str, Floats]:
    """All columns of a detector's table, by name; read-only."""
    file = f"{_IMAGING}/EffectiveAreas/Roman_effarea_v8_SCA{number:02d}_20240301.ecsv"
    # Its header is not valid ECSV: read the columns by their names alone.
    names, *rows = (line for line in text(file).splitlines() if not line.startswith("#"))
    values = np.loadtxt(rows, delimiter=",", unpack=True)
    values.flags.writeable = False
    return dict(zip((name.strip() for name in names.split(",")), values, strict=True))


def background(element: str) -> tuple[float, float]:
    """Zodiacal light at its minimum, and thermal background: electron/s/pixel."""
    zodiacal = table(f"{_IMAGING}/ZodiacalLight/zodiacal_light.ecsv")
    thermal = table(f"{_IMAGING}/Backgrounds/internal_thermal_backgrounds.ecsv")
    first, second = (
        float(rates["rate"][rates["filter"] == _known(element)][0]) for rates in (zodiacal, thermal)
    )
    return first, second
