"""Configuration: precedence, origins, and errors that name the nearest match."""

from __future__ import annotations

from pathlib import Path

import pytest

from aqueduct.core.errors import ConfigError
from aqueduct.products import Raw
from aqueduct.references.parameters import Parameters
from aqueduct.run import Pipeline, Stage
from aqueduct.run.config import resolve, with_parameters

STEPS = '''
from typing import Literal
from pydantic import Field
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products import Image


class ScaleConfig(StepConfig):
    factor: float = Field(1.0, gt=0, description="Multiplier")
    mode: Literal["fast", "exact"] = Field("fast", description="How")


@step(shape="frame")
def scale(image: Image, config: ScaleConfig) -> Image:
    """Scale an image."""
    return image


class ShiftConfig(StepConfig):
    by: float = Field(0.0, description="Offset")


@step(shape="frame")
def shift(image: Image, config: ShiftConfig) -> Image:
    """Shift an image."""
    return image
'''


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    file = tmp_path / "steps.py"
    file.write_text(STEPS)
    stage = Stage("only", "file", (f"{file}:scale", f"{file}:shift"))
    return Pipeline("test", "", (Raw,), (stage,), lambda sources, out: [])


def toml(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def test_precedence_and_origin(pipeline: Pipeline, tmp_path: Path) -> None:
    file = toml(tmp_path, "[scale]\nfactor = 3.0\n[shift]\nby = 1.5\n")
    resolved = resolve(pipeline, file=file, settings=["shift.by=7"])
    assert resolved.configs["scale"].factor == 3.0
    assert resolved.configs["shift"].model_dump() == {"by": 7.0}
    assert resolved.origins == {
        ("scale", "factor"): str(file),
        ("shift", "by"): "command line",
    }


def test_parameter_references_are_weaker_than_what_was_given(pipeline: Pipeline) -> None:
    step = pipeline.steps()["scale"]
    given = resolve(pipeline, settings=["scale.factor=3"]).configs["scale"]
    files = {"pars-scalestep": {"name": "pars.asdf", "sha256": "0"}}
    found = Parameters({"factor": 2.0, "mode": "exact"}, files=files)
    config = with_parameters(step, given.model_dump(exclude_unset=True), found)
    assert config.model_dump() == {"factor": 3.0, "mode": "exact"}
    assert with_parameters(step, {}, found).model_dump()["factor"] == 2.0
    with pytest.raises(ConfigError, match=r"pars\.asdf: scale\.mode = 'slow'"):
        with_parameters(step, {}, Parameters({"mode": "slow"}, files=files))


def test_the_last_context_named_is_taken_and_is_no_file(pipeline: Pipeline, tmp_path: Path) -> None:
    file = toml(tmp_path, '[references]\ncontext = "roman_0001.pmap"\ndark = "d.asdf"\n')
    assert resolve(pipeline, file=file).context == "roman_0001.pmap"
    resolved = resolve(pipeline, file=file, settings=["references.context=roman-edit"])
    assert resolved.context == "roman-edit"
    assert list(resolved.references) == ["dark"]


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        (["scal.factor=2"], "unknown step 'scal'", "scale"),
        (["scale.facter=2"], "unknown parameter scale.facter", "factor"),
        (["scale.factor=-1"], "greater than 0", "aqueduct config"),
        (["scale.factor=big"], "valid number", "aqueduct config"),
        (["scale.mode=slow"], "'fast' or 'exact'", "aqueduct config"),
        (["scale"], "not understood", "step.field=value"),
        (["pipeline.skp=['scale']"], "unknown key pipeline.skp", "skip"),
    ],
)
def test_bad_settings(pipeline: Pipeline, settings: list[str], message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(pipeline, settings=settings)
    assert message in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize("text", ["[scale", "factor = 2", "\x00"])
def test_bad_file(pipeline: Pipeline, tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(pipeline, file=toml(tmp_path, text))
    assert "config.toml" in str(caught.value)


def test_absent_file(pipeline: Pipeline, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        resolve(pipeline, file=tmp_path / "none.toml")


def test_edits_are_relative_to_the_file(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STEPS.replace("def shift", "def extra"))
    file = toml(tmp_path, '[pipeline]\nskip = ["shift"]\nafter.scale = "mine.py:extra"\n')
    resolved = resolve(pipeline, file=file)
    assert list(resolved.configs) == ["scale", "extra"]
    assert resolved.skipped == ("shift",)


def test_replaced_step_brings_its_own_parameters(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STEPS.replace("factor", "gain"))
    file = toml(tmp_path, '[scale]\ngain = 2\n[pipeline]\nreplace.scale = "mine.py:scale"\n')
    assert resolve(pipeline, file=file).configs["scale"].model_dump()["gain"] == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('replace.nothing = "mine.py:scale"', "no step 'nothing'"),
        ('replace.scale = "absent.py:scale"', "no such file"),
        ('replace.scale = "no.such.module:scale"', "no module"),
        ('replace.scale = "config.toml"', "names no step"),
        ("replace = 3", "malformed"),
    ],
)
def test_bad_edits(pipeline: Pipeline, tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve(pipeline, file=toml(tmp_path, f"[pipeline]\n{table}\n"))
