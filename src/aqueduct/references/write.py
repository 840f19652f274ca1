"""Sets of reference files, with rules that official tools read too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from aqueduct.instrument.detectors import DETECTORS
from aqueduct.io.asdf_write import save
from aqueduct.io.atomic import atomic
from aqueduct.io.tree import opened, plain
from aqueduct.products.references import (
    AstrometricReference,
    DarkDecayReference,
    FileReference,
)
from aqueduct.references import manifest
from aqueduct.references.astrometry import COLUMNS
from aqueduct.references.cache import Layout
from aqueduct.references.models import DETECTOR, ELEMENT, OFFICIAL, TYPE, official_model
from aqueduct.references.rules import Rule, free, known_rules, write_rules, writing

Entry: TypeAlias = tuple[FileReference, str, str | None]
"""A reference, its detector, and its optical element if it is for one only."""


def write_set(
    root: str | Path,
    references: Iterable[Entry],
    *,
    useafter: str = "2020-01-01T00:00:00",
    description: str = "Made by Aqueduct",
) -> str:
    """Add reference files to a root, and rules that choose them.

    A reference replaces the one with the same detector, optical element and date in the
    rules; its file stays. The new context is written last, so that at any moment the
    newest context is complete.

    Parameters
    ----------
    root : path-like
        A new or existing folder laid out like a CRDS cache.
    references : iterable of (reference, detector, optical element or None)
        ``*`` stands for every detector. One is written before the next is taken.
    useafter : str
        ISO date and time from which they are valid.
    description : str
        Goes into each file.

    Returns
    -------
    str
        Name of the new context.

    Raises
    ------
    OutputError
        If the folder can't be written to or the disk is full.
    InternalError
        If a reference does not fit its official schema.
    """
    layout = Layout(Path(root))
    with writing(layout):
        rules: dict[str, list[Rule]] = {}
        entries: dict[str, manifest.Entry] = {}
        for reference, detector, element in references:
            if isinstance(reference, AstrometricReference):
                write_astrometry(reference, layout.root / "astrometry.parquet")
                continue
            model = official_model(reference, detector, element, useafter, description)
            if isinstance(reference, DarkDecayReference):
                model["decay_table"] = _decay_table(layout, rules, reference, detector)
            kind = reference.reftype
            path = free(layout.new_reference_folder(), f"roman_wfi_{kind}", "asdf")
            save(model, path)
            entries[path.name] = manifest.entry(path)
            date = useafter.replace("T", " ")
            rules.setdefault(kind, []).append((_key(kind, detector, element), date, path.name))
        manifest.add(layout, entries)
        return write_rules(layout, rules, description)


def _key(kind: str, detector: str, element: str | None) -> tuple[str, ...]:
    values = {DETECTOR: detector, ELEMENT: element or "*", TYPE: "*"}
    return tuple(values[name] for name in OFFICIAL[kind].keys)


def _decay_table(
    layout: Layout, new: Mapping[str, list[Rule]], reference: DarkDecayReference, detector: str
) -> dict[str, Any]:
    """The table of all detectors, those known so far included: one file holds them all."""
    kind = reference.reftype
    known = known_rules(layout, kind)
    files = [name for _, name in sorted(known.files().items())] if known else []
    files += [name for _, _, name in new.get(kind, [])]
    table: dict[str, Any] = {}
    if files:
        path = layout.reference(files[-1])
        with opened(path) as tree:
            table = plain(tree["decay_table"], path)
    row = {"amplitude": reference.amplitude, "time_constant": reference.time_constant}
    chosen = DETECTORS if detector == "*" else (detector,)
    return {**table, **dict.fromkeys(chosen, row)}


def write_astrometry(stars: AstrometricReference, path: Path) -> None:
    """Write an astrometric catalog to Parquet; columns that are None are left out."""
    import pyarrow
    import pyarrow.parquet

    found = {name: getattr(stars, name) for name in COLUMNS}
    table = pyarrow.table(
        {
            name: np.asarray(values, np.float64)
            for name, values in found.items()
            if values is not None
        }
    )
    table = table.replace_schema_metadata({"epoch": repr(float(stars.epoch))})
    with atomic(path) as temporary:
        pyarrow.parquet.write_table(table, temporary)
