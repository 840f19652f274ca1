"""Level 3 to Level 4: sources measured on the co-adds of a sky cell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from aqueduct.products import Catalog, Mosaic, Segmentation
from aqueduct.products.names import multiband_root
from aqueduct.run import Pipeline, Source, Stage, Unit

MEASURE = Stage(
    name="measure",
    unit="sky cell+group",
    steps=(
        "aqueduct.level4.background:background",
        "aqueduct.level4.detection:detection",
        "aqueduct.level4.photometry:photometry",
    ),
    memory=(2 << 30, 700 << 20),
)


def plan(sources: Sequence[Source], out: Path) -> list[Unit]:
    """One unit for each sky cell and group, of all its filters."""
    groups: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        root = source.path.name.rpartition("_")[0] or source.path.stem
        groups[multiband_root(root, _element(source))].append(source)
    return [_unit(root, sorted(members, key=_element), out) for root, members in groups.items()]


def _element(source: Source) -> str:
    return str(source.header.meta["instrument"]["optical_element"])


def _unit(root: str, members: Sequence[Source], out: Path) -> Unit:
    if len(members) == 1:
        root = f"{root}_{_element(members[0]).lower()}"
    return Unit(
        stage=MEASURE.name,
        key=root,
        inputs=tuple(source.path for source in members),
        outputs={
            Catalog: (out / f"{root}_cat.parquet",),
            Segmentation: (out / f"{root}_segm.asdf",),
        },
    )


CATALOG = Pipeline(
    name="catalog",
    summary="Level 3 co-adds of one or several filters to a Level 4 catalog",
    reads=(Mosaic,),
    stages=(MEASURE,),
    plan=plan,
)
