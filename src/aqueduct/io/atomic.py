"""Files written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aqueduct.core.errors import OutputError
from aqueduct.io.folder import scratch_prefix

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a path to write to, and put the file in the place of ``path`` on success.

    The temporary file has the final name, in a hidden folder beside the final one: some
    writers record the name they are given. On any failure it is removed.

    Raises
    ------
    OutputError
        If the folder can't be written to or the disk is full.
    """
    folder = path.parent
    scratch: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=scratch_prefix(), dir=folder))
        temporary = scratch / path.name
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(folder)
    except OSError as error:
        raise _output_error(error, path) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _output_error(error: OSError, path: Path) -> OutputError:
    if error.errno in _NO_SPACE:
        return OutputError(
            "no space left to write it",
            where=str(path),
            hint="free some space or choose another --out",
        )
    return OutputError(
        f"can't be written: {error.strerror or error}",
        where=str(path),
        hint="check the folder's permissions or choose another --out",
    )
