"""Products that another context would make with other references."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqueduct.references.provider import References


@dataclass(frozen=True)
class Stale:
    """A product, and why: a reference type with its file then and now, or its input."""

    path: Path
    reason: str
    before: str
    now: str


def stale(
    products: Iterable[tuple[Path, Mapping[str, Any], Mapping[str, Any] | None]],
    references: References,
) -> list[Stale]:
    """Which products are out of date, themselves or through what they were made from.

    Files that the user named, and those that the context does not choose for the product's
    metadata, are not compared.

    Parameters
    ----------
    products : iterable of (path, metadata, recipe or None)
        The recipe as it is written in the product.
    references : References
        With the context to compare with.

    Returns
    -------
    list of Stale
        The first reason for each product.
    """
    known = [(path, meta, recipe) for path, meta, recipe in products if recipe is not None]
    found: dict[Path, Stale] = {}
    ids: dict[str, str] = {}
    for path, meta, recipe in known:
        reason = next(_changed(path, meta, recipe, references), None)
        if reason is not None:
            found[path] = reason
            ids.update(dict.fromkeys(_identities(recipe), path.name))
    while True:
        new = {
            path: Stale(path, "input", ids[used], "out of date")
            for path, _, recipe in known
            if path not in found
            for used in [next((one for one in _inputs(recipe) if one in ids), None)]
            if used is not None
        }
        if not new:
            return [found[path] for path, _, _ in known if path in found]
        found.update(new)
        for path, _, recipe in known:
            if path in new:
                ids.update(dict.fromkeys(_identities(recipe), path.name))


def _changed(
    path: Path, meta: Mapping[str, Any], recipe: Mapping[str, Any], references: References
) -> Iterator[Stale]:
    for kind, entry in _references(recipe):
        if not references.applies(kind, meta):
            continue
        now = references.find(kind, meta)
        if references.digest(now) != entry["sha256"]:
            yield Stale(path, kind, entry["name"], now.name)


def _references(recipe: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Reference files by type; of several of one type, only the first is this product's."""
    for part in _parts(recipe):
        for step in part["steps"]:
            yield from (pair for pair in step["references"].items() if "[" not in pair[0])


def _parts(recipe: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield recipe
    if "earlier" in recipe:
        yield from _parts(recipe["earlier"])


def _identities(recipe: Mapping[str, Any]) -> Iterator[str]:
    return (part["id"] for part in _parts(recipe))


def _inputs(recipe: Mapping[str, Any]) -> Iterator[str]:
    return (entry["id"] for part in _parts(recipe) for entry in part["inputs"])
