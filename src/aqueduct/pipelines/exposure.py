"""Level 1 to Level 2: each detector calibrated, all detectors of an exposure aligned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from aqueduct.products import Catalog, Image, Raw, Segmentation
from aqueduct.run import Pipeline, Source, Stage, Unit

CALIBRATE = Stage(
    name="calibrate",
    unit="exposure+detector",
    steps=(
        "aqueduct.level2.reference_pixels:reference_pixels",
        "aqueduct.level2.dq_init:dq_init",
        "aqueduct.level2.saturation:saturation",
        "aqueduct.level2.refpix:refpix",
        "aqueduct.level2.dark_decay:dark_decay",
        "aqueduct.level2.linearity:linearity",
        "aqueduct.level2.ramp_fit:ramp_fit",
        "aqueduct.level2.dark:dark",
        "aqueduct.level2.flat:flat",
        "aqueduct.level2.assign_wcs:assign_wcs",
        "aqueduct.level2.photom:photom",
        "aqueduct.level2.source_catalog:source_catalog",
    ),
    memory=(2 << 30, 0),
)
ALIGN = Stage(
    name="align",
    unit="exposure",
    steps=("aqueduct.level2.tweakreg:tweakreg",),
    missing="proceed",
    memory=(1 << 30, 400 << 20),
)


def plan(sources: Sequence[Source], out: Path) -> list[Unit]:
    """One unit for each detector, then one for each exposure."""
    calibrate = [_calibrate(source, out) for source in sources]
    exposures = groupby(
        sorted(zip(map(_exposure, sources), calibrate, strict=True), key=_first), _first
    )
    return calibrate + [_align(key, [unit for _, unit in members]) for key, members in exposures]


def _first(pair: tuple[str, Unit]) -> str:
    return pair[0]


def _exposure(source: Source) -> str:
    """Visit, exposure and filter: what the detectors of one exposure share."""
    observation = source.header.meta["observation"]
    element = source.header.meta["instrument"]["optical_element"]
    return f"r{observation['visit_id']}_{int(observation['exposure']):04d}_{element.lower()}"


def _calibrate(source: Source, out: Path) -> Unit:
    root = source.path.name.rpartition("_")[0] or source.path.stem
    return Unit(
        stage=CALIBRATE.name,
        key=root,
        inputs=(source.path,),
        outputs={
            Image: (out / f"{root}_cal.asdf",),
            Catalog: (out / f"{root}_cat.parquet",),
            Segmentation: (out / f"{root}_segm.asdf",),
        },
    )


def _align(key: str, units: Iterable[Unit]) -> Unit:
    """Revise the images and catalogs of one exposure in place."""
    members = list(units)
    images = tuple(path for unit in members for path in unit.outputs[Image])
    catalogs = tuple(path for unit in members for path in unit.outputs[Catalog])
    return Unit(
        stage=ALIGN.name,
        key=key,
        inputs=images + catalogs,
        outputs={Image: images, Catalog: catalogs},
    )


EXPOSURE = Pipeline(
    name="exposure",
    summary="Level 1 ramps to calibrated Level 2 images aligned to Gaia, with a source catalog",
    reads=(Raw,),
    stages=(CALIBRATE, ALIGN),
    plan=plan,
)
