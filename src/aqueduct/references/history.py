"""Earlier exposures, from a table that lists them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aqueduct import io
from aqueduct.core.errors import InputError, ReferenceError
from aqueduct.io.table import read_table, write_table
from aqueduct.products import Image
from aqueduct.products.references import PastExposure


def write_history(images: Sequence[tuple[Path, str]], path: Path) -> None:
    """List calibrated images, each with an identifier of what it holds (its recipe)."""
    headers = [io.peek(image).meta for image, _ in images]
    columns = {
        "path": np.array([str(image.absolute()) for image, _ in images]),
        "identity": np.array([identity for _, identity in images]),
        "detector": np.array([meta["instrument"]["detector"] for meta in headers]),
        "end": np.array([float(meta["exposure"]["end_time"].utc.mjd) for meta in headers]),
        "seconds": np.array([float(meta["exposure"]["exposure_time"]) for meta in headers]),
    }
    write_table(columns, path, {"end": "d", "seconds": "s"}, {"kind": "history"})


def load_history(path: Path, detector: str) -> dict[str, Any]:
    """Fields of a :class:`~aqueduct.products.references.HistoryReference`; images are mapped.

    Raises
    ------
    ReferenceError
        If the table, or an image it lists, can't be read.
    """
    try:
        columns, _ = read_table(path)
        rows = np.flatnonzero(columns["detector"] == detector)
        return {"exposures": tuple(_past(columns, int(row)) for row in rows)}
    except (InputError, KeyError) as error:
        raise ReferenceError(
            f"no list of earlier exposures: {error}",
            where=str(path),
            hint="let `aqueduct run exposure --history FOLDER` write it",
        ) from error


def _past(columns: dict[str, Any], row: int) -> PastExposure:
    where = Path(str(columns["path"][row]))
    image = io.read(where)
    if not isinstance(image, Image):
        raise InputError("is no calibrated image", where=str(where))
    return PastExposure(
        name=where.name,
        rate=image.data,
        dq=image.dq,
        end=float(columns["end"][row]),
        seconds=float(columns["seconds"][row]),
    )
