"""The exposures before others: those that may have left persistence in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from aqueduct.archive.query import find

WINDOW: Final = timedelta(hours=1)
"""Beyond which persistence is below the dark rate (measured over half an hour)."""


def earlier_exposures(
    folder: str | Path, metas: Iterable[Mapping[str, Any]], window: timedelta = WINDOW
) -> list[tuple[Path, str]]:
    """Calibrated images in an indexed folder that ended within ``window`` before others began.

    Parameters
    ----------
    folder : path-like
        With an index (:func:`aqueduct.archive.update`).
    metas : iterable of mapping
        Metadata of the later exposures; only images of the same detector count.
    window : timedelta

    Returns
    -------
    list of (Path, str)
        Each file once, by name, with its recipe's identifier (size and date without one).
    """
    found: dict[Path, str] = {}
    for meta in metas:
        start: datetime = meta["exposure"]["start_time"].utc.to_datetime(timezone=UTC)
        for entry in find(
            folder,
            level=2,
            kind="Image",
            detector=str(meta["instrument"]["detector"]),
            start=start - window,
            end=start,
        ):
            if entry.end is not None and entry.end <= start.replace(tzinfo=None):
                found[entry.path] = entry.recipe or f"{entry.size}-{entry.modified}"
    return sorted(found.items())
