"""The work graph: in this process, on local workers, on a scheduler given by address."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import toys
from sameness import assert_same, hidden, products, times_made

from aqueduct.core.errors import ConfigError
from aqueduct.products import Image
from aqueduct.run import Unit
from aqueduct.run.graph import cluster, depends_on

FIRST = f"r{toys.VISIT}_0001_wfi01_f158"


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    """Address of a scheduler with two worker processes that outlives the runs."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as local:
        yield local.scheduler_address


def statuses(summary):
    """By unit: units end in any order."""
    return {outcome.unit.name: outcome.status for outcome in summary.outcomes}


def replaced(tmp_path, step, old, new):
    """A configuration that takes a step from an edited copy of the toys."""
    source = tmp_path / "mine.py"
    text = toys.HERE.read_text()
    assert old in text
    source.write_text(text.replace(old, new))
    return {"pipeline": {"replace": {step: f"{source}:{step}"}}}


def test_units_depend_on_what_makes_their_inputs():
    a, b, c = Path("a"), Path("b"), Path("c")
    one = Unit("x", "1", (Path("in"),), {Image: (a,)})
    two = Unit("x", "2", (Path("in"),), {Image: (b,)})
    both = Unit("y", "3", (a, b), {Image: (a, b)})  # in place
    last = Unit("z", "4", (b,), {Image: (c,)})
    units = [one, two, both, last]
    assert [depends_on(unit, units) for unit in units] == [[], [], [one, two], [two, both]]


def test_local_workers_make_the_same(take, straight, tmp_path):
    summary = take(tmp_path, jobs=2)
    assert set(statuses(summary).values()) == {"made"}
    assert_same(tmp_path, straight)
    assert hidden(tmp_path) == []


def test_a_scheduler_by_address_makes_the_same(take, straight, scheduler, tmp_path):
    take(tmp_path, scheduler=scheduler)
    assert_same(tmp_path, straight)
    assert set(statuses(take(tmp_path, scheduler=scheduler)).values()) == {"kept"}
    assert set(times_made(tmp_path).values()) == {1}


def test_a_scheduler_does_not_serve_old_results(take, scheduler, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    take(old, scheduler=scheduler)
    take(old, scheduler=scheduler, settings=["speckle.amount=2"])
    take(new, settings=["speckle.amount=2"])
    assert_same(old, new)
    shutil.rmtree(old)
    take(old, scheduler=scheduler, settings=["speckle.amount=2"])
    assert_same(old, new)


def test_workers_see_an_edited_step(take, scheduler, tmp_path):
    for sign, folder in (("+", "plus"), ("-", "minus")):
        config = replaced(tmp_path, "speckle", "image.data + noise", f"image.data {sign} noise")
        take(tmp_path / "on", config=config, scheduler=scheduler)
        take(tmp_path / folder, config=config)
        assert_same(tmp_path / "on", tmp_path / folder)


def test_a_failing_unit_costs_its_dependents_only(take, images, scheduler, tmp_path):
    summary = take(
        tmp_path / "out",
        config=replaced(
            tmp_path, "scale", "data == 666", f'meta["filename"] == "{FIRST}_cal.asdf"'
        ),
        scheduler=scheduler,
        check=False,
    )
    assert statuses(summary) == {
        f"make-{FIRST}": "failed",
        f"make-{FIRST.replace('_0001_', '_0002_')}": "made",
        f"make-{FIRST.replace('_0001_', '_0003_')}": "made",
        "align-all": "made",
        "stack-all": "failed",
    }
    (cause,) = summary.errors
    assert "beast" in str(cause)
    assert not any(FIRST in path.name for path in products(tmp_path / "out"))


def test_units_that_wait_do_so_on_workers_too(take, scheduler, tmp_path):
    patient = dataclasses.replace(toys.STACK, missing="wait")
    pipeline = dataclasses.replace(toys.PIPELINE, stages=(toys.MAKE, toys.ALIGN, patient))
    config = replaced(tmp_path, "scale", "np.any(image.data == 666)", "True")
    options = {"pipeline": pipeline, "config": config, "scheduler": scheduler, "check": False}
    summary = take(tmp_path / "out", **options)
    assert statuses(summary)["stack-all"] == "waiting"
    assert statuses(summary)["align-all"] == "failed"  # no member is left


def test_a_worker_that_dies_costs_no_product(take, straight, tmp_path):
    flag = tmp_path / "died"
    death = f"""Path({str(flag)!r})
    if not flag.exists() and "_0002_" in image.meta["filename"]:
        flag.touch()
        import os
        os.kill(os.getpid(), 9)
    noise = rng.normal("""
    config = replaced(tmp_path, "speckle", "noise = rng.normal(", f"flag = {death}")
    take(tmp_path / "out", config=config, jobs=2)
    assert flag.exists()
    take(tmp_path / "calm", config=config)
    assert_same(tmp_path / "out", tmp_path / "calm")
    assert products(tmp_path / "out") == products(straight)


@pytest.mark.parametrize("address", ["nonsense://here", "tcp://127.0.0.1:1"])
def test_no_scheduler_at_the_address(address, monkeypatch):
    with (
        pytest.raises(ConfigError, match="no Dask scheduler answers") as caught,
        cluster(1, address),
    ):
        pass
    assert address in str(caught.value)
    assert "dask scheduler" in caught.value.hint
