"""Sets of reference files, with rules that official tools read too."""

from __future__ import annotations

import fcntl
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from aqueduct.core.errors import OutputError
from aqueduct.io.asdf_write import save
from aqueduct.io.atomic import atomic, write_text
from aqueduct.io.tree import opened, plain
from aqueduct.products.references import (
    AstrometricReference,
    DarkDecayReference,
    FileReference,
)
from aqueduct.references import crds
from aqueduct.references.astrometry import COLUMNS
from aqueduct.references.cache import Layout
from aqueduct.references.models import DETECTOR, ELEMENT, OFFICIAL, TYPE, official_model

Entry: TypeAlias = tuple[FileReference, str, str | None]
"""A reference, its detector, and its optical element if it is for one only."""

Rule: TypeAlias = tuple[tuple[str, ...], str, str]
"""Match key, first date of validity and file name."""

DETECTORS: Final = tuple(f"WFI{number:02d}" for number in range(1, 19))
_START: Final = ("ROMAN.META.EXPOSURE.START_TIME",)
_PARAMETERS: Final = (
    "assignwcsstep",
    "darkcurrentstep",
    "darkdecaystep",
    "dqinitstep",
    "exposurepipeline",
    "flatfieldstep",
    "fluxstep",
    "highlevelpipeline",
    "jumpstep",
    "linearitystep",
    "multibandcatalogstep",
    "outlierdetectionstep",
    "photomstep",
    "rampfitstep",
    "refpixstep",
    "resamplestep",
    "saturationstep",
    "skymatchstep",
    "sourcecatalogstep",
    "sourcedetectionstep",
    "tweakregstep",
    "wfi18transientstep",
)
_OTHERS: Final = (
    "absflux",
    "abvegaoffset",
    "area",
    "bam",
    "detectorstatus",
    "dustmap",
    "etc",
    "matable",
    "optmodel",
    "relflux",
    "sflat",
    "skycells",
    "specpsf",
    *(f"pars-{name}" for name in _PARAMETERS),
)
"""Types that official tools ask for; the rules must know them, if only as not applicable."""


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
    with _locked(layout):
        rules: dict[str, list[Rule]] = {}
        for reference, detector, element in references:
            if isinstance(reference, AstrometricReference):
                write_astrometry(reference, layout.root / "astrometry.parquet")
                continue
            model = official_model(reference, detector, element, useafter, description)
            if isinstance(reference, DarkDecayReference):
                model["decay_table"] = _decay_table(layout, rules, reference, detector)
            kind = reference.reftype
            path = _next(layout.new_reference_folder(), f"roman_wfi_{kind}", "asdf")
            save(model, path)
            date = useafter.replace("T", " ")
            rules.setdefault(kind, []).append((_key(kind, detector, element), date, path.name))
        return _write_rules(layout, rules)


@contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """One writer at a time."""
    try:
        layout.config.mkdir(parents=True, exist_ok=True)
        layout.mappings.mkdir(parents=True, exist_ok=True)
        stream = (layout.root / ".lock").open("w")
    except OSError as error:
        raise OutputError(
            f"can't be written: {error.strerror}",
            where=str(layout.root),
            hint="choose another folder with --out",
        ) from error
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _key(kind: str, detector: str, element: str | None) -> tuple[str, ...]:
    values = {DETECTOR: detector, ELEMENT: element or "*", TYPE: "*"}
    return tuple(values[name] for name in OFFICIAL[kind].keys)


def _next(folder: Path, stem: str, ending: str) -> Path:
    """The first path ``stem_NNNN.ending`` beyond those taken."""
    taken = [
        int(match[1])
        for path in folder.glob(f"{stem}_*.{ending}")
        if (match := re.fullmatch(rf"{re.escape(stem)}_(\d+)\.{ending}", path.name))
    ]
    return folder / f"{stem}_{max(taken, default=0) + 1:04d}.{ending}"


def _decay_table(
    layout: Layout, new: Mapping[str, list[Rule]], reference: DarkDecayReference, detector: str
) -> dict[str, Any]:
    """The table of all detectors, those known so far included: one file holds them all."""
    kind = reference.reftype
    known = _known_rules(layout, _current(layout).get(kind, crds.NOT_APPLICABLE))
    files = [name for dates in known.values() for _, name in sorted(dates.items())]
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


def _write_rules(layout: Layout, new: Mapping[str, list[Rule]]) -> str:
    """Write the reference, instrument and pipeline mappings, the one that is read first last."""
    chosen = {**dict.fromkeys((*OFFICIAL, *_OTHERS), crds.NOT_APPLICABLE), **_current(layout)}
    for kind, rules in new.items():
        path = _next(layout.mappings, f"roman_wfi_{kind}", "rmap")
        known = _known_rules(layout, chosen[kind])
        for key, date, name in rules:
            known.setdefault(key, {})[date] = name
        header = {
            "classes": ("Match", "UseAfter"),
            "file_ext": ".asdf",
            "filekind": kind,
            "filetype": kind.upper(),
            "instrument": "wfi",
            "ld_tpn": f"wfi_{kind}_ld.tpn",
            "mapping": "REFERENCE",
            "parkey": (OFFICIAL[kind].keys, _START),
            "suffix": kind,
            "text_descr": kind,
            "tpn": f"wfi_{kind}.tpn",
        }
        _write_mapping(path, header, _match(known))
        chosen[kind] = path.name
    instrument = _next(layout.mappings, "roman_wfi", "imap")
    header = {"instrument": "WFI", "mapping": "INSTRUMENT", "parkey": ("REFTYPE",)}
    _write_mapping(instrument, header, _names(dict(sorted(chosen.items()))))
    pipeline = _next(layout.mappings, "roman", "pmap")
    header = {"mapping": "PIPELINE", "parkey": ("ROMAN.META.INSTRUMENT.NAME",)}
    _write_config(layout, pipeline.name)
    _write_mapping(pipeline, header, _names({"WFI": instrument.name}))
    return pipeline.name


def _current(layout: Layout) -> dict[str, str]:
    """The reference mappings of the newest context, by type."""
    if not any(layout.mappings.glob("*.pmap")):
        return {}
    pipeline = crds.parse(layout.mapping(layout.newest_context()))
    instrument = crds.parse(layout.mapping(pipeline.selector["WFI"]))
    return dict(instrument.selector)


def _known_rules(layout: Layout, name: str) -> dict[tuple[str, ...], dict[str, str]]:
    """The rules of a reference mapping: match key -> date -> file."""
    if name == crds.NOT_APPLICABLE:
        return {}
    selector = crds.parse(layout.mapping(name)).selector
    return {
        key: {date.isoformat(sep=" "): file for date, file in choice.rules.items()}
        for key, choice in selector.rules.items()
    }


def _match(rules: Mapping[tuple[str, ...], Mapping[str, str]]) -> str:
    lines = []
    for key, dates in sorted(rules.items()):
        inner = "".join(f"        {date!r} : {name!r},\n" for date, name in sorted(dates.items()))
        lines.append(f"    {key!r} : UseAfter({{\n{inner}    }}),\n")
    return f"Match({{\n{''.join(lines)}}})"


def _names(selector: Mapping[str, str]) -> str:
    lines = "".join(f"    {key!r} : {value!r},\n" for key, value in selector.items())
    return f"{{\n{lines}}}"


def _write_mapping(path: Path, header: Mapping[str, Any], selector: str) -> None:
    entries = {**header, "derived_from": "Aqueduct", "name": path.name, "observatory": "roman"}
    # CRDS sums every line but that of the sum itself.
    lines = {key: f"    {key!r} : {value!r},\n" for key, value in entries.items()}

    def text(checksum: str) -> str:
        shown = sorted({**lines, "sha1sum": checksum}.items())
        inner = "".join(line for _, line in shown)
        return f"header = {{\n{inner}}}\n\nselector = {selector}\n"

    checksum = hashlib.sha1(text("").encode(), usedforsecurity=False).hexdigest()
    write_text(path, text(f"    'sha1sum' : {checksum!r},\n"))


def _write_config(layout: Layout, context: str) -> None:
    """What official tools need to know of a cache that has no server."""
    mode = layout.config / "ref_cache_subdir_mode"
    if not mode.exists():
        write_text(mode, "flat")
    about = {
        "operational_context": context,
        "edit_context": context,
        "default_context": context,
        "observatory": "roman",
        "bad_files": "",
        "bad_files_set": [],
        "bad_files_list": [],
        "crds_version": {"str": "14.0.3"},
        "reference_url": "",
        "mapping_url": "",
        "last_synced": "2026-01-01 00:00:00",
        "force_remote_mode": False,
        "effective_mode": "local",
    }
    write_text(layout.config / "server_config", repr(about))
