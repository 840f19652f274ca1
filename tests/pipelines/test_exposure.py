"""Which way each type of exposure goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from aqueduct import io
from aqueduct.core.errors import InputError
from aqueduct.pipelines.exposure import CALIBRATE, EXPOSURE, NEEDED, ROUTES, plan
from aqueduct.products import Catalog, Image, Raw, Segmentation, Wcs
from aqueduct.run import Source, Unit
from aqueduct.run.pipeline import step_name


def source(kind: str, detector: int = 1, exposure: int = 1) -> Source:
    meta = {
        "exposure": {
            "type": kind,
            "read_pattern": [[1], [2]],
            "frame_time": 3.16,
            "start_time": "2027-03-01T00:00:00",
            "end_time": "2027-03-01T00:00:07",
        },
        "observation": {"visit_id": "0000101001001001001", "exposure": exposure},
        "instrument": {"detector": f"WFI{detector:02d}", "optical_element": "F158"},
    }
    path = Path(f"r0000101001001001001_{exposure:04d}_wfi{detector:02d}_f158_uncal.asdf")
    return Source(path, io.Header(Raw, "ScienceRawModel", "", meta, None))


def units(*sources: Source) -> list[Unit]:
    return plan(sources, Path("out"))


def names(stage: str) -> list[str]:
    return [step_name(where) for where in EXPOSURE.stage(stage).steps]


def test_every_official_type_has_a_route() -> None:
    import yaml
    from rad import resources

    folder = Path(str(resources.__path__[0])) / "schemas" / "enums"
    for file in ("exposure_type-1.2.0.yaml", "exposure_type-2.0.0.yaml"):
        assert set(yaml.safe_load((folder / file).read_text())["enum"]) == set(ROUTES)


@pytest.mark.parametrize("kind", ROUTES)
def test_steps_and_products_of_a_route(kind: str) -> None:
    made = units(source(kind))
    first = made[0]
    images = kind in ("WFI_IMAGE", "WFI_LOLO")
    assert ("flat" in names(first.stage)) == (images or kind == "WFI_WFSC")
    assert ("source_catalog" in names(first.stage)) == images
    assert set(first.outputs) == {Image, Wcs} | ({Catalog, Segmentation} if images else set())
    assert [unit.stage for unit in made[1:]] == (["align"] if images else [])
    skips = {"flat_field", "source_catalog", "tweakreg"} if not images else set()
    assert set(EXPOSURE.stage(first.stage).skips) == skips - (
        {"flat_field"} if kind == "WFI_WFSC" else set()
    )


def test_steps_come_in_the_same_order_on_all_routes() -> None:
    order = names(CALIBRATE.name)
    for stage in ROUTES.values():
        mine = names(stage.name)
        assert mine == [name for name in order if name in mine]


def test_exposures_without_catalogs_are_not_aligned() -> None:
    made = units(
        *(source("WFI_IMAGE", detector) for detector in (2, 1)),
        source("WFI_SPECTRAL", 1, exposure=2),
        source("WFI_LOLO", 1, exposure=3),
    )
    align = [unit for unit in made if unit.stage == "align"]
    assert [len(unit.outputs[Image]) for unit in align] == [2, 1]
    assert not any("_0002_" in path.name for unit in align for path in unit.inputs)


def test_an_unknown_type_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"(?s)'WFI_IMAGES'.*'WFI_IMAGE'"):
        units(source("WFI_IMAGES"))


@pytest.mark.parametrize("keyword", NEEDED)
@pytest.mark.parametrize("lost", ["keyword", "block", "value"])
def test_a_lost_keyword_is_named(keyword: str, lost: str) -> None:
    given = source("WFI_IMAGE")
    block, name = keyword.split(".")
    if lost == "block":
        given.header.meta[block] = None
    elif lost == "value":
        given.header.meta[block][name] = None
    else:
        del given.header.meta[block][name]
    with pytest.raises(InputError, match=block if lost == "block" else keyword) as caught:
        units(source("WFI_IMAGE"), given)
    assert caught.value.where == str(given.path) and caught.value.hint
