"""Where the arrays of an ASDF file are, found with two requests.

The tree comes with one and the block index with another, at the same time; what they say
gives the place of every array in a file laid out as :mod:`aqueduct.io.layout` says.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from aqueduct.core.errors import InputError
from aqueduct.io import layout
from aqueduct.io.header import array_nodes, end_of_tree
from aqueduct.io.ranges import Ranges
from aqueduct.io.tree import DAMAGED

HEAD: Final = 1 << 16
TAIL: Final = 1 << 12
_LONGEST: Final = 1 << 26


@dataclass(frozen=True)
class Plane:
    """Where an array is in a file.

    Attributes
    ----------
    start : int
        Offset of its first byte.
    kind : str
        numpy's name of its type, with the byte order.
    shape : tuple of int
    compression : str
        Empty for none.
    used : int
        Bytes it takes in the file.
    """

    start: int
    kind: str
    shape: tuple[int, ...]
    compression: str
    used: int


@dataclass(frozen=True)
class Index:
    """What has to be known of a file to read parts of it; 40 kB.

    Attributes
    ----------
    planes : dict of str to Plane
    tree : str
        The YAML text: metadata and WCS.
    """

    planes: dict[str, Plane]
    tree: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-like, for a database."""
        return {
            "planes": {name: vars(each) for name, each in self.planes.items()},
            "tree": self.tree,
        }

    @classmethod
    def from_dict(cls, entries: Mapping[str, Any]) -> Index:
        """What :meth:`to_dict` gave."""
        planes = {
            name: Plane(**{**each, "shape": tuple(each["shape"])})
            for name, each in entries["planes"].items()
        }
        return cls(planes, entries["tree"])


def index(location: str | Path) -> Index:
    """Read the index of an ASDF product.

    Parameters
    ----------
    location : str or Path
        A path, ``http(s)://`` address, or one that fsspec knows, such as ``s3://``.

    Raises
    ------
    InputError
        If it can't be reached, is damaged, or is no product with arrays.
    """
    return indexed(Ranges(str(location)))


def indexed(source: Ranges) -> Index:
    """The index of a file of which ranges are read; see :func:`index`."""
    where = source.location
    head, tail = source.fetch([(0, HEAD), (-TAIL, 0)])
    if head[:5] != b"#ASDF":
        raise InputError("not an ASDF file", where=where)
    while (end := end_of_tree(head)) is None:
        (more,) = source.fetch([(len(head), 2 * len(head))])
        if not more or len(head) > _LONGEST:
            raise InputError("truncated in its header", where=where, hint=DAMAGED)
        head += more
    offsets = layout.parse_index(tail)
    if not offsets:
        raise InputError("has no block index; it may be truncated", where=where, hint=DAMAGED)
    text = head[:end]
    nodes = {
        name: node
        for name, node in array_nodes(text, Path(where)).items()
        if isinstance(node.get("source"), int)
    }
    try:
        return Index(_placed(source, nodes, offsets), text.decode())
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise InputError(f"corrupt or truncated: {error}", where=where, hint=DAMAGED) from error


def _placed(
    source: Ranges, nodes: Mapping[str, Mapping[str, Any]], offsets: Sequence[int]
) -> dict[str, Plane]:
    """The place of each array; asks for the headers of blocks whose size does not tell it."""
    planes, unclear = {}, {}
    for name, node in nodes.items():
        number, shape = node["source"], tuple(node["shape"])
        kind = np.dtype(node["datatype"].replace("bool8", "bool")).newbyteorder(node["byteorder"])
        size, start = math.prod(shape) * kind.itemsize, offsets[number] + layout.HEADER
        known = {start + size, start + layout.padded(size)}
        planes[name] = Plane(start, kind.str, shape, "", size)
        if number + 1 == len(offsets) or offsets[number + 1] not in known:
            unclear[name] = offsets[number]
    headers = source.fetch([(offset, offset + layout.HEADER) for offset in unclear.values()])
    for (name, offset), header in zip(unclear.items(), headers, strict=True):
        block, plane = layout.parse_block(header, offset), planes[name]
        if block.size != plane.used:
            raise ValueError(f"{name} takes {block.size} bytes, not {plane.used}")
        planes[name] = Plane(block.start, plane.kind, plane.shape, block.compression, block.used)
    return planes
