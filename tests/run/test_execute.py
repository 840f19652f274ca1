"""One unit after another in this process: kept, taken over, failed, interrupted."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import toys
from sameness import assert_same, assert_same_file, hidden, products, times_made

from aqueduct import io
from aqueduct.core.errors import ConfigError, InputError, InternalError
from aqueduct.run import ledger

FIRST = f"r{toys.VISIT}_0001_wfi01_f158"


def steps_run(summary):
    """Names of the steps that ran, by stage."""
    return {
        outcome.unit.stage: [name for name in outcome.readings if name != "write"]
        for outcome in summary.outcomes
    }


def statuses(summary):
    return [(outcome.unit.stage, outcome.status) for outcome in summary.outcomes]


def stamps(folder):
    return {path: (folder / path).stat().st_mtime_ns for path in products(folder)}


def with_bad_member(images, folder):
    """The images, one of which can't be scaled."""
    folder.mkdir()
    bad = io.read(images[0])
    path = folder / images[0].name
    io.write(dataclasses.replace(bad, data=np.full_like(bad.data, 666)), path)
    return [path, *images[1:]]


# ---------------------------------------------------------------------- kept and redone
def test_a_second_run_keeps_everything(take, tmp_path):
    first = take(tmp_path)
    assert statuses(first) == [*[("make", "made")] * 3, ("align", "made"), ("stack", "made")]
    before = stamps(tmp_path)
    again = take(tmp_path)
    assert {status for _, status in statuses(again)} == {"kept"}
    assert again.files == first.files
    assert stamps(tmp_path) == before
    assert max(times_made(tmp_path).values()) == 1


def test_the_same_run_elsewhere_makes_the_same(take, straight, tmp_path):
    take(tmp_path)
    assert_same(tmp_path, straight)


@pytest.mark.parametrize(
    ("settings", "ran"),
    [
        ("level.plus=1", {"make": [], "align": ["level"], "stack": ["add"]}),
        ("label.threshold=1", {"make": ["label"], "align": ["level"], "stack": ["add"]}),
        (
            "speckle.amount=2",
            {"make": ["scale", "speckle", "label"], "align": ["level"], "stack": ["add"]},
        ),
    ],
)
def test_another_parameter_redoes_what_depends_on_it(take, tmp_path, settings, ran):
    old, new = tmp_path / "old", tmp_path / "new"
    take(old)
    assert steps_run(take(old, settings=[settings])) == ran
    take(new, settings=[settings])
    assert_same(old, new)


def test_a_checkpoint_saves_the_steps_before_it(take, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    take(old, save=["scale"])
    checkpoint = io.read(old / f"{FIRST}_scale.asdf")
    assert checkpoint.meta["cal_step"]["dark"] == "COMPLETE"
    assert checkpoint.meta["cal_step"]["flat_field"] == "INCOMPLETE"
    summary = take(old, settings=["speckle.amount=2"])
    assert steps_run(summary)["make"] == ["speckle", "label"]
    take(new, save=["scale"], settings=["speckle.amount=2"])
    assert_same(old, new)


def test_until_and_from_end_where_the_straight_run_does(take, straight, tmp_path):
    part, rest = tmp_path / "part", tmp_path / "rest"
    stopped = take(part, until="speckle")
    assert [path.name for path in stopped.files] == [
        f"r{toys.VISIT}_{number:04d}_wfi01_f158_speckle.asdf" for number in (1, 2, 3)
    ]
    assert products(part) == sorted(Path(path.name) for path in stopped.files)
    summary = take(rest, inputs=stopped.files, since="label")
    assert steps_run(summary)["make"] == ["label"]
    assert_same(rest, straight)


def test_an_edited_user_step_is_run_again(images, tmp_path):
    from aqueduct.run import run

    source = tmp_path / "mine.py"
    source.write_text(toys.HERE.read_text())
    options = {"out": tmp_path / "out", "references": tmp_path / "none"}
    config = {"pipeline": {"replace": {"speckle": f"{source}:speckle"}}}
    run(toys.PIPELINE, images, config, **options)
    source.write_text(source.read_text().replace("image.data + noise", "image.data - noise"))
    summary = run(toys.PIPELINE, images, config, **options)
    assert steps_run(summary)["make"] == ["scale", "speckle", "label"]
    source.write_text(source.read_text().replace("    noise =", "    # Drawn\n    noise ="))
    assert {status for _, status in statuses(run(toys.PIPELINE, images, config, **options))} == {
        "kept"
    }


def test_a_damaged_product_is_made_again(take, straight, tmp_path):
    take(tmp_path)
    path = tmp_path / f"{FIRST}_cal.asdf"
    path.write_bytes(path.read_bytes()[:300])
    summary = take(tmp_path)
    assert statuses(summary)[:2] == [("make", "made"), ("make", "kept")]
    assert_same(tmp_path, straight)


# ------------------------------------------------------------------------ what is recorded
def test_a_step_left_out_is_recorded(take, tmp_path):
    take(tmp_path, skip=["speckle"])
    header = io.peek(tmp_path / f"{FIRST}_cal.asdf")
    assert header.meta["cal_step"]["flat_field"] == "SKIPPED"
    assert header.meta["cal_step"]["dark"] == header.meta["cal_step"]["tweakreg"] == "COMPLETE"
    assert header.meta["cal_step"]["refpix"] == "INCOMPLETE"
    assert header.recipe["skipped"] == ["speckle"]
    assert all("speckle" not in line for line in header.meta["cal_logs"])


def test_a_stage_whose_only_step_is_left_out_does_not_run(take, tmp_path):
    summary = take(tmp_path, skip=["level"])
    assert statuses(summary) == [("make", "made")] * 3 + [("stack", "made")]
    header = io.peek(tmp_path / f"{FIRST}_cal.asdf")
    assert header.meta["cal_step"]["tweakreg"] == "SKIPPED"
    assert "toy" not in header.meta and header.recipe["skipped"] == ["level"]


def test_the_ledger_has_a_line_for_each_unit(take, tmp_path):
    take(tmp_path)
    lines = list(ledger.lines(tmp_path))
    assert [line["status"] for line in lines] == ["made"] * 5
    assert lines[0]["files"] == [f"{FIRST}_cal.asdf", f"{FIRST}_segm.asdf"]
    assert set(lines[0]["steps"]) == {"scale", "speckle", "label", "write"}
    assert all(reading["resident"] > 0 for reading in lines[0]["steps"].values())


# ---------------------------------------------------------------------------------- faults
def test_a_failed_member_costs_what_needs_it(take, images, straight, tmp_path):
    out = tmp_path / "out"
    inputs = with_bad_member(images, tmp_path / "bad")
    summary = take(out, inputs=inputs, check=False)
    assert statuses(summary) == [
        ("make", "failed"),
        ("make", "made"),
        ("make", "made"),
        ("align", "made"),  # goes on with those present
        ("stack", "failed"),  # does not
    ]
    assert not (out / "stack_segm.asdf").exists()
    (cause,) = summary.errors  # said once, not again for what follows from it
    assert "beast" in str(cause)
    consequence = summary.outcomes[-1].error
    assert "1 of 3 members" in str(consequence)
    assert FIRST in consequence.hint
    assert [line["error"] is not None for line in ledger.lines(out)] == [
        status == "failed" for _, status in statuses(summary)
    ]
    mended = take(out)
    assert statuses(mended) == [
        ("make", "made"),
        ("make", "kept"),
        ("make", "kept"),
        ("align", "made"),
        ("stack", "made"),
    ]
    assert_same(out, straight)


def test_a_unit_may_wait_for_its_members(take, images, tmp_path):
    patient = dataclasses.replace(toys.STACK, missing="wait")
    pipeline = dataclasses.replace(toys.PIPELINE, stages=(toys.MAKE, toys.ALIGN, patient))
    inputs = with_bad_member(images, tmp_path / "bad")
    summary = take(tmp_path / "out", inputs=inputs, pipeline=pipeline, check=False)
    assert statuses(summary)[-1] == ("stack", "waiting")
    assert len(summary.errors) == 1
    assert [line["status"] for line in ledger.lines(tmp_path / "out")][-1] == "waiting"


def test_errors_are_raised_at_the_end(take, images, tmp_path):
    with pytest.raises(InputError, match="beast"):
        take(tmp_path / "out", inputs=with_bad_member(images, tmp_path / "bad"))
    assert (tmp_path / "out" / images[1].name).exists()


def test_a_defect_is_told_from_a_mistake(images, tmp_path):
    from aqueduct.run import run

    source = tmp_path / "mine.py"
    source.write_text(toys.HERE.read_text().replace("config.amount, image", "1 / 0, image"))
    config = {"pipeline": {"replace": {"speckle": f"{source}:speckle"}}}
    with pytest.raises(InternalError, match=f"make {FIRST}: ZeroDivisionError"):
        run(toys.PIPELINE, images[:1], config, out=tmp_path / "out", references=tmp_path)
    assert products(tmp_path / "out") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"until": "speckel"}, "did you mean 'speckle'"),
        ({"save": ["labels"]}, "did you mean 'label'"),
        ({"since": "label", "until": "scale"}, "--from label comes after --until scale"),
        ({"skip": ["scal"]}, "did you mean 'scale'"),
    ],
)
def test_parts_of_a_pipeline_that_are_not_there(take, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        take(tmp_path, **options)
    assert products(tmp_path) == []


RUN = """
import os, signal, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from toys import PIPELINE
from aqueduct.run import run
def die(descriptor):
    os.kill(os.getpid(), signal.SIGKILL)
if sys.argv[2] == "die":
    os.fsync = die
run(PIPELINE, [Path(p) for p in sys.argv[4:]], out=sys.argv[3], references=sys.argv[3])
"""


def start(out, images, mode):
    words = [sys.executable, "-c", RUN, str(toys.HERE.parent), mode, str(out), *map(str, images)]
    return subprocess.Popen(words, stderr=subprocess.PIPE)


def test_a_run_killed_in_the_middle_of_writing_leaves_no_part(take, images, straight, tmp_path):
    killed = start(tmp_path, images, "die")
    killed.communicate()
    assert killed.returncode == -9
    (left,) = hidden(tmp_path)
    assert [path.parent for path in products(tmp_path)] == [Path(left.name)]  # out of sight
    take(tmp_path)
    assert hidden(tmp_path) == []
    assert_same(tmp_path, straight)


def test_two_runs_in_one_folder(images, straight, tmp_path):
    runs = [start(tmp_path, images, "live") for _ in range(2)]
    assert [run.communicate()[1] for run in runs] == [b"", b""]
    assert [run.returncode for run in runs] == [0, 0]
    assert len(list(ledger.lines(tmp_path))) == 10
    assert hidden(tmp_path) == []
    assert_same(tmp_path, straight)


def test_noise_is_drawn_from_the_recipe(straight, images, take, tmp_path):
    take(tmp_path, settings=["scale.factor=3"])
    one, other = (io.read(folder / f"{FIRST}_cal.asdf").data for folder in (straight, tmp_path))
    raw = io.read(images[0]).data
    assert np.abs((one - 2 * raw) - (other - 3 * raw)).max() > 0.1
    with pytest.raises(AssertionError, match="recipe"):
        assert_same_file(straight / f"{FIRST}_cal.asdf", tmp_path / f"{FIRST}_cal.asdf")
