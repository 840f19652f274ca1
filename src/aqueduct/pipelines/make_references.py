"""Reference files with realistic errors, for a laptop with no network.

They describe the simulated instrument, whose detectors are drawn once and for all from
:data:`INSTRUMENT`. A realisation is one calibration of it: the same number gives the same
errors, to the byte, whichever detectors and filters are asked for and in whatever order.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from aqueduct.core.errors import MissingReferenceError
from aqueduct.core.provenance import digest, source_digest
from aqueduct.instrument import sca
from aqueduct.instrument.detectors import DETECTORS
from aqueduct.instrument.filters import FILTERS, ab_zero_point
from aqueduct.io.tree import opened
from aqueduct.products.meta import Meta
from aqueduct.products.references import (
    ApcorrReference,
    AstrometricReference,
    FileReference,
    FlatReference,
    RefpixReference,
)
from aqueduct.references import References, default_root, write_set
from aqueduct.references.cache import Layout
from aqueduct.run.forecast import check_space
from aqueduct.simulate import (
    DetectorConfig,
    DetectorTruth,
    ReferenceConfig,
    detector_references,
    draw_detector,
    element_references,
)
from aqueduct.simulate.references import reference_pixels

INSTRUMENT: Final = 20270501
"""Seed of the simulated detectors."""
JITTER: Final = 8.0
"""Mas, RMS: that of the visits the PSF library was made from."""
_MARK: Final = "Made by Aqueduct from simulated calibration data"
Entry = tuple[FileReference, str, str | None]
Note = Callable[[str], None]

_MB: Final = 1 << 20
DETECTOR_BYTES: Final = 1300 * _MB
"""On disk, of the references of one detector that do not depend on the filter."""
ELEMENT_BYTES: Final = 206 * _MB
"""Of those of one filter."""
SHARED_BYTES: Final = 281 * _MB
"""Of those that all detectors share."""


_latest: dict[tuple[str, DetectorConfig], DetectorTruth] = {}


def detector_truth(detector: str, config: DetectorConfig) -> DetectorTruth:
    """The simulated detector of that name: always the same one for one config."""
    key = (detector, config)
    if key not in _latest:
        _latest.clear()  # before the next is drawn: each is half a gigabyte
        stream = np.random.default_rng([INSTRUMENT, sca(detector)])
        _latest[key] = draw_detector(detector, config, stream)
    return _latest[key]


@dataclass(frozen=True)
class _Set:
    """What is to be made, and where."""

    root: Path
    realisation: int = 0
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    errors: ReferenceConfig = field(default_factory=ReferenceConfig)

    @property
    def description(self) -> str:
        """Goes into each file, and tells those that this set would make from all others."""
        configs = [config.model_dump(mode="json") for config in (self.detector, self.errors)]
        source = source_digest(detector_references)
        identity = digest([self.realisation, *configs, source])[:12]
        return f"{_MARK} (realisation {self.realisation}, {identity})"

    def stream(self, number: int, part: int) -> np.random.Generator:
        """Random numbers of a detector (0: of all of them)."""
        return np.random.default_rng([INSTRUMENT, self.realisation, number, part])

    def holds(self, kind: type[FileReference], detector: str, element: str = "") -> bool:
        """Whether the set has this file, of this realisation."""
        meta = _meta(detector, element)
        return _described(self.root, kind, meta) == self.description


def make(
    root: Path,
    detectors: Sequence[str] = DETECTORS,
    elements: Sequence[str] = FILTERS,
    realisation: int = 0,
    *,
    detector: DetectorConfig | None = None,
    errors: ReferenceConfig | None = None,
    astrometry: AstrometricReference | None = None,
    official: bool = True,
    jobs: int = 1,
    note: Note = lambda text: None,
) -> str:
    """Make a set of reference files, with the rules that select them.

    One detector after another is added to the rules when its files are complete; those
    that are there already, of the same realisation, are left alone, so that a run that was
    stopped goes on where it was.

    Parameters
    ----------
    root : Path
        A new or existing reference cache.
    detectors, elements : sequence of str
        Such as ``WFI01`` and ``F158``; all if not given.
    realisation : int
        Number of the calibration, the key of all its errors.
    detector : DetectorConfig, optional
        What the true detectors are drawn from.
    errors : ReferenceConfig, optional
        How large the calibration errors are.
    astrometry : AstrometricReference, optional
        Stars to align to, added to the set.
    official : bool
        Make those types too that only official tools use.
    jobs : int
        Detectors made at a time. Each takes up to 2 GB of memory; files are written one
        after another.
    note : callable
        Told of progress, a line at a time.

    Returns
    -------
    str
        Name of the CRDS context.

    Raises
    ------
    InputError
        If there is no such detector or filter.
    OutputError
        If the disk has no room for what is to be made, or can't be written to.
    """
    _check(detectors, elements)
    made = _Set(root, realisation, detector or DetectorConfig(), errors or ReferenceConfig())
    todo = {name: _missing(made, name, elements) for name in detectors}
    todo = {name: missing for name, missing in todo.items() if missing}
    shared = official and not made.holds(RefpixReference, detectors[0])
    needed = _bytes(made, todo) + SHARED_BYTES * shared
    root.mkdir(parents=True, exist_ok=True)
    check_space(root, needed)
    if needed:
        note(f"needs {needed / 2**30:.1f} GB of disk and {2 * jobs} GB of memory")
    _shared(made, shared, detectors[0], astrometry)
    _each(made, todo, jobs, note)
    return Layout(root).newest_context()


def _check(detectors: Sequence[str], elements: Sequence[str]) -> None:
    """Meet mistyped names before any work."""
    for name in detectors:
        sca(name)
    for name in elements:
        ab_zero_point(DETECTORS[0], name)


def _missing(made: _Set, detector: str, elements: Sequence[str]) -> tuple[str, ...]:
    """Filters of a detector that the set does not have; the flat field stands for them."""
    return tuple(name for name in elements if not made.holds(FlatReference, detector, name))


def _bytes(made: _Set, todo: dict[str, tuple[str, ...]]) -> int:
    new = sum(not made.holds(ApcorrReference, name) for name in todo)
    return new * DETECTOR_BYTES + sum(map(len, todo.values())) * ELEMENT_BYTES


def _each(made: _Set, todo: dict[str, tuple[str, ...]], jobs: int, note: Note) -> None:
    """Make what is missing of each detector, ``jobs`` at a time."""
    if jobs <= 1 or len(todo) <= 1:
        for name, missing in todo.items():
            note(f"making references of {name} for {', '.join(missing)}")
            _detector(made, name, missing)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        tasks = {
            name: pool.submit(_detector, made, name, missing) for name, missing in todo.items()
        }
        for name, task in tasks.items():
            task.result()
            note(f"made references of {name} for {', '.join(todo[name])}")


def _shared(
    made: _Set, wanted: bool, detector: str, astrometry: AstrometricReference | None
) -> None:
    """Write what all detectors share, and the stars."""
    entries: list[Entry] = [(astrometry, "*", None)] if astrometry is not None else []
    if wanted:
        pink = detector_truth(detector, made.detector).pink
        entries.append((reference_pixels(pink, made.errors, made.stream(0, 0)), "*", None))
    if entries:
        write_set(made.root, entries, description=made.description)


def _detector(made: _Set, name: str, elements: tuple[str, ...]) -> None:
    """Make the references of one detector for some filters."""
    write_set(made.root, _entries(made, name, elements), description=made.description)


def _entries(made: _Set, name: str, elements: tuple[str, ...]) -> Iterator[Entry]:
    truth, number = detector_truth(name, made.detector), sca(name)
    known = _known_corrections(made, name)
    if known is None:
        for reference in detector_references(truth, made.errors, made.stream(number, 0)):
            yield reference, name, None
    stream = made.stream(number, 1)
    for element, reference in element_references(truth, elements, JITTER, made.errors, stream):
        if known is not None and isinstance(reference, ApcorrReference):
            reference = replace(reference, table={**known.table, **reference.table})
        yield reference, name, element


def _known_corrections(made: _Set, name: str) -> ApcorrReference | None:
    """Aperture corrections of filters made earlier; None if there is nothing of a detector."""
    if not made.holds(ApcorrReference, name):
        return None
    return _store(made.root).get(ApcorrReference, _meta(name))


def _store(root: Path) -> References:
    """The set by its own newest rules, whatever context the user works with."""
    return References(root, Layout(root).newest_context())


def _described(root: Path, kind: type[FileReference], meta: Meta) -> str | None:
    """Description of the file that a set has for an exposure; None if it has none."""
    try:
        path = _store(root).find(kind.reftype, meta)
    except MissingReferenceError:
        return None
    with opened(path) as tree:
        return str(tree["meta"]["description"])


def _meta(detector: str, element: str = FILTERS[0]) -> Meta:
    """As much of an exposure's metadata as the rules select by."""
    return {
        "instrument": {"detector": detector, "optical_element": element or FILTERS[0]},
        "exposure": {"type": "WFI_IMAGE", "start_time": "2027-01-01T00:00:00"},
    }


def ensure(root: Path | None, metas: Sequence[Meta], note: Note = lambda text: None) -> Path:
    """Make what is missing of the embedded references for some exposures.

    Parameters
    ----------
    root : Path, optional
        By default the user's own set.
    metas : sequence of dict
        Metadata of the exposures.
    note : callable
        Told of progress, a line at a time.

    Returns
    -------
    Path
        The root.
    """
    root = root or default_root()
    missing: dict[str, set[str]] = {}
    for meta in metas:
        if not _there(root, meta):
            about: dict[str, Any] = meta["instrument"]
            missing.setdefault(str(about["detector"]), set()).add(str(about["optical_element"]))
    for detector, elements in missing.items():
        make(root, [detector], sorted(elements), official=False, note=note)
    return root


def _there(root: Path, meta: Meta) -> bool:
    """Whether the set covers an exposure, with files of today's instrument or not made here.

    The flat field stands for all files of an exposure.
    """
    found = _described(root, FlatReference, meta)
    return found is not None and (not found.startswith(_MARK) or found == _Set(root).description)
