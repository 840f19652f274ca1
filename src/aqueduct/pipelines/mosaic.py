"""Level 2 to Level 3: exposures co-added on sky cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aqueduct.core.errors import InputError
from aqueduct.geometry.skycells import SkyCell
from aqueduct.io import read_association
from aqueduct.pipelines.associate import associate
from aqueduct.products import Association, Image, Mosaic
from aqueduct.run import OnRequest, Pipeline, Source, Stage, Unit

COADD = Stage(
    name="coadd",
    unit="sky cell+filter+group",
    steps=(
        "aqueduct.level3.flux:flux",
        "aqueduct.level3.skymatch:skymatch",
        "aqueduct.level3.outlier_detection:outlier_detection",
        "aqueduct.level3.resample:resample",
    ),
    memory=(2 << 30, 300 << 20),
)


def plan(sources: Sequence[Source], out: Path) -> list[Unit]:
    """One unit for each association; images given by themselves are associated first."""
    units = [
        _unit(read_association(source.path), source.path, out)
        for source in sources
        if source.header.product is Association
    ]
    images = [source for source in sources if source.header.product is Image]
    folders = {Path(source.path.name): source.path for source in images}
    for association in associate(images, by="full") if images else []:
        members = [folders[Path(name)] for name in association.members]
        cell = SkyCell.from_wcs_info(association.skycell_wcs_info)
        units.append(_coadd(association, cell, members, out))
    return units


def _unit(association: Association, file: Path, out: Path) -> Unit:
    members = [file.parent / name for name in association.members]
    absent = [path for path in members if not path.exists()]
    if absent:
        raise InputError(
            f"{len(absent)} of {len(members)} members of {association.product} are not there",
            where=str(absent[0]),
            hint="members are looked for beside the association file",
        )
    try:
        cell = SkyCell.from_wcs_info(association.skycell_wcs_info)
    except InputError as error:
        raise InputError(
            f"describes no sky cell: {error.what}",
            where=str(file),
            hint="make it again with `aqueduct associate`",
        ) from error
    return _coadd(association, cell, members, out)


def _coadd(association: Association, cell: SkyCell, members: Sequence[Path], out: Path) -> Unit:
    return Unit(
        stage=COADD.name,
        key=association.product,
        inputs=tuple(members),
        outputs={Mosaic: (out / f"{association.product}_coadd.asdf",)},
        given=(cell,),
        meta={"association": {"name": f"{association.product}_asn.json"}},
    )


MOSAIC = Pipeline(
    name="mosaic",
    summary="Level 2 images to a Level 3 co-add for each sky cell and filter",
    reads=(Association, Image),
    stages=(COADD,),
    plan=plan,
    on_request=(OnRequest("regions", "aqueduct.level2.user_mask:user_mask", before="flux"),),
)
