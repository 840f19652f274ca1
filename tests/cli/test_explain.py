from __future__ import annotations

import json

import pytest

from aqueduct.cli.explain import identities
from aqueduct.core.provenance import file_digest


@pytest.fixture
def recipe():
    """A recipe of one ramp_fit with a parameter changed, after a dq_init."""

    def make(name="raw.asdf", identity="0" * 64, **more):
        def step(step, config, references):
            return {
                "step": step,
                "id": f"{step:f<64}",
                "source": "",
                "config": config,
                "references": references,
                "redoable": False,
            }

        return {
            "id": f"{'mine':f<64}",
            "inputs": [{"name": name, "id": identity}],
            "given": {"rad": "2.1.0", "stage": "calibrate"},
            "skipped": ["refpix"],
            "steps": [
                step("dq_init", {}, {"mask": {"name": "mask.asdf", "sha256": "abc"}}),
                step("ramp_fit", {"jump_detection": True, "rejection_threshold": 7.5}, {}),
                step("mine", {"strength": 1}, {}),
            ],
            **more,
        }

    return make


def test_steps_references_and_changed_parameters(call, image, recipe):
    lines = call("explain", image(1, recipe())).stdout.splitlines()
    text = "\n".join(lines)
    assert "reference mask: mask.asdf  sha256 abc" in text
    assert any("rejection_threshold = 7.5 * (default " in line for line in lines)
    assert any(line.endswith("jump_detection = True") for line in lines)
    assert any(line.endswith("strength = 1") for line in lines)
    assert "left out on request: refpix" in text
    assert "raw.asdf  000000000000  (not here)" in text


def test_inputs_on_disk_are_followed(call, image, recipe, tmp_path):
    first = image(1)
    second = image(2, recipe(first.name, file_digest(first)))
    third = image(3, recipe(second.name, recipe()["id"]))
    shallow = call("explain", third, "--depth", 1).stdout
    assert "no recipe: not made by Aqueduct" not in shallow
    assert first.name in shallow
    deep = call("explain", third, "--depth", 2).stdout
    assert "no recipe: not made by Aqueduct" in deep
    assert call("explain", third, "--depth", 0).stdout.count("steps (3)") == 1


def test_an_input_that_changed_since_is_told(call, image, recipe, tmp_path):
    other = tmp_path / "elsewhere"
    other.mkdir()
    first = image(1)
    second = image(2, recipe(first.name, "1" * 64))
    assert "another now" in call("explain", second).stdout
    first.rename(other / first.name)
    assert "(not here)" in call("explain", second).stdout
    assert "another now" in call("explain", second, "--in", other).stdout


def test_a_revised_file_shows_what_was_before(call, image, recipe):
    path = image(1)
    before = recipe()
    image(1, recipe(path.name, before["id"], earlier=before))
    text = call("explain", path).stdout
    assert "(this file, as it was earlier)" in text
    assert "earlier: the same file before these steps revised it" in text
    assert identities(path) == (before["id"], before["id"])


def test_the_ledger_gives_cost_and_date(call, image, recipe):
    path = image(1, recipe())
    reading = {"seconds": 12.34, "cpu_seconds": 1.0, "resident": 2**31, "anonymous": 0}
    line = {
        "date": "2027-01-01T00:00:00+00:00",
        "host": "there",
        "stage": "calibrate",
        "status": "made",
        "files": [path.name],
        "steps": {"dq_init+ramp_fit": reading},
    }
    kept = {**line, "status": "kept", "host": "nowhere"}
    other = {**line, "files": ["other.asdf"], "host": "nowhere"}
    ledger = path.with_name("ledger.jsonl")
    ledger.write_text("".join(json.dumps(entry) + "\n" for entry in (line, kept, other)))
    text = call("explain", path).stdout
    assert "calibrate: made 2027-01-01T00:00:00+00:00 on there in 12.3 s with 2.0 GB" in text
    assert "nowhere" not in text


def test_a_file_of_another_tool_tells_what_it_knows(call, image):
    text = call("explain", image()).stdout
    assert "no recipe: not made by Aqueduct" in text
    assert "references (meta.ref_file)" in text
    assert "readnoise: " in text
