"""What a reference file holds, remembered: opened again, it is mapped without being parsed.

The outline of a file is JSON in the per-user cache, under the file's digest. Arrays in it
are places: an offset in the file, or the name of an unpacked copy; small ones and plain
values are in it as they are.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.references.cache import put, shelf, unpack, unpacked

VERSION: Final = 1
"""Of what is written here and of what :mod:`aqueduct.references.load` makes of a file."""
SMALL: Final = 1 << 20
"""Bytes up to which an array is kept in the outline."""


def remember(parts: Mapping[str, Any], path: Path, digest: str, name: str) -> None:
    """Keep the parts of a file; not if there is something in them that JSON can't hold."""
    try:
        outline = {key: _encoded(value, path, digest, key) for key, value in parts.items()}
    except TypeError:
        return
    text = json.dumps({"version": VERSION, "parts": outline})
    put(shelf(digest) / f"{name}.json", lambda stream: stream.write(text.encode()))


def recall(path: Path, digest: str, name: str) -> dict[str, Any] | None:
    """The parts of a file; None if they are not known."""
    try:
        outline = json.loads((shelf(digest) / f"{name}.json").read_text())
        if outline["version"] != VERSION:
            return None
        return {key: _decoded(value, path, digest) for key, value in outline["parts"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _encoded(value: Any, path: Path, digest: str, name: str) -> Any:
    if isinstance(value, np.ndarray):
        return _place(value, path, digest, name)
    if isinstance(value, Mapping):
        return {
            "is": "map",
            "of": {
                str(key): _encoded(entry, path, digest, f"{name}.{key}")
                for key, entry in value.items()
            },
        }
    if isinstance(value, tuple | list):
        entries = [_encoded(entry, path, digest, f"{name}.{k}") for k, entry in enumerate(value)]
        return {"is": type(value).__name__, "of": entries}
    if value is None or type(value) in (str, bool, int, float):
        return value
    raise TypeError(f"{type(value).__name__} has no place in an outline")


def _place(values: NDArray[Any], path: Path, digest: str, name: str) -> dict[str, Any]:
    """Where an array is to be found again."""
    about = {"dtype": values.dtype.str, "shape": list(values.shape)}
    source = values.base
    if isinstance(source, np.memmap) and source.nbytes == values.nbytes:
        kept = Path(str(source.filename))
        if kept == path:
            return {"is": "mapped", "offset": int(source.offset), **about}
        if kept.parent == shelf(digest):
            return {"is": "unpacked", "name": kept.stem, **about}
    if values.nbytes <= SMALL:
        data = base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
        return {"is": "here", "data": data, **about}
    unpack(lambda: values, values.shape, values.dtype, digest, name)
    return {"is": "unpacked", "name": name, **about}


def _decoded(value: Any, path: Path, digest: str) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value["is"]
    if kind == "map":
        return {key: _decoded(entry, path, digest) for key, entry in value["of"].items()}
    if kind in ("tuple", "list"):
        entries = [_decoded(entry, path, digest) for entry in value["of"]]
        return tuple(entries) if kind == "tuple" else entries
    dtype, shape = np.dtype(value["dtype"]), tuple(value["shape"])
    if kind == "here":
        data = base64.b64decode(value["data"])
        return np.frombuffer(data, dtype).reshape(shape).copy()
    if kind == "mapped":
        return np.asarray(np.memmap(path, dtype, "c", value["offset"], shape))
    found = unpacked(shape, dtype, digest, value["name"])
    if found is None:
        raise KeyError(value["name"])
    return found
