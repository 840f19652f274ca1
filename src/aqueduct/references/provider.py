"""References for an exposure: found by rules or given by the user, loaded once."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from aqueduct.core.errors import MissingReferenceError
from aqueduct.core.paths import cache_home
from aqueduct.products.references import AstrometricReference, FileReference
from aqueduct.references import contexts, crds, manifest
from aqueduct.references.cache import Layout
from aqueduct.references.load import load
from aqueduct.references.match import NOT_APPLICABLE

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

    Pickled, it travels as its three arguments, the context settled: each process maps the
    files itself, and all of a run choose by the same rules.

    Parameters
    ----------
    root : path-like, optional
        A CRDS cache, or a folder laid out like one; by default :func:`default_root`.
    context : str, optional
        A ``.pmap``, a symbol or a date (:mod:`aqueduct.references.contexts`); by default
        ``CRDS_CONTEXT``, otherwise the one in use in ``root``.
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
        self._layout = Layout(self.root)
        self._asked = context or os.environ.get("CRDS_CONTEXT") or ""
        self._loaded: OrderedDict[tuple[type, Path, str], FileReference] = OrderedDict()

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            context = self.context
        except MissingReferenceError:
            context = self._asked
        return type(self), (self.root, context, self.overrides)

    @cached_property
    def context(self) -> str:
        """Name of the pipeline mapping in use."""
        return contexts.resolve(self._layout, self._asked)

    def find(self, reftype: str, meta: Mapping[str, Any]) -> Path:
        """The file of a reference type for an exposure.

        Raises
        ------
        MissingReferenceError
            If there is no context, no rule that matches, or the file is not in the cache.
        ReferenceError
            If CRDS marked the file or the rules as bad.
        """
        if reftype in self.overrides:
            return self._present(reftype, self.overrides[reftype])
        if reftype == AstrometricReference.reftype:
            return self._present(reftype, astrometric_catalog(self.root))
        name = self._choose(reftype, meta)
        if name == NOT_APPLICABLE:
            raise self._missing(reftype, meta, f"not applicable according to {self.context}")
        contexts.refuse_bad(self._layout, [name])
        return self._present(reftype, self._layout.reference(name))

    def applies(self, reftype: str, meta: Mapping[str, Any]) -> bool:
        """Whether there is a file of a type for an exposure, according to user or rules."""
        try:
            return reftype in self.overrides or self._choose(reftype, meta) != NOT_APPLICABLE
        except MissingReferenceError:
            return False

    def get(self, kind: type[AnyReference], meta: Mapping[str, Any]) -> AnyReference:
        """The reference of a kind for an exposure.

        Raises
        ------
        MissingReferenceError
            If there is none.
        ReferenceError
            If its file can't be used, or is not what it was when it arrived.
        """
        path = self.find(kind.reftype, meta)
        instrument = meta.get("instrument", {})
        detector = str(instrument.get("detector", ""))
        # Rules may well choose a file made for another filter; a user's mistake is one.
        given = kind.reftype in self.overrides
        element = str(instrument.get("optical_element", "")) if given else ""
        key = (kind, path, detector + element)
        if key not in self._loaded:
            self.digest(path)
            self._loaded[key] = load(kind, path, detector=detector, element=element)
            while len(self._loaded) > KEPT:
                self._loaded.popitem(last=False)
        self._loaded.move_to_end(key)
        found = self._loaded[key]
        assert isinstance(found, kind)
        return found

    def digest(self, path: Path) -> str:
        """sha256 of a file, from the index of the user's cache where it is known.

        Raises
        ------
        ReferenceError
            If it can't be read, or is a reference that is not what it was when it arrived.
        """
        return manifest.check(self._layout, path)

    def listing(self, meta: Mapping[str, Any]) -> list[Row]:
        """Every reference type that the context or the user knows, with its file."""
        rows = {reftype: self._row(reftype, meta) for reftype in self.reftypes}
        for reftype, path in self.overrides.items():
            rows[reftype] = Row(reftype, str(path), "given")
        return list(rows.values())

    def mappings(self) -> list[str]:
        """Names of the mappings that make up the context."""
        names = [self.context] if self.context.endswith(".pmap") else []
        rules = [name for name in self._instrument.selector.values() if name.endswith(".rmap")]
        return [*names, self._instrument.name, *rules]

    def rules(self, reftype: str) -> crds.Rules | None:
        """The rules of a reference type; None where it is not applicable or not known."""
        name = self._instrument.selector.get(reftype, NOT_APPLICABLE)
        return self._rules(name) if name.endswith(".rmap") else None

    @property
    def reftypes(self) -> list[str]:
        """Every reference type the context knows."""
        return sorted(self._instrument.selector)

    @cached_property
    def _instrument(self) -> crds.Rules:
        name = self.context
        if name.endswith(".pmap"):
            name = self._rules(name).selector["WFI"]
        found = self._rules(name)
        contexts.refuse_bad(self._layout, [name, *found.selector.values()], rules=True)
        return found

    def _rules(self, name: str) -> crds.Rules:
        path = self._layout.mapping(name)
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
        if not mapping.endswith(".rmap"):
            return NOT_APPLICABLE
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
        return Row(reftype, name, "" if name == NOT_APPLICABLE else self.context)

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
