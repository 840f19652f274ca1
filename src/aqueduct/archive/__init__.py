"""The archive: an index of the products in a folder, and queries of it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aqueduct.archive.earlier import earlier_exposures
    from aqueduct.archive.index import Changes, Entry, update
    from aqueduct.archive.query import find

__all__ = ["Changes", "Entry", "earlier_exposures", "find", "update"]

_HOME = {
    "Changes": "index",
    "Entry": "index",
    "earlier_exposures": "earlier",
    "find": "query",
    "update": "index",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
