"""Reference files with realistic errors, for a laptop with no network.

They describe the simulated instrument, whose detectors are drawn once and for all from
:data:`INSTRUMENT`; the errors of the calibration are drawn from the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from aqueduct.core.errors import MissingReferenceError
from aqueduct.instrument import sca
from aqueduct.products.meta import Meta
from aqueduct.products.references import AstrometricReference, FileReference, FlatReference
from aqueduct.references import References, default_root, write_set
from aqueduct.simulate import (
    DetectorConfig,
    DetectorTruth,
    ReferenceConfig,
    detector_references,
    draw_detector,
    element_references,
)

INSTRUMENT: Final = 20270501
"""Seed of the simulated detectors."""
JITTER: Final = 8.0
"""Mas, RMS: that of the visits the PSF library was made from."""
Entry = tuple[FileReference, str, str | None]


@lru_cache(maxsize=1)
def detector_truth(detector: str, config: DetectorConfig) -> DetectorTruth:
    """The simulated detector of that name: always the same one for one config."""
    return draw_detector(detector, config, np.random.default_rng([INSTRUMENT, sca(detector)]))


def make(
    root: Path,
    detectors: Sequence[str],
    elements: Sequence[str],
    seed: int = 0,
    *,
    detector: DetectorConfig | None = None,
    errors: ReferenceConfig | None = None,
    astrometry: AstrometricReference | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> str:
    """Make a set of reference files, with the rules that select them.

    Parameters
    ----------
    root : Path
        A new or existing reference cache.
    detectors, elements : sequence of str
        Such as ``WFI01`` and ``F158``.
    seed : int
        Of the calibration errors.
    detector : DetectorConfig, optional
        What the true detectors are drawn from.
    errors : ReferenceConfig, optional
        How large the calibration errors are.
    astrometry : AstrometricReference, optional
        Stars to align to, added to the set.
    note : callable
        Told of progress, a line at a time.

    Returns
    -------
    str
        Name of the CRDS context.
    """
    entries = _entries(
        detectors,
        tuple(elements),
        seed,
        detector or DetectorConfig(),
        errors or ReferenceConfig(),
        note,
    )
    stars: list[Entry] = [(astrometry, "*", None)] if astrometry is not None else []
    return write_set(root, [*stars, *entries] if stars else entries)


def _entries(
    detectors: Sequence[str],
    elements: tuple[str, ...],
    seed: int,
    config: DetectorConfig,
    errors: ReferenceConfig,
    note: Callable[[str], None],
) -> Iterator[Entry]:
    for name in detectors:
        note(f"making references of {name} for {', '.join(elements)}")
        truth = detector_truth(name, config)
        maps = np.random.default_rng([INSTRUMENT, seed, sca(name), 0])
        for reference in detector_references(truth, errors, maps):
            yield reference, name, None
        optics = np.random.default_rng([INSTRUMENT, seed, sca(name), 1])
        for element, made in element_references(truth, elements, JITTER, errors, optics).items():
            for reference in made:
                yield reference, name, element or None


def ensure(
    root: Path | None, metas: Sequence[Meta], note: Callable[[str], None] = lambda text: None
) -> Path:
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
        make(root, [detector], sorted(elements), note=note)
    return root


def _there(root: Path, meta: Meta) -> bool:
    """Whether the set covers an exposure; the flat is among the last files of one."""
    try:
        References(root).find(FlatReference.reftype, meta)
    except MissingReferenceError:
        return False
    return True
