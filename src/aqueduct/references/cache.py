"""The reference cache on disk: where files lie, their digests, and their unpacked arrays."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Callable
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
    _put(known, lambda stream: stream.write(found.encode()))
    return found


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
        found = np.load(_place(identity, name), mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return np.asarray(found) if found.shape == shape and found.dtype == dtype else None


def unpack(values: NDArray[Any], identity: str, name: str) -> NDArray[Any]:
    """Put an array into the per-user cache and map it from there.

    Any number of processes may do so at once. Where the cache can't be written to, the
    array itself is given back.
    """

    def save(stream: BinaryIO) -> None:
        np.save(stream, values, allow_pickle=False)

    _put(_place(identity, name), save)
    found = unpacked(values.shape, values.dtype, identity, name)
    return values if found is None else found


def _place(identity: str, name: str) -> Path:
    return cache_home() / "unpacked" / identity / f"{name}.npy"


def _put(path: Path, save: Callable[[BinaryIO], object]) -> None:
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
