"""Group Level 2 images into associations: one for each group, sky cell and filter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from typing import Literal

from aqueduct.core.errors import InputError
from aqueduct.geometry.footprint import parse_s_region
from aqueduct.geometry.skycells import SkyCell, cells_overlapping
from aqueduct.products import Association, Image
from aqueduct.products.names import VisitId, coadd_root, group_name
from aqueduct.run import Source

Group = Literal["visit", "pass", "full"]
PROMPT = "p"
"""Release identifier of products made as data come in."""


def associate(
    sources: Sequence[Source], by: Group = "full", release: str = PROMPT
) -> list[Association]:
    """Group images by visit, pass or program, sky cell and filter.

    Parameters
    ----------
    sources : sequence of Source
        Level 2 images; only their headers are used.
    by : {"visit", "pass", "full"}
        ``full`` is the whole program.
    release : str
        Data release identifier, part of the product's name.

    Returns
    -------
    list of Association
        By product name.

    Raises
    ------
    InputError
        If an input is no Level 2 image or has no footprint yet.
    """
    members: dict[tuple[str, str], list[Source]] = defaultdict(list)
    cells: dict[str, SkyCell] = {}
    # By name: a product must not depend on the order in which its members were named.
    for source in sorted(sources, key=lambda source: source.path.name):
        for cell in _cells(source):
            cells[cell.name] = cell
            members[_product(source, cell, by, release), cell.name].append(source)
    return [
        _association(product, cells[name], found, release)
        for (product, name), found in sorted(members.items())
    ]


def _cells(source: Source) -> list[SkyCell]:
    if source.header.product is not Image:
        raise InputError(
            f"only Level 2 images can be associated; this is {source.header.product.__name__}",
            where=str(source.path),
            hint="make them with `aqueduct run exposure`",
        )
    region = source.header.meta["wcsinfo"].get("s_region") or ""
    if not region.startswith("POLYGON"):
        raise InputError(
            "the image has no footprint (wcsinfo.s_region)",
            where=str(source.path),
            hint="run its step assign_wcs",
        )
    ra, dec = parse_s_region(region)
    return cells_overlapping(ra, dec)


def _product(source: Source, cell: SkyCell, by: Group, release: str) -> str:
    meta = source.header.meta
    visit = VisitId.parse(str(meta["observation"]["visit_id"]))
    element = str(meta["instrument"]["optical_element"])
    return coadd_root(visit.program, release, group_name(visit, by), cell.name, element)


def _association(
    product: str, cell: SkyCell, sources: Sequence[Source], release: str
) -> Association:
    program = int(sources[0].header.meta["observation"]["program"])
    return Association(
        product=product,
        members=tuple(source.path.name for source in sources),
        target=cell.name,
        skycell_wcs_info=cell.wcs_info(),
        header={
            "asn_type": "image",
            "asn_rule": "DMS_ELPP_Base",
            "asn_id": "a3001",
            "asn_pool": "none",
            "version_id": None,
            "code_version": version("roman-aqueduct"),
            "program": f"{program:05d}",
            "data_release_id": release,
            "constraints": "No constraints",
            "degraded_status": "No known degraded exposures in association.",
        },
    )
