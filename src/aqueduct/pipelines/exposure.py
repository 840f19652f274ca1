"""Level 1 to Level 2: each detector calibrated, all detectors of an exposure aligned.

How far an exposure goes depends on its type::

    WFI_IMAGE, WFI_LOLO                                to aligned images with catalogs
    WFI_WFSC                                           to flat-fielded images
    WFI_SPECTRAL, WFI_FLAT, WFI_IM_DARK, WFI_SP_DARK   to rates: no flat field
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from aqueduct.core.config import nearest
from aqueduct.core.errors import InputError
from aqueduct.core.step import Product
from aqueduct.products import Catalog, Image, Raw, Segmentation, Wcs
from aqueduct.run import OnRequest, Pipeline, Source, Stage, Unit

_RATES = (
    "aqueduct.level2.reference_pixels:reference_pixels",
    "aqueduct.level2.dropouts:dropouts",
    "aqueduct.level2.wfi18_transient:wfi18_transient",
    "aqueduct.level2.dq_init:dq_init",
    "aqueduct.level2.saturation:saturation",
    "aqueduct.level2.refpix:refpix",
    "aqueduct.level2.dark_decay:dark_decay",
    "aqueduct.level2.linearity:linearity",
    "aqueduct.level2.ramp_fit:ramp_fit",
    "aqueduct.level2.dark:dark",
)
_WCS = "aqueduct.level2.wcs_file:wcs_file"
_FLAT = ("aqueduct.level2.flat:flat",)
_DESCRIBE = (
    "aqueduct.level2.fully_saturated:fully_saturated",
    "aqueduct.level2.assign_wcs:assign_wcs",
    _WCS,
    "aqueduct.level2.photom:photom",
    "aqueduct.level2.statistics:statistics",
)
_MEMORY = (2 << 30, 0)

CALIBRATE = Stage(
    name="calibrate",
    unit="exposure+detector",
    steps=(*_RATES, *_FLAT, *_DESCRIBE, "aqueduct.level2.source_catalog:source_catalog"),
    memory=_MEMORY,
)
CALIBRATE_WAVEFRONT = Stage(
    name="calibrate_wavefront",
    unit="exposure+detector",
    steps=(*_RATES, *_FLAT, *_DESCRIBE),
    memory=_MEMORY,
    skips=("source_catalog", "tweakreg"),
)
CALIBRATE_RATES = Stage(
    name="calibrate_rates",
    unit="exposure+detector",
    steps=(*_RATES, *_DESCRIBE),
    memory=_MEMORY,
    skips=("flat_field", "source_catalog", "tweakreg"),
)
ALIGN = Stage(
    name="align",
    unit="exposure",
    steps=("aqueduct.level2.tweakreg:tweakreg", _WCS),
    main="tweakreg",
    missing="proceed",
    memory=(1 << 30, 400 << 20),
)


ROUTES: Final = {
    "WFI_IMAGE": CALIBRATE,
    "WFI_LOLO": CALIBRATE,
    "WFI_WFSC": CALIBRATE_WAVEFRONT,
    "WFI_SPECTRAL": CALIBRATE_RATES,
    "WFI_FLAT": CALIBRATE_RATES,
    "WFI_IM_DARK": CALIBRATE_RATES,
    "WFI_SP_DARK": CALIBRATE_RATES,
}
"""How each type of exposure is calibrated."""


NEEDED: Final = (
    "exposure.type",
    "exposure.read_pattern",
    "exposure.frame_time",
    "exposure.start_time",
    "exposure.end_time",
    "instrument.detector",
    "instrument.optical_element",
    "observation.visit_id",
    "observation.exposure",
)
"""Keywords without which nothing can be done."""


def plan(sources: Sequence[Source], out: Path) -> list[Unit]:
    """One unit for each detector, then one for each exposure that has catalogs.

    Exposures of one detector follow one another: its references, 1.5 GB, are read once.

    Raises
    ------
    InputError
        If a keyword is absent, or the type of an exposure is not known.
    """
    for source in sources:
        _check(source)
    sources = sorted(sources, key=lambda source: source.header.meta["instrument"]["detector"])
    units = [_calibrate(source, out) for source in sources]
    keyed = [(_exposure(source), unit) for source, unit in zip(sources, units, strict=True)]
    cataloged = sorted((pair for pair in keyed if Catalog in pair[1].outputs), key=_first)
    exposures = groupby(cataloged, _first)
    return units + [_align(key, [unit for _, unit in members]) for key, members in exposures]


def _check(source: Source) -> None:
    for keyword in NEEDED:
        block, _, name = keyword.partition(".")
        about = source.header.meta.get(block)
        if not isinstance(about, Mapping) or about.get(name) is None:
            raise InputError(
                f"metadata lack {keyword}",
                where=str(source.path),
                hint="check the file with `aqueduct show`",
            )


def _route(source: Source) -> Stage:
    kind = str(source.header.meta["exposure"]["type"])
    if kind not in ROUTES:
        raise InputError(
            f"there is no route for exposures of type {kind!r}",
            where=str(source.path),
            hint=nearest(kind, ROUTES),
        )
    return ROUTES[kind]


def _first(pair: tuple[str, Unit]) -> str:
    return pair[0]


def _exposure(source: Source) -> str:
    """Visit, exposure and filter: what the detectors of one exposure share."""
    observation = source.header.meta["observation"]
    element = source.header.meta["instrument"]["optical_element"]
    return f"r{observation['visit_id']}_{int(observation['exposure']):04d}_{element.lower()}"


def _calibrate(source: Source, out: Path) -> Unit:
    root = source.path.name.rpartition("_")[0] or source.path.stem
    stage = _route(source)
    outputs: dict[type[Product], tuple[Path, ...]] = {
        Image: (out / f"{root}_cal.asdf",),
        Wcs: (out / f"{root}_wcs.asdf",),
    }
    if stage is CALIBRATE:
        outputs[Catalog] = (out / f"{root}_cat.parquet",)
        outputs[Segmentation] = (out / f"{root}_segm.asdf",)
    return Unit(stage=stage.name, key=root, inputs=(source.path,), outputs=outputs)


def _align(key: str, units: Iterable[Unit]) -> Unit:
    """Revise the images, catalogs and WCS files of one exposure in place."""
    members = list(units)
    outputs: dict[type[Product], tuple[Path, ...]] = {
        kind: tuple(path for unit in members for path in unit.outputs[kind])
        for kind in (Image, Catalog, Wcs)
    }
    inputs = tuple(path for paths in outputs.values() for path in paths)
    return Unit(stage=ALIGN.name, key=key, inputs=inputs, outputs=outputs)


EXPOSURE = Pipeline(
    name="exposure",
    summary="Level 1 ramps to calibrated Level 2 images aligned to Gaia, with a source catalog",
    reads=(Raw,),
    stages=(CALIBRATE, CALIBRATE_WAVEFRONT, CALIBRATE_RATES, ALIGN),
    plan=plan,
    on_request=(
        OnRequest("attitude", "aqueduct.level2.set_pointing:set_pointing", before="assign_wcs"),
        OnRequest("regions", "aqueduct.level2.user_mask:user_mask", before="photom"),
        OnRequest("history", "aqueduct.level2.persistence:persistence", before="photom"),
    ),
    presets={"romancal-1.1": Path(__file__).with_name("presets") / "romancal-1.1.toml"},
)
