from __future__ import annotations

from pathlib import Path

import asdf
import pytest
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import ReferenceError
from aqueduct.core.step import step
from aqueduct.products import Image
from aqueduct.references import References, parameters
from aqueduct.references.parameters import reftype


class Config(StepConfig):
    rejection_threshold: float = Field(4.5, description="sigma")
    jump_detection: bool = Field(True, description="look for jumps")


@step(shape="frame")
def ramp_fit(image: Image, config: Config) -> Image:
    """A step of that name, not the one that is registered."""
    return image


def pars(path: Path, values, name="RampFitStep", steps=()) -> Path:
    official = f"romancal.step.{name}"
    tree = {"class": official, "name": name, "parameters": values, "steps": list(steps)}
    asdf.AsdfFile(tree).write_to(path)
    return path


@pytest.fixture
def find(tmp_path, meta):
    def call(**files):
        overrides = {name.replace("_", "-"): file for name, file in files.items()}
        store = References(tmp_path / "root", overrides=overrides)
        return parameters(store, ramp_fit, meta, "exposure")

    return call


def test_types_are_the_official_ones():
    names = {name: reftype(name) for name in ("ramp_fit", "dq_init", "dark", "flat", "tweakreg")}
    assert names == {
        "ramp_fit": "pars-rampfitstep",
        "dq_init": "pars-dqinitstep",
        "dark": "pars-darkcurrentstep",
        "flat": "pars-flatfieldstep",
        "tweakreg": "pars-tweakregstep",
    }


def test_without_any_file_there_is_nothing(find):
    found = find()
    assert (found.values, found.skip, found.files) == ({}, False, {})


def test_official_names_become_ours_and_the_rest_is_told(find, tmp_path):
    values = {
        "rejection_threshold": 6.0,
        "use_ramp_jump_detection": False,
        "suffix": "x",
        "maximum_cores": "half",
    }
    file = pars(tmp_path / "p.asdf", values)
    with pytest.warns(UserWarning, match="ramp_fit has no parameter maximum_cores: not used"):
        found = find(pars_rampfitstep=file)
    assert found.values == {"rejection_threshold": 6.0, "jump_detection": False}
    record = found.files["pars-rampfitstep"]
    assert record["name"] == "p.asdf"
    assert record["unused"] == "maximum_cores, suffix"


def test_our_own_names_serve_too(find, tmp_path):
    file = pars(tmp_path / "p.asdf", {"jump_detection": False, "skip": True}, name="ramp_fit")
    found = find(pars_rampfitstep=file)
    assert found.values == {"jump_detection": False}
    assert found.skip


def test_the_pipelines_file_wins(find, tmp_path):
    own = pars(tmp_path / "own.asdf", {"rejection_threshold": 6.0, "skip": True})
    inner = {
        "class": "romancal.step.RampFitStep",
        "name": "ramp_fit",
        "parameters": {"use_ramp_jump_detection": False, "skip": False},
        "steps": [],
    }
    other = {**inner, "class": "romancal.step.RefPixStep", "name": "refpix"}
    whole = pars(tmp_path / "whole.asdf", {"on_disk": True}, "ExposurePipeline", [other, inner])
    found = find(pars_rampfitstep=own, pars_exposurepipeline=whole)
    assert found.values == {"rejection_threshold": 6.0, "jump_detection": False}
    assert not found.skip
    assert list(found.files) == ["pars-rampfitstep", "pars-exposurepipeline"]
    nothing = pars(tmp_path / "nothing.asdf", {}, "ExposurePipeline", [other])
    assert find(pars_exposurepipeline=nothing).files == {}


def test_what_is_no_parameter_reference(find, tmp_path):
    bad = tmp_path / "bad.asdf"
    bad.write_text("text")
    with pytest.raises(ReferenceError, match=r"bad\.asdf: no parameter reference"):
        find(pars_rampfitstep=bad)
    asdf.AsdfFile({"roman": {}}).write_to(bad)
    with pytest.raises(ReferenceError, match="needs class, name, parameters and steps"):
        find(pars_rampfitstep=bad)
