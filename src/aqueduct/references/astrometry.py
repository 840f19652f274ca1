"""Astrometric catalogs (Gaia, or like it) from ECSV, FITS or Parquet tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import ReferenceError

GAIA_DR3_EPOCH: Final = 2016.0

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "ra": ("ra",),
    "dec": ("dec",),
    "pmra": ("pmra",),
    "pmdec": ("pmdec",),
    "parallax": ("parallax",),
    "ra_error": ("ra_error",),
    "dec_error": ("dec_error",),
    "pmra_error": ("pmra_error",),
    "pmdec_error": ("pmdec_error",),
    "magnitude": ("magnitude", "phot_g_mean_mag", "mag"),
}
"""Columns and the names they go by."""

_EPOCHS: Final = ("ref_epoch", "epoch")


def load_astrometry(path: Path) -> dict[str, Any]:
    """Columns of a table of stars, named in any case; those not there are NaN.

    The epoch is that of the column or table keyword ``ref_epoch`` or ``epoch``, otherwise
    Gaia DR3's, 2016.0.

    Raises
    ------
    ReferenceError
        If there is no ``ra`` or ``dec``, or stars have different epochs.
    """
    columns, keywords = _table(path)
    stars: dict[str, Any] = {}
    for name, aliases in COLUMNS.items():
        found = next((columns[alias] for alias in aliases if alias in columns), None)
        if found is None and name in ("ra", "dec"):
            raise ReferenceError(
                f"lacks the column {name}; it has {', '.join(columns)}",
                where=str(path),
                hint="an astrometric catalog needs ra and dec in degrees",
            )
        stars[name] = np.full(len(stars["ra"]), np.nan) if found is None else found
    return {**stars, "epoch": _epoch(columns, keywords, path)}


def _epoch(columns: dict[str, NDArray[np.float64]], keywords: dict[str, Any], path: Path) -> float:
    for name in _EPOCHS:
        if name in columns and len(columns[name]):
            epochs = np.unique(columns[name])
            if len(epochs) > 1:
                raise ReferenceError(
                    f"stars have {len(epochs)} different epochs",
                    where=str(path),
                    hint="bring them to one epoch first",
                )
            return float(epochs[0])
        if name in keywords:
            return float(keywords[name])
    return GAIA_DR3_EPOCH


def _table(path: Path) -> tuple[dict[str, NDArray[np.float64]], dict[str, Any]]:
    """Numeric columns as float64 and table keywords, both with names in lower case."""
    known = {*_EPOCHS, *(alias for aliases in COLUMNS.values() for alias in aliases)}
    try:
        if path.suffix == ".parquet":
            import pyarrow.parquet

            table = pyarrow.parquet.read_table(path)
            raw = {name: table[name].to_numpy() for name in table.column_names}
            keywords = {
                key.decode().lower(): value.decode()
                for key, value in (table.schema.metadata or {}).items()
            }
        else:
            from astropy.table import Table

            table = Table.read(path)
            raw = {name: np.ma.filled(table[name], np.nan) for name in table.colnames}
            keywords = {str(key).lower(): value for key, value in table.meta.items()}
        columns = {
            name.lower(): np.asarray(values, np.float64)
            for name, values in raw.items()
            if name.lower() in known
        }
    except Exception as error:  # table readers raise nearly any type on damaged files
        raise ReferenceError(
            f"no table of stars: {error}", where=str(path), hint="use ECSV, FITS or Parquet"
        ) from error
    return columns, keywords
