"""What the files of a root must be: names, sizes and digests, kept beside the rules.

A file that came from elsewhere or was made here is entered when it arrives, and compared
when it is used. One that is not what it was is put aside, never used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

from aqueduct.core.errors import ReferenceError
from aqueduct.io.atomic import write_text
from aqueduct.references.cache import Layout, digest


@dataclass(frozen=True)
class Entry:
    """One file: bytes, and sha256."""

    size: int
    sha256: str


def entry(path: Path) -> Entry:
    """What a file is now.

    Raises
    ------
    ReferenceError
        If it can't be read.
    """
    found = digest(path)
    return Entry(path.stat().st_size, found)


def read(layout: Layout) -> Mapping[str, Entry]:
    """The manifest of a root, by file name; empty if there is none.

    Raises
    ------
    ReferenceError
        If it can't be read.
    """
    path = _path(layout)
    try:
        about = path.stat()
        return _parsed(path, (about.st_mtime_ns, about.st_ino, about.st_size))
    except FileNotFoundError:
        return {}


def parse(text: str | bytes) -> dict[str, Entry]:
    """The entries in a manifest's text.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        found = json.loads(text).items()
        return {str(name): Entry(int(row["size"]), str(row["sha256"])) for name, row in found}
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"no manifest: {error}") from error


def text(entries: Mapping[str, Entry]) -> str:
    """A manifest as it is written."""
    rows = {name: asdict(entries[name]) for name in sorted(entries)}
    return json.dumps(rows, indent=1) + "\n"


def add(layout: Layout, entries: Mapping[str, Entry]) -> None:
    """Enter files. The caller holds the lock of the root."""
    if entries:
        write_text(_path(layout), text({**read(layout), **entries}))


def check(layout: Layout, path: Path) -> str:
    """The digest of a reference file, if it is what it was when it arrived.

    Raises
    ------
    ReferenceError
        If it is not; it is moved to the folder ``quarantine`` of the root.
    """
    found = digest(path)
    expected = read(layout).get(path.name)
    if expected is None or found == expected.sha256 or not path.is_relative_to(layout.references):
        return found
    where = quarantine(layout, path, found)
    raise ReferenceError(
        f"is damaged: its sha256 is {found[:12]}..., it arrived as {expected.sha256[:12]}...",
        where=str(path),
        hint=f"{where}; install or make it again",
    )


def quarantine(layout: Layout, path: Path, found: str) -> str:
    """Put a damaged file aside, and say where it is now."""
    place = layout.root / "quarantine" / f"{path.name}.{found[:12]}"
    try:
        place.parent.mkdir(exist_ok=True)
        path.replace(place)
    except FileNotFoundError:
        return f"another process moved it to {place.parent}"
    except OSError as error:
        return f"it can't be put aside ({error.strerror})"
    return f"it is now {place}"


def _path(layout: Layout) -> Path:
    return layout.config / "manifest.json"


@lru_cache(maxsize=16)
def _parsed(path: Path, state: tuple[int, ...]) -> Mapping[str, Entry]:
    try:
        return parse(path.read_text())
    except (OSError, ValueError) as error:
        raise ReferenceError(
            f"can't be read: {error}", where=str(path), hint="delete it to go on without it"
        ) from error
