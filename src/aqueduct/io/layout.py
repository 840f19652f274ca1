"""How an ASDF file is laid out in bytes.

::

    tree      YAML: metadata, WCS and tables; zeros to the end of a page, less 54 bytes
    block k   header of 54 bytes; array k in C order; zeros to the end of a page, less 54 bytes
    index     offset of every block, YAML; right after the last array

Every array so begins on a page of 4096 bytes: it can be mapped aligned, and its place is
known from the tree and the index alone. Source: ASDF standard 1.6, "low-level file layout".
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

PAGE: Final = 4096
_HEADER: Final = struct.Struct(">4sHI4sQQQ16s")
_MAGIC: Final = b"\xd3BLK"
_LENGTH: Final = _HEADER.size - 6
_INDEX: Final = b"#ASDF BLOCK INDEX\n"

_ADVISE = getattr(os, "posix_fadvise", None)
_COPY_RANGE = getattr(os, "copy_file_range", None)
"""Linux; moves bytes between files without passing them through this process."""


@dataclass(frozen=True)
class Block:
    """What the header of a block says.

    Attributes
    ----------
    start : int
        Offset of its first byte of data.
    compression : str
        Empty for none.
    used : int
        Bytes in the file.
    size : int
        Bytes when unpacked.
    """

    start: int
    compression: str
    used: int
    size: int


HEADER: Final = _HEADER.size
"""Bytes of a block's header, as everybody writes it."""


def padded(size: int) -> int:
    """``size`` and the padding that leaves room for a block header before the next page."""
    return -(-(size + HEADER) // PAGE) * PAGE - HEADER


def block_header(size: int, allocated: int) -> bytes:
    """The header of an uncompressed block of ``size`` bytes; without a checksum."""
    return _HEADER.pack(_MAGIC, _LENGTH, 0, b"", allocated, size, size, b"")


def parse_block(header: bytes, offset: int) -> Block:
    """The block whose header, at ``offset`` of the file, is given.

    Raises
    ------
    ValueError
        If no block begins there.
    """
    if len(header) < HEADER or header[:4] != _MAGIC:
        raise ValueError(f"no block at byte {offset}")
    _, length, _, compression, _, used, size, _ = _HEADER.unpack(header[:HEADER])
    return Block(offset + 6 + length, compression.rstrip(b"\0").decode(), used, size)


def index_text(offsets: Sequence[int]) -> bytes:
    """The index at the end of a file."""
    lines = "".join(f"- {offset}\n" for offset in offsets)
    return _INDEX + b"%YAML 1.1\n---\n" + lines.encode() + b"...\n"


def parse_index(tail: bytes) -> list[int]:
    """Offsets of the blocks from the end of a file; empty if there is no index in it."""
    _, found, text = tail.rpartition(_INDEX)
    return [int(number) for number in re.findall(rb"(?:^- |[\[,] ?)(\d+)", text, re.M) if found]


def write_file(
    path: Path, tree: bytes, arrays: Mapping[str, NDArray[Any]], source: Path | None = None
) -> None:
    """Write the tree and one block for each array.

    Parameters
    ----------
    path : Path
    tree : bytes
        The YAML text, in which array k is that of block k.
    arrays : mapping of str to ndarray
    source : Path, optional
        A file; arrays still mapped from it are moved without passing through this process.
    """
    offset, offsets = padded(len(tree)), []
    with path.open("wb") as stream:
        stream.write(tree)
        for number, values in enumerate(arrays.values(), 1):
            # The last has none after it to align: what is cut off its end is missed.
            allocated = padded(values.nbytes) if number < len(arrays) else values.nbytes
            offsets.append(offset)
            stream.seek(offset)
            stream.write(block_header(values.nbytes, allocated))
            if source is None or not _moved(values, source, stream):
                # A flat view of bytes: the buffer protocol knows no float16.
                stream.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)
            offset += HEADER + allocated
        if offsets:
            stream.seek(offset)
            stream.write(index_text(offsets))


def stamp(path: Path) -> tuple[int, ...]:
    """What tells a file from another that was put in its place."""
    state = path.stat()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns


def mapped(path: Path, kind: Any, offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array of a file, mapped to memory and copied where it is written to."""
    values = np.memmap(path, kind, "c", offset, shape)
    values.stamp = stamp(path)  # type: ignore[attr-defined]
    return np.asarray(values)


def read_ahead(arrays: Iterable[NDArray[Any]]) -> None:
    """Ask the system to read what arrays are mapped from, in the order of the files.

    A frame is taken channel by channel, in steps of 16 kB through each file: on a cold disk
    that is several times slower than reading the files from their beginning to their end.
    """
    for values in arrays:
        base = values.base
        if isinstance(base, np.memmap) and base.filename is not None and _ADVISE is not None:
            with suppress(OSError), Path(base.filename).open("rb") as stream:
                _ADVISE(stream.fileno(), base.offset, base.nbytes, os.POSIX_FADV_WILLNEED)


def _moved(values: NDArray[Any], source: Path, stream: BinaryIO) -> bool:
    """Let the kernel append what ``values`` is mapped from, if that is ``source`` as it was."""
    base = values.base
    if _COPY_RANGE is None or not isinstance(base, np.memmap) or base.shape != values.shape:
        return False
    if getattr(base, "stamp", None) != stamp(source) or values.strides != base.strides:
        return False
    stream.flush()
    start, place, left = base.offset, stream.tell(), values.nbytes
    with source.open("rb") as origin:
        while left:
            try:
                count = _COPY_RANGE(origin.fileno(), stream.fileno(), left, start, place)
            except OSError:  # not on this file system; what was moved is written over
                return False
            if not count:
                return False
            start, place, left = start + count, place + count, left - count
    stream.seek(place)
    return True
