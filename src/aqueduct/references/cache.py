"""The reference cache on disk: where files lie, their digests, and their unpacked arrays.

Any number of processes may use it at once: files appear whole or not at all, and what is
made only once is made under a lock that ends with the process that holds it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aqueduct.core.errors import MissingReferenceError, ReferenceError
from aqueduct.core.paths import cache_home
from aqueduct.core.provenance import file_digest


@dataclass(frozen=True)
class Layout:
    """A folder laid out as CRDS does.

    Attributes
    ----------
    root : Path
        Holds ``mappings/roman``, ``references/roman`` and ``config/roman``.
    """

    root: Path

    @property
    def mappings(self) -> Path:
        return self.root / "mappings" / "roman"

    @property
    def references(self) -> Path:
        return self.root / "references" / "roman"

    @property
    def config(self) -> Path:
        return self.root / "config" / "roman"

    def mapping(self, name: str) -> Path:
        return self.mappings / name

    def reference(self, name: str) -> Path:
        """Where a reference file lies: in one folder, or in one for each instrument."""
        by_instrument = self.references / "wfi" / name
        return by_instrument if by_instrument.exists() else self.references / name

    def new_reference_folder(self) -> Path:
        """Where new reference files go."""
        mode = self.config / "ref_cache_subdir_mode"
        by_instrument = mode.exists() and mode.read_text().strip() == "instrument"
        return self.references / "wfi" if by_instrument else self.references

    def newest_context(self) -> str:
        """The pipeline mapping with the highest number.

        Raises
        ------
        MissingReferenceError
            If there is none.
        """
        names = [path.name for path in self.mappings.glob("*.pmap")]
        if not names:
            raise MissingReferenceError(
                "no reference files here: no context (*.pmap)",
                where=str(self.root),
                hint="make them with `aqueduct references make`, or set CRDS_PATH to a CRDS cache",
            )
        return max(names, key=_number)


def _number(name: str) -> tuple[int, str]:
    digits = re.findall(r"\d+", name)
    return (int(digits[-1]) if digits else 0, name)


def digest(path: Path) -> str:
    """sha256 of a file, remembered for as long as its size and time stay the same.

    Raises
    ------
    ReferenceError
        If the file can't be read.
    """
    path = path.resolve()
    try:
        about = path.stat()
        key = f"{path}\0{about.st_size}\0{about.st_mtime_ns}"
        known = cache_home() / "digests" / hashlib.sha256(key.encode()).hexdigest()
        if known.exists() and re.fullmatch(r"[0-9a-f]{64}", text := known.read_text()):
            return text
        found = file_digest(path)
    except OSError as error:
        raise ReferenceError(f"can't be read: {error.strerror}", where=str(path)) from error
    put(known, lambda stream: stream.write(found.encode()))
    return found


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One thread of one process at a time; nothing is left behind.

    Raises
    ------
    OSError
        If the folder can't be made or opened.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def shelf(identity: str) -> Path:
    """Where what was made of the reference file with this digest is kept."""
    return cache_home() / "unpacked" / identity


def unpacked(
    shape: tuple[int, ...], dtype: DTypeLike, identity: str, name: str
) -> NDArray[Any] | None:
    """Map an array from the per-user cache; None if it is not there or damaged.

    Parameters
    ----------
    shape, dtype
        What it must be.
    identity, name : str
        Digest of the reference file, and the array's name in it.
    """
    try:
        # Copy on write: typed as an ordinary array, so that kernels compile once.
        path = shelf(identity) / f"{name}.npy"
        found = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return np.asarray(found) if found.shape == shape and found.dtype == dtype else None


def unpack(
    make: Callable[[], NDArray[Any]],
    shape: tuple[int, ...],
    dtype: DTypeLike,
    identity: str,
    name: str,
) -> NDArray[Any]:
    """Map an array from the per-user cache, where it is put first if it is not there.

    However many processes ask for it at once, ``make`` is called by one. What it makes is
    given back as it is where it is mapped already, or the cache can't be written to.
    """
    found = unpacked(shape, dtype, identity, name)
    if found is not None:
        return found
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(locked(shelf(identity)))
        found = unpacked(shape, dtype, identity, name)
        if found is not None:
            return found
        values = make()
        if isinstance(values.base, np.memmap):
            return values
        put(
            shelf(identity) / f"{name}.npy",
            lambda stream: np.save(stream, values, allow_pickle=False),
        )
    found = unpacked(shape, dtype, identity, name)
    return values if found is None else found


def put(path: Path, save: Callable[[BinaryIO], object]) -> None:
    """Write a cache file atomically; a cache that can't be written to is no error."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                save(stream)
            Path(temporary).replace(path)
        finally:
            Path(temporary).unlink(missing_ok=True)
