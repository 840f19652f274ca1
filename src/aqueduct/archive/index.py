"""A local index of product files: one SQLite table, rebuilt from the files at any time.

It lies in the folder it describes and knows the files by their paths within, so that the
folder may be moved. Any number of processes may bring it up to date at once.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, delete, event, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from aqueduct import io
from aqueduct.core.errors import InputError, OutputError
from aqueduct.core.step import Product
from aqueduct.geometry.footprint import parse_s_region
from aqueduct.geometry.tangent import center, vector
from aqueduct.products import Catalog, Image, Mosaic, Ramp, Raw, Segmentation, Wcs

NAME: Final = ".aqueduct-index.sqlite"
SUFFIXES: Final = (".asdf", ".parquet")
LEVEL: Final[dict[type[Product], int]] = {
    Raw: 1,
    Ramp: 1,
    Image: 2,
    Wcs: 2,
    Mosaic: 3,
    Catalog: 4,
    Segmentation: 4,
}
DETECTOR_RADIUS: Final = 0.089
"""Degrees from the middle of a detector to a corner."""

_VERSION = 1
"""Of the table's layout; an index of another version is made anew."""
_BATCH = 256
"""Files whose entries are written together: what an interrupted scan may lose."""
_WAIT = 60.0
"""Seconds to wait for another process that is writing."""


class Base(DeclarativeBase):
    """Base of the tables."""


class Entry(Base):
    """One product file.

    Attributes
    ----------
    name : str
        Path within the folder.
    kind : str
        ``Raw``, ``Ramp``, ``Image``, ``Wcs``, ``Mosaic``, ``Catalog`` or ``Segmentation``.
    start, end : datetime
        UTC.
    ra, dec, radius : float
        Degrees, ICRS: the circle that holds the footprint.
    x, y, z : float
        Unit vector of (ra, dec), by which positions are compared near the poles too.
    s_region : str
        The footprint; None for products that do not say it, such as Level 1.
    recipe : str
        Identifier of the recipe; None for products of other tools.
    size, modified : int
        Bytes, and nanoseconds since 1970: a file is read again when they change.
    """

    __tablename__ = "products"

    name: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[int] = mapped_column(index=True)
    kind: Mapped[str]
    detector: Mapped[str | None]
    optical_element: Mapped[str | None] = mapped_column(index=True)
    visit_id: Mapped[str | None]
    exposure: Mapped[int | None]
    start: Mapped[datetime | None] = mapped_column(index=True)
    end: Mapped[datetime | None]
    ra: Mapped[float | None]
    dec: Mapped[float | None]
    radius: Mapped[float | None]
    x: Mapped[float | None]
    y: Mapped[float | None]
    z: Mapped[float | None] = mapped_column(index=True)
    s_region: Mapped[str | None]
    recipe: Mapped[str | None]
    size: Mapped[int]
    modified: Mapped[int]

    _folder = Path()

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._folder / self.name


@dataclass(frozen=True)
class Changes:
    """What an update found: names within the folder.

    Attributes
    ----------
    unreadable : dict of str to str
        Files that are no products or are damaged, and why; they are not in the index.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    unreadable: dict[str, str]


def update(folder: str | Path, index: str | Path | None = None) -> Changes:
    """Bring the index of a folder up to date: new, changed and removed files.

    Only headers are read, and only of files whose size or time changed. Hidden folders
    are left out.

    Parameters
    ----------
    folder : path-like
    index : path-like, optional
        The index file; by default ``.aqueduct-index.sqlite`` in the folder.

    Raises
    ------
    InputError
        If there is no such folder, or the index file is something else.
    OutputError
        If the index can't be written.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError("no such folder", where=str(folder))
    with opened(folder, index) as engine:
        # Before the scan: what is known and not seen after was removed, not still to come.
        with Session(engine) as session:
            rows = session.execute(select(Entry.name, Entry.size, Entry.modified))
            known = {name: (size, modified) for name, size, modified in rows}
        present = _scan(folder)
        fresh = [name for name, stamp in present.items() if known.get(name) != stamp]
        unreadable: dict[str, str] = {}
        for first in range(0, len(fresh), _BATCH):
            entries = []
            for name in fresh[first : first + _BATCH]:
                try:
                    entries.append(_entry(folder, name, present[name]))
                except InputError as error:
                    unreadable[name] = error.what
            _store(engine, entries)
        removed = [name for name in known if name not in present]
        _forget(engine, [*removed, *(name for name in unreadable if name in known)])
    read = [name for name in fresh if name not in unreadable]
    return Changes(
        added=tuple(name for name in read if name not in known),
        changed=tuple(name for name in read if name in known),
        removed=tuple(removed),
        unreadable=unreadable,
    )


@contextmanager
def opened(folder: Path, index: str | Path | None) -> Iterator[Engine]:
    """The database of a folder, with its table; errors are turned into ours."""
    path = Path(index) if index is not None else folder / NAME
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        poolclass=NullPool,
        connect_args={"timeout": _WAIT},
    )
    event.listen(engine, "connect", _without_own_transactions)
    event.listen(engine, "begin", _begin)
    try:
        with engine.begin() as connection:
            _prepare(connection)
        yield engine
    except DBAPIError as error:
        raise _named(error, path) from error
    finally:
        engine.dispose()


def _without_own_transactions(connection: sqlite3.Connection, record: object) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    """Take the write lock at once: one that reads first and writes later could not get it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _prepare(connection: Connection) -> None:
    """Make the table; make it anew if an earlier version of this package left it."""
    found = connection.execute(text("PRAGMA user_version")).scalar_one()
    if found != _VERSION:
        Base.metadata.drop_all(connection)
        Base.metadata.create_all(connection)
        connection.execute(text(f"PRAGMA user_version = {_VERSION}"))


def _named(error: DBAPIError, path: Path) -> InputError | OutputError:
    reason = str(error.orig)
    if "not a database" in reason or "malformed" in reason:
        return InputError(
            f"is no index: {reason}", where=str(path), hint="remove it; it is made anew"
        )
    return OutputError(
        f"the index can't be used: {reason}",
        where=str(path),
        hint="check the folder's permissions, or choose another place with --index",
    )


def _scan(folder: Path) -> dict[str, tuple[int, int]]:
    """(size, time) of every product file, by its path within the folder."""
    found = {}
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            path = Path(parent, name)
            if path.suffix not in SUFFIXES:
                continue
            with suppress(FileNotFoundError):  # removed just now, or a broken link
                about = path.stat()
                relative = path.relative_to(folder).as_posix()
                found[relative] = (about.st_size, about.st_mtime_ns)
    return found


def _entry(folder: Path, name: str, stamp: tuple[int, int]) -> Entry:
    header = io.peek(folder / name)
    meta = header.meta
    start = _first(meta, ("exposure", "start_time"), ("coadd_info", "time_first"))
    end = _first(meta, ("exposure", "end_time"), ("coadd_info", "time_last"))
    return Entry(
        name=name,
        level=LEVEL[header.product],
        kind=header.product.__name__,
        detector=_first(meta, ("instrument", "detector")),
        optical_element=_first(meta, ("instrument", "optical_element")),
        visit_id=_first(meta, ("observation", "visit_id")),
        exposure=_first(meta, ("observation", "exposure")),
        start=start.utc.to_datetime() if hasattr(start, "utc") else None,
        end=end.utc.to_datetime() if hasattr(end, "utc") else None,
        recipe=header.recipe["id"] if header.recipe else None,
        size=stamp[0],
        modified=stamp[1],
        **_where(meta),
    )


def _where(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Footprint and the circle around it; nothing if the metadata say neither."""
    region = _first(meta, ("wcsinfo", "s_region"))
    if region is not None and region.upper().startswith("POLYGON"):
        corners = parse_s_region(region)
        ra, dec = center(*corners)
        cosine = vector(*corners) @ vector(ra, dec)
        radius = float(np.degrees(np.arccos(np.clip(cosine, -1, 1)).max()))
    else:
        region = None
        ra, dec = (_first(meta, ("wcsinfo", key)) for key in ("ra_ref", "dec_ref"))
        if ra is None or dec is None or not (0 <= ra <= 360 and -90 <= dec <= 90):
            return {}
        radius = DETECTOR_RADIUS
    x, y, z = (float(value) for value in vector(ra, dec))
    place = {"ra": float(ra), "dec": float(dec), "radius": radius}
    return {**place, "x": x, "y": y, "z": z, "s_region": region}


def _first(meta: Mapping[str, Any], *places: tuple[str, str]) -> Any:
    """The first of several keywords that is there and known."""
    for block, key in places:
        value = (meta.get(block) or {}).get(key)
        if value not in (None, "?", "N/A", -999999):
            return value
    return None


def _store(engine: Engine, entries: list[Entry]) -> None:
    with Session(engine) as session, session.begin():
        for entry in entries:
            session.merge(entry)


def _forget(engine: Engine, names: list[str]) -> None:
    with Session(engine) as session, session.begin():
        for first in range(0, len(names), _BATCH):
            session.execute(delete(Entry).where(Entry.name.in_(names[first : first + _BATCH])))
