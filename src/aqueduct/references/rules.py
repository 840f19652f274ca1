"""Write the rules of CRDS: a new context each time, the old ones stay."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from aqueduct.core.errors import OutputError, ReferenceError
from aqueduct.io.atomic import write_text
from aqueduct.references import contexts, crds
from aqueduct.references.cache import Layout, locked
from aqueduct.references.match import NOT_APPLICABLE
from aqueduct.references.models import OFFICIAL

Rule: TypeAlias = tuple[tuple[str, ...], str, str]
"""Match key, first date of validity and file name."""

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


@contextmanager
def writing(layout: Layout) -> Iterator[None]:
    """Hold a root, one writer at a time.

    Raises
    ------
    OutputError
        If it can't be written to.
    """
    try:
        layout.config.mkdir(parents=True, exist_ok=True)
        layout.mappings.mkdir(parents=True, exist_ok=True)
        lock = locked(layout.root)
        lock.__enter__()
    except OSError as error:
        raise OutputError(
            f"can't be written: {error.strerror}",
            where=str(layout.root),
            hint="choose another folder with --out",
        ) from error
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def parameters(layout: Layout, kind: str) -> tuple[str, ...]:
    """The parameters that the references of a kind are selected by, besides the date."""
    known = known_rules(layout, kind)
    if known is not None and known.header["parkey"]:
        return known.parameters[0]
    if kind in OFFICIAL:
        return OFFICIAL[kind].keys
    if not kind.startswith("pars-"):
        raise ReferenceError(
            f"{kind} references are selected by rules that are not known here",
            where=str(layout.root),
            hint="deliver it to a CRDS cache that has one already",
        )
    return () if kind == "pars-rampfitstep" else ("ROMAN.META.EXPOSURE.TYPE",)


def known_rules(layout: Layout, kind: str) -> crds.Rules | None:
    """The rules of a kind in the context in use."""
    name = current(layout).get(kind, NOT_APPLICABLE)
    return None if name == NOT_APPLICABLE else crds.parse(layout.mapping(name))


def current(layout: Layout) -> dict[str, str]:
    """The reference mappings of the context in use, by type."""
    pipeline = _pipeline(layout)
    if pipeline is None:
        return {}
    instrument = crds.parse(layout.mapping(pipeline.selector["WFI"]))
    return dict(instrument.selector)


def _pipeline(layout: Layout) -> crds.Rules | None:
    if not any(layout.mappings.glob("*.pmap")):
        return None
    return crds.parse(layout.mapping(contexts.resolve(layout)))


def free(folder: Path, stem: str, ending: str) -> Path:
    """The first path ``stem_NNNN.ending`` beyond those taken."""
    taken = [
        int(match[1])
        for path in folder.glob(f"{stem}_*.{ending}")
        if (match := re.fullmatch(rf"{re.escape(stem)}_(\d+)\.{ending}", path.name))
    ]
    return folder / f"{stem}_{max(taken, default=0) + 1:04d}.{ending}"


def write_rules(layout: Layout, new: Mapping[str, list[Rule]], description: str) -> str:
    """Write a new context with ``new`` rules by type; the caller holds the lock.

    The reference, instrument and pipeline mappings are written in this order, and put into
    use last, so that at any moment the context in use is complete.

    Returns
    -------
    str
        Name of the context.

    Raises
    ------
    ReferenceError
        If the present rules of a type are of a form that can't be added to.
    OutputError
    """
    before = current(layout)
    chosen = {**dict.fromkeys((*OFFICIAL, *_OTHERS), NOT_APPLICABLE), **before}
    for kind, rules in new.items():
        chosen[kind] = _write_kind(layout, kind, rules)
    pipeline = _pipeline(layout)
    instrument = free(layout.mappings, "roman_wfi", "imap")
    header = {"instrument": "WFI", "mapping": "INSTRUMENT", "parkey": ("REFTYPE",)}
    origin = pipeline.selector["WFI"] if pipeline else _FIRST
    _write_mapping(instrument, header, origin, _names(dict(sorted(chosen.items()))))
    path = free(layout.mappings, "roman", "pmap")
    header = {"mapping": "PIPELINE", "parkey": ("ROMAN.META.INSTRUMENT.NAME",)}
    origin = pipeline.name if pipeline else _FIRST
    _write_mapping(path, header, origin, _names({"WFI": instrument.name}))
    contexts.add(layout, path.name, description)
    return path.name


_FIRST: Final = "Aqueduct"


def _write_kind(layout: Layout, kind: str, rules: list[Rule]) -> str:
    """Write the reference mapping of one type."""
    path = free(layout.mappings, f"roman_wfi_{kind}", "rmap")
    known = known_rules(layout, kind)
    header = {
        "classes": ("Match", "UseAfter"),
        "file_ext": ".asdf",
        "filekind": kind,
        "filetype": kind.upper(),
        "instrument": "wfi",
        "ld_tpn": f"wfi_{kind}_ld.tpn",
        "mapping": "REFERENCE",
        "parkey": (parameters(layout, kind), _START),
        "suffix": kind,
        "text_descr": kind,
        "tpn": f"wfi_{kind}.tpn",
        **(known.header if known else {}),
    }
    files = known.files() if known else {}
    if any(not date for _, date in files):
        raise ReferenceError(f"{kind} references have no date: can't be added to", where=path.name)
    for key, date, name in rules:
        files[key, date] = name
    _write_mapping(path, header, known.name if known else _FIRST, _match(files))
    return path.name


def _match(files: Mapping[tuple[tuple[str, ...], str], str]) -> str:
    by_key: dict[tuple[str, ...], list[str]] = {}
    for (key, date), name in sorted(files.items()):
        by_key.setdefault(key, []).append(f"        {date!r} : {name!r},\n")
    lines = [
        f"    {key!r} : UseAfter({{\n{''.join(inner)}    }}),\n" for key, inner in by_key.items()
    ]
    return f"Match({{\n{''.join(lines)}}})"


def _names(selector: Mapping[str, str]) -> str:
    lines = "".join(f"    {key!r} : {value!r},\n" for key, value in selector.items())
    return f"{{\n{lines}}}"


def _write_mapping(path: Path, header: Mapping[str, Any], origin: str, selector: str) -> None:
    entries = {**header, "derived_from": origin, "name": path.name, "observatory": "roman"}
    lines = {key: f"    {key!r} : {value!r},\n" for key, value in entries.items()}

    def text(checksum: str) -> str:
        shown = sorted({**lines, "sha1sum": checksum}.items())
        inner = "".join(line for _, line in shown)
        return f"header = {{\n{inner}}}\n\nselector = {selector}\n"

    write_text(path, text(f"    'sha1sum' : {crds.checksum(text(''))!r},\n"))
