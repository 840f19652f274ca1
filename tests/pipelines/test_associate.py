"""Images grouped by visit, pass and program, sky cell and filter."""

from __future__ import annotations

from pathlib import Path

import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry.footprint import s_region
from aqueduct.geometry.skycells import cell
from aqueduct.io import Header
from aqueduct.pipelines.associate import Group, associate
from aqueduct.products import Image, Raw
from aqueduct.run import Source

CELL = cell("270p65x69y50")


def image(visit: str, exposure: int, element: str = "F158") -> Source:
    ra, dec = CELL.corners()
    meta = {
        "observation": {"visit_id": visit, "program": int(visit[:5]), "exposure": exposure},
        "instrument": {"optical_element": element},
        "wcsinfo": {"s_region": s_region(ra, dec)},
    }
    name = f"r{visit}_{exposure:04d}_wfi01_{element.lower()}_cal.asdf"
    return Source(Path(name), Header(Image, "ImageModel", "", meta, None))


FIRST, SECOND = "0000101001001001001", "0000101001001001002"
OTHER_PASS = "0000101002001001001"


@pytest.mark.parametrize(("by", "groups"), [("visit", 3), ("pass", 2), ("full", 1)])
def test_groups(by: Group, groups: int) -> None:
    sources = [image(FIRST, 1), image(FIRST, 2), image(SECOND, 1), image(OTHER_PASS, 1)]
    found = [one for one in associate(sources, by) if one.target == CELL.name]
    assert len(found) == groups
    assert sum(len(one.members) for one in found) == len(sources)


def test_members_do_not_depend_on_the_order_given() -> None:
    sources = [image(FIRST, 1), image(FIRST, 2), image(SECOND, 1)]
    assert associate(sources) == associate(sources[::-1])


def test_filters_are_kept_apart_and_names_are_official() -> None:
    found = associate([image(FIRST, 1), image(FIRST, 2, "F129")], "visit")
    names = [one.product for one in found if one.target == CELL.name]
    assert names == [
        "r00001_p_v01001001001001_270p65x69y50_f129",
        "r00001_p_v01001001001001_270p65x69y50_f158",
    ]
    mine = next(one for one in found if one.target == CELL.name)
    assert mine.skycell_wcs_info["name"] == CELL.name
    assert mine.header["data_release_id"] == "p"


def test_a_cell_that_is_only_touched_counts_too() -> None:
    targets = {one.target for one in associate([image(FIRST, 1)])}
    assert CELL.name in targets
    assert len(targets) > 1  # the image covers the borders cells share


def test_what_cannot_be_associated() -> None:
    raw = image(FIRST, 1)
    with pytest.raises(InputError, match="only Level 2"):
        associate([Source(raw.path, Header(Raw, "", "", raw.header.meta, None))])
    raw.header.meta["wcsinfo"]["s_region"] = None
    with pytest.raises(InputError, match="no footprint"):
        associate([raw])
