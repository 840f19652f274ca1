"""Deliver new reference files: checked, copied into a root, and chosen by a new context."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from aqueduct.core.errors import InputError, ReferenceError
from aqueduct.io.atomic import atomic
from aqueduct.io.tree import array, datamodels, opened, plain
from aqueduct.products import references as kinds
from aqueduct.products.references import FileReference
from aqueduct.references import manifest
from aqueduct.references.cache import Layout
from aqueduct.references.crds import standard_date
from aqueduct.references.load import ARRAYS, load
from aqueduct.references.models import DETECTOR, ELEMENT, OFFICIAL, TYPE
from aqueduct.references.parameters import read as read_parameters
from aqueduct.references.rules import Rule, free, parameters, write_rules, writing

MOST_NAN: Final = 0.5
"""Largest share of NaN in an array."""
_UNSAID: Final = ("", "?", "N/A", "ANY", "NOT_CONFIGURED", "None")
_HINT: Final = "mend the file; see how others of its type are made"


@dataclass(frozen=True)
class Delivered:
    """One file taken in: its type, the match key and date it is selected by, and its name."""

    reftype: str
    key: tuple[str, ...]
    useafter: str
    name: str


def deliver(
    files: Iterable[str | Path],
    root: str | Path,
    *,
    useafter: str | None = None,
    description: str = "delivered",
) -> tuple[str, list[Delivered]]:
    """Add reference files to a root, in a new context that chooses them.

    Each must fit its official schema, have arrays of the right shape that are not mostly
    NaN, and say what it is for. A file replaces the one with the same match key and date in
    the rules; that file stays, and so do the old contexts.

    Parameters
    ----------
    files : iterable of path-like
        Official reference files, or parameter references.
    root : path-like
        A new or existing folder laid out like a CRDS cache.
    useafter : str, optional
        ISO date from which they are valid; by default what each file says.
    description : str
        Goes into the history of contexts.

    Returns
    -------
    str
        Name of the new context.
    list of Delivered

    Raises
    ------
    ReferenceError
        If a file is not fit for use; nothing is delivered then.
    OutputError
        If the root can't be written to.
    """
    layout = Layout(Path(root))
    checked = [(Path(file), check(Path(file))) for file in files]
    with writing(layout):
        rules: dict[str, list[Rule]] = {}
        entries: dict[str, manifest.Entry] = {}
        made = []
        for path, meta in checked:
            kind = str(meta["reftype"]).lower()
            key = _key(parameters(layout, kind), meta)
            date = _date(useafter or meta.get("useafter"), path)
            place = free(layout.new_reference_folder(), f"roman_wfi_{kind}", "asdf")
            with atomic(place) as temporary:
                shutil.copyfile(path, temporary)
            entries[place.name] = manifest.entry(place)
            if entries[place.name] != manifest.entry(path):
                raise ReferenceError("changed while it was copied", where=str(path), hint=_HINT)
            rules.setdefault(kind, []).append((key, date, place.name))
            made.append(Delivered(kind, key, date, place.name))
        manifest.add(layout, entries)
        return write_rules(layout, rules, description), made


def check(path: Path) -> Mapping[str, Any]:
    """Check that a file may be delivered, and give its metadata.

    Raises
    ------
    ReferenceError
        If it may not.
    """
    try:
        with opened(path) as tree:
            meta = plain(tree["meta"], path)
            _check_nan(tree, path)
    except InputError as error:
        if "not a file from Roman" in error.what:
            return _check_parameters(path)
        raise ReferenceError(error.what, where=str(path), hint=_HINT) from error
    kind = _kind(str(meta.get("reftype", "?")).lower(), path)
    _check_schema(path)
    detector = str(meta.get("instrument", {}).get("detector", ""))
    if kind is kinds.DarkDecayReference:
        detector = "WFI01"
    load(kind, path, detector=detector)
    return dict(meta)


def _kind(reftype: str, path: Path) -> type[FileReference]:
    for kind in vars(kinds).values():
        if isinstance(kind, type) and getattr(kind, "reftype", None) == reftype in OFFICIAL:
            return kind
    raise ReferenceError(
        f"{reftype} references can't be delivered here",
        where=str(path),
        hint=f"known: {', '.join(OFFICIAL)}, pars-*",
    )


def _check_schema(path: Path) -> None:
    """Check a file against the official schema."""
    try:
        with datamodels().open(path, memmap=True) as model:
            model.validate()
    except Exception as error:  # validators raise nearly any type
        first = str(error).strip().splitlines()[0]
        raise ReferenceError(
            f"does not fit its schema: {first}", where=str(path), hint=_HINT
        ) from error


def _check_nan(tree: Mapping[str, Any], path: Path) -> None:
    reftype = str(tree["meta"].get("reftype", "")).lower()
    names = next((ARRAYS[kind] for kind in ARRAYS if kind.reftype == reftype), {})
    for name in names:
        if name not in tree:
            continue
        values = array(tree[name], path)
        if values.dtype.kind not in "fc":
            continue
        share = _nan_share(values)
        if share > MOST_NAN:
            raise ReferenceError(
                f"{name} is NaN in {share:.0%} of its pixels", where=str(path), hint=_HINT
            )


def _nan_share(values: Any) -> float:
    planes = values.reshape(-1, *values.shape[-1:])
    step = max(1, (1 << 24) // max(1, planes.shape[-1]))
    bad = sum(
        int(np.count_nonzero(~np.isfinite(planes[start : start + step])))
        for start in range(0, len(planes), step)
    )
    return bad / max(1, int(values.size))


def _check_parameters(path: Path) -> Mapping[str, Any]:
    tree = read_parameters(path)
    meta = dict(tree["meta"] or {})
    if not str(meta.get("reftype", "")).lower().startswith("pars-"):
        raise ReferenceError(
            "neither a Roman reference nor a parameter reference (meta.reftype: pars-...)",
            where=str(path),
            hint=_HINT,
        )
    return meta


def _key(names: Iterable[str], meta: Mapping[str, Any]) -> tuple[str, ...]:
    """The match key: what the file is for, ``*`` where it does not say."""
    instrument, exposure = meta.get("instrument", {}), meta.get("exposure", {})
    found = {
        DETECTOR: instrument.get("p_detector") or instrument.get("detector"),
        ELEMENT: instrument.get("p_optical_element") or instrument.get("optical_element"),
        TYPE: exposure.get("p_exptype") or exposure.get("type"),
    }
    key = []
    for name in names:
        value = "|".join(part for part in str(found.get(name) or "").split("|") if part.strip())
        key.append("*" if value in _UNSAID else value.upper())
    return tuple(key)


def _date(value: Any, path: Path) -> str:
    text = str(value.isot if hasattr(value, "isot") else value)
    try:
        return standard_date(text).partition(".")[0]
    except LookupError as error:
        raise ReferenceError(
            f"useafter: {error}", where=str(path), hint="give one with --useafter"
        ) from error
