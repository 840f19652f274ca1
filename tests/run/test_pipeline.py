"""Pipelines as values: steps found by name, and the changes a configuration makes to them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

import pytest

from aqueduct.core.errors import ConfigError
from aqueduct.core.step import registered
from aqueduct.products import Catalog, Image, Raw
from aqueduct.run import Pipeline, Stage, Unit, named, pipeline_names
from aqueduct.run.pipeline import Edits, edited, load_step, requested, step_name

STEP = '''
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products import Image


class DarkConfig(StepConfig):
    """None."""


@step(shape="frame")
def dark(image: Image, config: DarkConfig) -> Image:
    """{summary}"""
    return image


def plain(image: Image) -> Image:
    return image
'''


def no_units(sources: object, out: Path) -> list[Unit]:
    return []


STAGES = (
    Stage("first", "exposure+detector", ("aqueduct.level2.dark:dark", "aqueduct.level2.flat:flat")),
    Stage("second", "exposure", ("aqueduct.level2.photom:photom",)),
)
PIPELINE = Pipeline("some", "Some steps", (Raw,), STAGES, no_units)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(STEP.format(summary="Mine."))
    return path


def listed(pipeline: Pipeline) -> list[list[str]]:
    return [[step_name(where) for where in stage.steps] for stage in pipeline.stages]


def test_steps_come_in_order_under_their_own_names() -> None:
    steps = PIPELINE.steps()
    assert list(steps) == ["dark", "flat", "photom"]
    assert all(step.name == name for name, step in steps.items())
    assert PIPELINE.stage("second") is STAGES[1]


@pytest.mark.parametrize("name", pipeline_names())
def test_every_pipeline_names_steps_that_exist(name: str) -> None:
    pipeline = named(name)
    assert pipeline.name == name
    assert len({stage.name for stage in pipeline.stages}) == len(pipeline.stages)
    for names in listed(pipeline):
        assert len(set(names)) == len(names)
    once = dict.fromkeys(chain(*listed(pipeline)))
    steps = pipeline.steps()
    assert list(steps) == list(once)
    assert all(step.name == name for name, step in steps.items())
    # A name stands for one step, in whichever stages it is.
    places = {where for stage in pipeline.stages for where in stage.steps}
    assert len(places) == len(once)


@pytest.mark.parametrize("name", pipeline_names())
def test_what_is_put_in_on_request_exists(name: str) -> None:
    pipeline = named(name)
    for entry in pipeline.on_request:
        made = requested(pipeline, [entry.reftype])
        step = load_step(entry.step)
        assert step.name not in pipeline.steps()
        assert entry.reftype in [reference.kind.reftype for reference in step.references]
        for before, after in zip(listed(pipeline), listed(made), strict=True):
            added = [step.name] if entry.before in before else []
            assert sorted(after) == sorted(before + added)
            if added:
                assert after[after.index(step.name) + 1] == entry.before
    assert requested(pipeline, ["mask"]) is pipeline


def test_a_unit_lists_all_its_files() -> None:
    image, catalog = Path("a_cal.asdf"), Path("a_cat.parquet")
    unit = Unit("make", "a", (), {Image: (image,), Catalog: (catalog,)})
    assert unit.files == (image, catalog)
    assert unit.name == "make-a"


def test_a_step_of_a_file_is_found_and_shadows_none_of_ours(file: Path) -> None:
    ours = load_step("aqueduct.level2.dark:dark")
    mine = load_step(f"{file}:dark")
    assert mine.summary == "Mine."
    assert load_step(f"{file}:dark") is mine
    assert mine not in list(registered())
    assert ours in list(registered())


def test_an_edited_file_is_read_again(file: Path) -> None:
    assert load_step(f"{file}:dark").summary == "Mine."
    file.write_text(STEP.format(summary="Mine, mended."))
    assert load_step(f"{file}:dark").summary == "Mine, mended."


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("dark", "names no step"),
        ("no_such_package.at_all:dark", "no module 'no_such_package'"),
        ("aqueduct.level2.dark:no_such_step", "'no_such_step' is no step"),
        ("{file}:plain", "'plain' is no step"),
        ("{folder}/absent.py:dark", "no such file"),
    ],
)
def test_what_is_no_step_is_said(file: Path, where: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_step(where.format(file=file, folder=file.parent))


def test_a_file_that_fails_fails_each_time(file: Path) -> None:
    file.write_text("1 / 0")
    for _ in range(2):
        with pytest.raises(ConfigError, match="ZeroDivisionError"):
            load_step(f"{file}:dark")


def test_steps_are_left_out_replaced_and_inserted(file: Path) -> None:
    edits = Edits(
        skip=("flat",),
        replace={"dark": f"{file}:dark"},
        before={"photom": "aqueduct.level2.assign_wcs:assign_wcs"},
        after={"dark": "aqueduct.level3.flux:flux"},
    )
    made = edited(PIPELINE, edits)
    assert listed(made) == [["dark", "flux"], ["assign_wcs", "photom"]]
    assert made.steps()["dark"].summary == "Mine."
    assert listed(PIPELINE) == [["dark", "flat"], ["photom"]]


def test_what_goes_beside_a_skipped_step_stays() -> None:
    edits = Edits(skip=("flat",), after={"flat": "aqueduct.level3.flux:flux"})
    assert listed(edited(PIPELINE, edits)) == [["dark", "flux"], ["photom"]]


@pytest.mark.parametrize(
    "edits",
    [
        Edits(skip=("flats",)),
        Edits(replace={"flats": "a:b"}),
        Edits(before={"flats": "a:b"}),
        Edits(after={"flats": "a:b"}),
    ],
)
def test_an_unknown_step_is_an_error_that_names_the_nearest(edits: Edits) -> None:
    with pytest.raises(ConfigError, match="'flats'") as caught:
        edited(PIPELINE, edits)
    assert "flat" in caught.value.hint
