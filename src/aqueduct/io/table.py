"""Plain tables as Parquet: for what has no official schema, such as simulated truth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.io.atomic import atomic

_ABOUT = b"aqueduct"


def write_table(
    columns: Mapping[str, NDArray[Any]],
    path: Path,
    units: Mapping[str, str],
    about: Mapping[str, Any],
) -> None:
    """Write columns with their units, and ``about`` (JSON-like) for the whole table."""
    import pyarrow
    import pyarrow.parquet

    fields = [
        pyarrow.field(name, pyarrow.from_numpy_dtype(values.dtype)).with_metadata(
            {"unit": units.get(name, "none")}
        )
        for name, values in columns.items()
    ]
    schema = pyarrow.schema(fields, metadata={_ABOUT: json.dumps(dict(about))})
    table = pyarrow.Table.from_arrays([np.asarray(v) for v in columns.values()], schema=schema)
    with atomic(path) as temporary:
        pyarrow.parquet.write_table(table, temporary)


def read_table(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read back what :func:`write_table` wrote: (columns, about).

    Raises
    ------
    InputError
        If the file is absent, damaged or was not written by it.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
        about = json.loads(table.schema.metadata[_ABOUT])
    except (OSError, KeyError, TypeError, ValueError, pyarrow.ArrowException) as error:
        raise InputError(
            f"is no table of simulated truth: {error}", where=str(path), hint="simulate it again"
        ) from error
    return {name: table[name].to_numpy() for name in table.column_names}, about
