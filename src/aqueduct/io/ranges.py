"""Byte ranges of a file, wherever it is: local, HTTP, or any store that fsspec knows."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from aqueduct.core.errors import InputError
from aqueduct.io.tree import ABSENT

Span = tuple[int, int]
"""Start and stop; a negative start with stop 0 counts from the end of the file."""

AT_ONCE: Final = 8
"""Requests under way at a time."""
_TIMEOUT: Final = 60.0


@dataclass
class Ranges:
    """A file of which only ranges are read.

    Attributes
    ----------
    location : str
        Path, ``http(s)://`` address, or an address that fsspec knows, such as ``s3://``.
    requests, moved : int
        What was asked for so far: times, and bytes that came.
    """

    location: str
    requests: int = field(default=0, init=False)
    moved: int = field(default=0, init=False)

    def fetch(self, spans: Sequence[Span]) -> list[bytes]:
        """Read some ranges, several at a time. One that ends past the end is cut there.

        Raises
        ------
        InputError
            If the file is absent, can't be reached, or the server gives no ranges.
        """
        read = _reader(self.location)
        with ThreadPoolExecutor(min(AT_ONCE, max(len(spans), 1))) as pool:
            parts = list(pool.map(lambda span: _told(read, span, self.location), spans))
        self.requests += len(parts)
        self.moved += sum(map(len, parts))
        return parts


def _reader(location: str) -> Callable[[Span], bytes]:
    scheme, found, _ = location.partition("://")
    if not found:
        return lambda span: _from_disk(Path(location), span)
    if scheme in ("http", "https"):
        return lambda span: _from_http(location, span)
    return _from_store(location)


def _told(read: Callable[[Span], bytes], span: Span, location: str) -> bytes:
    try:
        return read(span)
    except FileNotFoundError as error:
        raise InputError("no such file", where=location, hint=ABSENT) from error
    except HTTPError as error:
        raise InputError(
            f"the server answers {error.code} {error.reason}",
            where=location,
            hint="check the address; a signed one may have expired",
        ) from error
    except (URLError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise InputError(f"can't be read: {reason}", where=location, hint=ABSENT) from error


def _from_disk(path: Path, span: Span) -> bytes:
    with path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        start, stop = span if span[1] else (max(size + span[0], 0), size)
        return os.pread(stream.fileno(), stop - start, start)


def _from_http(location: str, span: Span) -> bytes:
    start, stop = span
    asked = f"bytes={start}-{stop - 1}" if stop else f"bytes={start}"
    with urlopen(Request(location, headers={"Range": asked}), timeout=_TIMEOUT) as answer:
        if answer.status != 206:
            raise InputError(
                "the server sends the whole file where a range is asked for",
                where=location,
                hint="download it, and cut from the local copy",
            )
        return bytes(answer.read())


def _from_store(location: str) -> Callable[[Span], bytes]:
    try:
        store, path = import_module("fsspec.core").url_to_fs(location)
    except (ImportError, ValueError) as error:
        raise InputError(
            f"can't be opened: {error}",
            where=location,
            hint="install what fsspec needs for it, such as s3fs",
        ) from error

    def read(span: Span) -> bytes:
        content: Any = store.cat_file(path, start=span[0], end=span[1] or None)
        return bytes(content)

    return read
