"""Attitude telemetry from ECSV, FITS or Parquet tables.

One row for each value: ``mnemonic``, ``time`` (ISO, UTC, or MJD) and ``value``. The mnemonics
are SCF_AC_SDR_QBJ_1 to 4 (J2000 to body), and SCF_AC_EST_FGS_QBR_1 to 4 (body to fine guidance
sensor), which may be absent. Others are passed over.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import ReferenceError

TO_BODY: Final = "SCF_AC_SDR_QBJ"
TO_FGS: Final = "SCF_AC_EST_FGS_QBR"

Array = NDArray[Any]


def load_attitude(path: Path) -> dict[str, Array]:
    """Fields of an :class:`~aqueduct.products.references.AttitudeReference`.

    Raises
    ------
    ReferenceError
        If the table can't be read, or lacks the quaternions from J2000 to the body.
    """
    try:
        mnemonic, time, value = _columns(path)
    except Exception as error:  # table readers raise nearly any type on damaged files
        raise ReferenceError(
            f"no table of telemetry: {error}",
            where=str(path),
            hint="use ECSV, FITS or Parquet with the columns mnemonic, time and value",
        ) from error
    body_time, body = _quaternions(TO_BODY, mnemonic, time, value)
    fgs_time, fgs = _quaternions(TO_FGS, mnemonic, time, value)
    if not len(body):
        raise ReferenceError(
            f"no time has all of {TO_BODY}_1 to _4",
            where=str(path),
            hint="the four components of a quaternion need the same times",
        )
    return {"time": body_time, "to_body": body, "fgs_time": fgs_time, "to_fgs": fgs}


def _columns(path: Path) -> tuple[Array, Array, Array]:
    """Mnemonic, MJD and value of each row."""
    from astropy.table import Table
    from astropy.time import Time

    if path.suffix == ".parquet":
        import pyarrow.parquet

        table = pyarrow.parquet.read_table(path)
        raw = {name.lower(): table[name].to_numpy() for name in table.column_names}
    else:
        table = Table.read(path)
        raw = {name.lower(): table[name] for name in table.colnames}
    time = raw["time"]
    if not isinstance(time, Time):
        time = np.asarray(time)
        numbers = np.issubdtype(time.dtype, np.number)
        time = Time(time, format="mjd", scale="utc") if numbers else Time(time.astype(str))
    return np.asarray(raw["mnemonic"]).astype(str), time.utc.mjd, np.asarray(raw["value"], float)


def _quaternions(name: str, mnemonic: Array, time: Array, value: Array) -> tuple[Array, Array]:
    """Times (n,), ascending, at which all four components are given, and those (n, 4)."""
    found = []
    for component in range(1, 5):
        here = mnemonic == f"{name}_{component}"
        at, first = np.unique(time[here], return_index=True)
        found.append(dict(zip(at.tolist(), value[here][first].tolist(), strict=True)))
    times = sorted(set(found[0]).intersection(*found[1:]))
    return np.array(times), np.array([[part[t] for part in found] for t in times]).reshape(-1, 4)
