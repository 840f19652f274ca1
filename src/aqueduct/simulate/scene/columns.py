"""Columns of tables as plain numbers in one unit: any flux becomes nJy.

A flux column is named by its filter, as ``F158``, ``flux_f158`` or ``mag_f158``; its unit may be
a flux density, maggies or AB magnitudes. Without a unit, ``F158`` is in maggies (as in the
official simulator's catalogs) and ``mag_f158`` AB: 1 maggy = 3631 Jy, AB = 31.4 - 2.5 log10(nJy).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import nearest
from aqueduct.core.errors import InputError
from aqueduct.instrument.filters import FILTERS
from aqueduct.instrument.photometry import njy

if TYPE_CHECKING:
    from astropy.table import Table

Floats = NDArray[np.float64]

_FLUX: Final = re.compile(r"(?:(flux|mag)_)?(f\d{3})", re.IGNORECASE)
_MAGGIES: Final = {"maggies": "mgy", "maggy": "mgy", "nanomaggies": "nmgy", "nanomaggy": "nmgy"}
_MISNAMED: Final = ("half_light_radius", "ba")
"""Columns beside which the official simulator writes other units than it means: ours."""


def numbers(table: Table, name: str, unit: str) -> Floats:
    """A column in ``unit`` as float64, NaN where masked.

    Raises
    ------
    InputError
        If it holds no numbers, or those of another dimension.
    """
    from astropy import units

    column = table[name]
    given = None if name in _MISNAMED and "type" in table.colnames else column.unit
    values = _plain(column, name)
    if given is None or units.Unit(given) == units.dimensionless_unscaled:
        return values
    try:
        return np.asarray((values * units.Unit(given)).to_value(unit), np.float64)
    except (units.UnitConversionError, TypeError) as error:
        raise InputError(f"column {name!r} in {given}, not in {unit or 'pure numbers'}") from error


def _plain(column: Any, name: str) -> Floats:
    values = getattr(column, "value", column)
    try:
        whole = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
    except (ValueError, TypeError) as error:
        raise InputError(f"column {name!r} holds no numbers") from error
    if whole.ndim != 1:
        raise InputError(f"column {name!r} has {whole.ndim} dimensions, not 1")
    return np.asarray(whole, np.float64)


def integers(values: Floats, name: str) -> NDArray[np.int64]:
    """Whole numbers as int64."""
    wrong = ~(np.isfinite(values) & (values == np.floor(values)))
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(f"column {name!r}, row {row}: {values[row]} is not a whole number")
    return values.astype(np.int64)


def fluxes(table: Table, names: dict[str, str]) -> dict[str, Floats]:
    """Fluxes in nJy, by filter.

    Parameters
    ----------
    table : astropy.table.Table
    names : dict of str to str
        Its column names by their lower-case form.

    Raises
    ------
    InputError
        Naming the column, and the row if one is at fault.
    """
    flux: dict[str, Floats] = {}
    for low, name in names.items():
        match = _FLUX.fullmatch(low)
        if match is None:
            continue
        element = match[2].upper()
        if element not in FILTERS:
            raise InputError(f"column {name!r}: no such filter", hint=nearest(element, FILTERS))
        if element in flux:
            raise InputError(f"column {name!r}: {element} is there twice")
        values = _njy(_plain(table[name], name), table[name].unit, match[1], name)
        wrong = ~(np.isfinite(values) & (values >= 0))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(f"column {name!r}, row {row}: {table[name][row]} is no flux")
        flux[element] = values
    if not flux:
        raise InputError(
            "the table has no flux", hint="name a column by its filter: F158 or flux_f158"
        )
    return flux


def _njy(values: Floats, unit: Any, prefix: str | None, name: str) -> Floats:
    from astropy import units

    if unit is None and prefix == "flux":
        raise InputError(
            f"column {name!r} has no unit", hint="give it one: nJy, uJy, ABmag or maggies"
        )
    if unit is None:
        unit = "mag(AB)" if prefix == "mag" else "mgy"
    to_njy: Callable[..., Any] = units.zero_point_flux(3631 * units.Jy)
    if str(unit) in ("mag", "ABmag", "mag(AB)"):
        return njy(values)
    try:
        quantity = values * units.Unit(_MAGGIES.get(str(unit), unit))
        return np.asarray(quantity.to_value("nJy", equivalencies=to_njy), np.float64)
    except (units.UnitConversionError, ValueError, TypeError) as error:
        raise InputError(
            f"column {name!r} in {unit}: not a flux per frequency",
            hint="give it in nJy, uJy, Jy, maggies or AB magnitudes",
        ) from error
