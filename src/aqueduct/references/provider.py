"""References for an exposure: found by rules or given by the user, loaded once."""

from __future__ import annotations

import os
import tarfile
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from aqueduct.core.errors import MissingReferenceError
from aqueduct.core.paths import cache_home
from aqueduct.io.atomic import atomic
from aqueduct.products.references import AstrometricReference, FileReference
from aqueduct.references import crds
from aqueduct.references.cache import Layout, digest
from aqueduct.references.load import load

AnyReference = TypeVar("AnyReference", bound=FileReference)

KEPT = 32
"""Loaded references kept in hand: those of one exposure's pipeline, and one detector more."""


@dataclass(frozen=True)
class Row:
    """One line of a listing: a reference type, its file and where that comes from."""

    reftype: str
    name: str
    source: str


def default_root() -> Path:
    """Where references lie unless told otherwise.

    ``AQUEDUCT_REFERENCES`` wins over ``CRDS_PATH``, which wins over the user's cache.
    """
    own = os.environ.get("AQUEDUCT_REFERENCES") or os.environ.get("CRDS_PATH")
    return Path(own) if own else cache_home() / "references"


class References:
    """Find and load reference files.

    Pickled, it travels as its three arguments: each process maps the files itself.

    Parameters
    ----------
    root : path-like, optional
        A CRDS cache, or a folder laid out like one; by default :func:`default_root`.
    context : str, optional
        A ``.pmap`` name; by default ``CRDS_CONTEXT``, otherwise the newest in ``root``.
    overrides : mapping of str to path-like, optional
        Files to use whatever the rules say, by reference type.
    """

    def __init__(
        self,
        root: str | Path | None = None,
        context: str | None = None,
        overrides: Mapping[str, str | Path] | None = None,
    ) -> None:
        self.root = Path(root) if root is not None else default_root()
        self.overrides = {
            reftype: Path(path).absolute() for reftype, path in (overrides or {}).items()
        }
        self._asked = context or os.environ.get("CRDS_CONTEXT") or None
        self._loaded: OrderedDict[tuple[type, Path, str], FileReference] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.root, self._asked, self.overrides)

    @cached_property
    def context(self) -> str:
        """Name of the pipeline mapping in use."""
        return self._asked or Layout(self.root).newest_context()

    def find(self, reftype: str, meta: Mapping[str, Any]) -> Path:
        """The file of a reference type for an exposure.

        Raises
        ------
        MissingReferenceError
            If there is no context, no rule that matches, or the file is not in the cache.
        """
        if reftype in self.overrides:
            return self._present(reftype, self.overrides[reftype])
        if reftype == AstrometricReference.reftype:
            return self._present(reftype, astrometric_catalog(self.root))
        name = self._choose(reftype, meta)
        if name == crds.NOT_APPLICABLE:
            raise self._missing(reftype, meta, f"not applicable according to {self.context}")
        return self._present(reftype, Layout(self.root).reference(name))

    def get(self, kind: type[AnyReference], meta: Mapping[str, Any]) -> AnyReference:
        """The reference of a kind for an exposure.

        Raises
        ------
        MissingReferenceError
            If there is none.
        ReferenceError
            If its file can't be used.
        """
        path = self.find(kind.reftype, meta)
        detector = str(meta.get("instrument", {}).get("detector", ""))
        key = (kind, path, detector)
        if key not in self._loaded:
            self._loaded[key] = load(kind, path, detector=detector)
            while len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        found = self._loaded[key]
        assert isinstance(found, kind)
        return found

    def digest(self, path: Path) -> str:
        """sha256 of a file, from the index of the user's cache where it is known."""
        return digest(path)

    def listing(self, meta: Mapping[str, Any]) -> list[Row]:
        """Every reference type that the context or the user knows, with its file."""
        rows = {reftype: self._row(reftype, meta) for reftype in sorted(self._instrument.selector)}
        for reftype, path in self.overrides.items():
            rows[reftype] = Row(reftype, str(path), "given")
        return list(rows.values())

    def bundle(self, metas: Iterable[Mapping[str, Any]], out: str | Path) -> None:
        """Put the rules, and every file they choose for some exposures, into a tar file.

        Unpacked anywhere, it serves as a ``root`` for them.

        Raises
        ------
        MissingReferenceError
            If a chosen file is not in the cache.
        OutputError
            If the tar file can't be written.
        """
        layout = Layout(self.root)
        chosen = {
            row.name for meta in metas for row in self.listing(meta) if row.source == self.context
        }
        files = [self._present(name, layout.reference(name)) for name in sorted(chosen)]
        rules = [self._pipeline.name, self._instrument.name]
        rules += [name for name in self._instrument.selector.values() if name.endswith(".rmap")]
        members = [*files, *map(layout.mapping, rules), *sorted(layout.config.glob("*"))]
        with atomic(Path(out)) as temporary, tarfile.open(temporary, "w") as tar:
            for path in members:
                tar.add(path, path.relative_to(self.root).as_posix(), recursive=False)

    @cached_property
    def _pipeline(self) -> crds.Rules:
        return self._rules(self.context)

    @cached_property
    def _instrument(self) -> crds.Rules:
        return self._rules(self._pipeline.selector["WFI"])

    def _rules(self, name: str) -> crds.Rules:
        path = Layout(self.root).mapping(name)
        if not path.exists():
            raise MissingReferenceError(
                f"no mapping {name}",
                where=str(self.root),
                hint="make references with `aqueduct references make`, or set CRDS_PATH and "
                "CRDS_CONTEXT to a CRDS cache",
            )
        return _parsed(path, path.stat().st_mtime_ns)

    def _choose(self, reftype: str, meta: Mapping[str, Any]) -> str:
        """File name of a reference type according to the rules, or ``N/A``."""
        mapping = self._instrument.selector.get(reftype)
        if mapping is None:
            raise self._missing(reftype, meta, f"unknown to {self.context}")
        if mapping == crds.NOT_APPLICABLE:
            return crds.NOT_APPLICABLE
        rules = self._rules(mapping)
        values = parameters(meta, rules)
        try:
            return rules.choose(values)
        except LookupError as error:
            raise self._missing(reftype, meta, f"{mapping} has {error}") from error

    def _row(self, reftype: str, meta: Mapping[str, Any]) -> Row:
        try:
            name = self._choose(reftype, meta)
        except MissingReferenceError:
            return Row(reftype, "", "none")
        return Row(reftype, name, "" if name == crds.NOT_APPLICABLE else self.context)

    def _missing(self, reftype: str, meta: Mapping[str, Any], why: str) -> MissingReferenceError:
        instrument = meta.get("instrument", {})
        what = " ".join(
            str(instrument[key]) for key in ("detector", "optical_element") if key in instrument
        )
        return MissingReferenceError(
            f"no {reftype} reference for {what or 'this product'}: {why}",
            where=str(self.root),
            hint="see `aqueduct references list`, make them with `aqueduct references make`, "
            f'or name one in [references] of the configuration: {reftype} = "<file>"',
        )

    def _present(self, reftype: str, path: Path) -> Path:
        if not path.exists():
            raise MissingReferenceError(
                f"no file for {reftype}",
                where=str(path),
                hint=_HINTS.get(reftype, _SYNC),
            )
        return path


_SYNC = "sync the CRDS cache, or make references with `aqueduct references make`"
_HINTS = {
    AstrometricReference.reftype: "name a catalog of stars, --set references.astrometry=FILE "
    "(`aqueduct simulate l1` writes one), or leave the alignment out, --skip tweakreg"
}


def astrometric_catalog(root: Path) -> Path:
    """Where the astrometric catalog of a root lies; CRDS has no type for it."""
    found = [*root.glob("astrometry.*")]
    return found[0] if found else root / "astrometry.parquet"


@lru_cache(maxsize=256)
def _parsed(path: Path, mtime: int) -> crds.Rules:
    return crds.parse(path)


def parameters(meta: Mapping[str, Any], rules: crds.Rules) -> dict[str, str]:
    """The values in ``meta`` of the parameters that rules select by."""
    names = [name for level in rules.parameters for name in level]
    found = {name: _value(meta, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _value(meta: Mapping[str, Any], name: str) -> str | None:
    """``meta["instrument"]["detector"]`` for ``ROMAN.META.INSTRUMENT.DETECTOR``."""
    value: Any = meta
    for part in name.lower().removeprefix("roman.meta.").split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return None
    return str(value.isot) if hasattr(value, "isot") else str(value)


def crds_record(used: Mapping[str, str], context: str) -> dict[str, Any]:
    """``meta.ref_file`` for the reference files used, as official products have it.

    Parameters
    ----------
    used : mapping of str to str
        File names by reference type.
    context : str
        Name of the pipeline mapping.
    """
    record: dict[str, Any] = {reftype: f"crds://{name}" for reftype, name in used.items()}
    return {**record, "crds": {"version": version("roman-aqueduct"), "context": context}}
