"""Parameter references reach a run: unit by unit, weaker than what the user sets."""

from __future__ import annotations

import asdf
import pytest
import toys

from aqueduct import io
from aqueduct.run import run


@pytest.fixture
def made(images, tmp_path):
    def call(parameters, settings=(), out="out"):
        file = tmp_path / "pars.asdf"
        tree = {"class": "x.Speckle", "name": "speckle", "parameters": parameters, "steps": []}
        asdf.AsdfFile(tree).write_to(file)
        config = {"references": {"pars-specklestep": str(file)}}
        options = {"out": tmp_path / out, "references": tmp_path / "none", "settings": settings}
        summary = run(toys.PIPELINE, images, config, **options)
        paths = [path for path in summary.files if path.name.endswith("_cal.asdf")]
        return [io.peek(path).recipe for path in paths]

    return call


def step(recipe):
    links = recipe.get("earlier", recipe)["steps"]
    return next((link for link in links if link["step"] == "speckle"), None)


def test_values_are_used_and_the_file_recorded(made):
    with pytest.warns(UserWarning, match="no parameter nonsense"):
        recipes = made({"amount": 3.0, "nonsense": 1})
    for recipe in recipes:
        link = step(recipe)
        assert link["config"]["amount"] == 3.0
        record = link["references"]["pars-specklestep"]
        assert (record["name"], record["unused"]) == ("pars.asdf", "nonsense")
    assert recipes


def test_the_user_is_stronger(made):
    recipes = made({"amount": 3.0}, ["speckle.amount=4"])
    assert {step(recipe)["config"]["amount"] for recipe in recipes} == {4.0}


def test_a_step_may_be_left_out(made):
    recipes = made({"skip": True})
    assert {step(recipe) for recipe in recipes} == {None}
    assert all("speckle" in recipe.get("earlier", recipe)["skipped"] for recipe in recipes)
