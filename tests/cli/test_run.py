from __future__ import annotations

import re
from pathlib import Path

import pytest

from aqueduct.cli import progress as bars
from aqueduct.cli.progress import Progress, sentence
from aqueduct.cli.run import worst
from aqueduct.core.errors import InputError, InternalError
from aqueduct.run import Summary, Unit
from aqueduct.run.forecast import Forecast
from aqueduct.run.job import Outcome
from aqueduct.run.meter import Reading

UNIT = Unit("calibrate", "x", (Path("x_uncal.asdf"),), {})
READINGS = {"a": Reading(10.0, 1.0, 2**30, 0), "b": Reading(2.34, 1.0, 2**31, 0)}
MADE = Outcome(UNIT, "made", (Path("x_cal.asdf"), Path("x_cat.parquet")), READINGS)
KEPT = Outcome(UNIT, "kept", (Path("y_cal.asdf"),))
FAILED = Outcome(UNIT, "failed", error=InputError("truncated", where="x", hint="copy it again"))


def test_what_became_of_a_unit():
    assert sentence(MADE) == "made x_cal.asdf and 1 more 12.3 s 2.0 GB"
    assert sentence(KEPT) == "kept y_cal.asdf"
    assert sentence(FAILED) == "failed x: truncated"


def test_progress_is_a_line_for_each_unit_without_a_terminal(capsys):
    with Progress() as watcher:
        watcher.planned([UNIT, UNIT], Forecast(2, 2 << 30, 1 << 30))
        watcher.progress(UNIT, None, "dq_init", 0.5)
        watcher.progress(UNIT, MADE, "", 1.0)
        watcher.progress(UNIT, FAILED, "", 1.0)
    forecast, *lines = capsys.readouterr().err.splitlines()
    assert forecast == "2 units, up to 2.0 GB of memory and 1.0 GB of disk"
    assert lines == ["[1/2] made x_cal.asdf and 1 more 12.3 s 2.0 GB", "[2/2] failed x: truncated"]


def test_progress_is_a_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(bars.sys.stderr, "isatty", lambda: True, raising=False)
    with Progress() as watcher:
        watcher.planned([UNIT], Forecast(1, 0, 0))
        watcher.progress(UNIT, None, "dq_init+refpix+flat", 0.5)
        drawn = watcher._bars
        assert drawn is not None
        (task,) = drawn.tasks
        assert (task.description, task.completed, task.fields["step"]) == (
            "calibrate-x",
            0.5,
            "dq_init...flat",
        )
        watcher.progress(UNIT, MADE, "", 1.0)
        assert not task.visible
    assert "[1/1] made" in capsys.readouterr().err


@pytest.fixture
def pretend(monkeypatch):
    """Let the runner end with some outcomes; gives what it was called with."""
    calls = []

    def prepare(*outcomes):
        def run(*args, **options):
            calls.append((args, options))
            return Summary(outcomes)

        monkeypatch.setattr("aqueduct.run.run", run)
        return calls

    return prepare


def test_options_reach_the_runner(call, pretend, tmp_path):
    (calls) = pretend(MADE)
    words = (
        "run exposure a.asdf b.asdf --out o --config c.toml --set dark.scale=2 --set flat.x=1 "
        "--from dark --until flat --save dark --skip refpix --references refs --rad 2.2.0 "
        "--jobs 3 --scheduler tcp://here:1 --preset romancal-1.1 --mask m.reg --attitude a.ecsv"
    )
    assert call(*words.split()).exit_code == 0
    ((args, options),) = calls
    assert args == ("exposure", [Path("a.asdf"), Path("b.asdf")], Path("c.toml"))
    watcher = options.pop("watcher")
    assert isinstance(watcher, Progress)
    assert options == {
        "out": Path("o"),
        "preset": "romancal-1.1",
        "settings": [
            "dark.scale=2",
            "flat.x=1",
            f"references.regions={Path('m.reg').absolute()}",
            f"references.attitude={Path('a.ecsv').absolute()}",
        ],
        "since": "dark",
        "until": "flat",
        "save": ["dark"],
        "skip": ["refpix"],
        "references": Path("refs"),
        "rad": "2.2.0",
        "jobs": 3,
        "scheduler": "tcp://here:1",
        "check": False,
    }


def test_the_table_and_the_errors_come_last(call, pretend):
    pretend(MADE, KEPT, FAILED)
    result = call("run", "exposure", "x", "--out", "o", "--references", "refs")
    assert result.exit_code == 2
    rows = [re.split(r"  +", line) for line in result.stdout.splitlines()]
    assert rows == [
        ["unit", "status", "seconds", "memory", "files"],
        ["calibrate-x", "made", "12.3", "2.0 GB", "x_cal.asdf x_cat.parquet"],
        ["calibrate-x", "kept", "y_cal.asdf"],
        ["calibrate-x", "failed"],
    ]
    assert result.stderr == "error: x: truncated\n  next: copy it again\n"


def test_quiet_prints_errors_only(call, pretend):
    pretend(MADE, FAILED)
    result = call("run", "exposure", "x", "--out", "o", "--references", "refs", "-q")
    assert result.stdout == ""
    assert "truncated" in result.stderr


def test_a_defect_outranks_mistakes():
    assert worst([InputError("a"), InputError("b")]) == 2
    assert worst([InputError("a"), InternalError("b")]) == 1


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.delenv("AQUEDUCT_REFERENCES", raising=False)
    monkeypatch.delenv("CRDS_PATH", raising=False)


def test_the_users_own_set_is_completed_when_no_other_is_named(
    call, pretend, image, monkeypatch, bare, tmp_path
):
    calls = pretend(MADE)
    asked = []

    def ensure(root, metas, note):
        asked.append((root, [meta["instrument"]["detector"] for meta in metas]))
        return tmp_path / "own"

    monkeypatch.setattr("aqueduct.pipelines.make_references.ensure", ensure)
    path = image()
    result = call("run", "exposure", path, "--out", tmp_path)
    assert result.exit_code == 0
    assert asked == [(None, ["WFI01"])]
    assert calls[0][1]["references"] == tmp_path / "own"
    assert "default set of this user" in result.stderr
    call("run", "mosaic", path, "--out", tmp_path)
    assert len(asked) == 1  # no step of it uses references


def test_mistakes_are_told_before_references_are_made(call, image, monkeypatch, bare, tmp_path):
    monkeypatch.setattr(
        "aqueduct.pipelines.make_references.ensure", lambda *args: pytest.fail("made references")
    )
    result = call("run", "mosaic", image(), "--out", tmp_path, "--set", "resample.nonsense=1")
    assert result.exit_code == 2
    assert "unknown parameter" in result.stderr


def test_a_named_set_is_taken_as_it_is(call, pretend, monkeypatch, tmp_path):
    calls = pretend(MADE)
    monkeypatch.setenv("CRDS_PATH", str(tmp_path))
    call("run", "exposure", "x.asdf", "--out", tmp_path)
    assert calls[0][1]["references"] is None
