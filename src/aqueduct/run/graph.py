"""The work graph: units in an order that runs, in this process or on Dask workers.

Both ways call :func:`aqueduct.run.execute.execute`, so the products are the same.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aqueduct.core.errors import ConfigError, InputError
from aqueduct.run.execute import execute
from aqueduct.run.job import Job, Outcome, Report
from aqueduct.run.pipeline import Missing, Unit

if TYPE_CHECKING:
    from distributed import Client

_LOST = ("failed", "waiting")
"""Statuses of units whose products are not there."""

_ALLOCATION = {"MALLOC_MMAP_THRESHOLD_": 1 << 25, "MALLOC_TRIM_THRESHOLD_": 1 << 28}
"""Dask's own lets every block go back to the system: half of the time of a frame went there."""

Watch = Callable[[Unit, Outcome | None, str, float], None]
"""Told (unit, outcome or None while it runs, step, fraction done)."""


def depends_on(unit: Unit, units: Sequence[Unit]) -> list[Unit]:
    """The units before ``unit`` that make something it reads."""
    wanted = set(unit.inputs)
    before = units[: units.index(unit)]
    return [other for other in before if wanted & set(other.files)]


def _ready(unit: Unit, failed: set[Path], missing: Missing) -> Unit | Outcome:
    """The unit as it can run, or what becomes of it, given the files that could not be made."""
    lost = [path for path in unit.inputs if path in failed]
    if not lost:
        return unit
    left = tuple(path for path in unit.inputs if path not in failed)
    if missing == "proceed" and left:
        outputs = {
            kind: tuple(path for path in paths if path not in failed)
            for kind, paths in unit.outputs.items()
        }
        return replace(unit, inputs=left, outputs=outputs)
    if missing == "wait":
        return Outcome(unit, "waiting")
    error = InputError(
        f"{len(lost)} of {len(unit.inputs)} members could not be made",
        where=f"{unit.stage} {unit.key}",
        hint=f"mend the cause for {lost[0].name} and run again; what is complete is kept",
    )
    return Outcome(unit, "failed", error=error, consequence=True)


def run_here(units: Sequence[Unit], jobs: dict[str, Job], watch: Watch) -> Iterator[Outcome]:
    """Run units one after the other in this process."""
    failed: set[Path] = set()
    for unit in units:
        ready = _ready(unit, failed, jobs[unit.stage].stage.missing)
        if isinstance(ready, Outcome):
            outcome = ready
        else:
            outcome = execute(ready, jobs[unit.stage], _reporter(unit, watch))
        if outcome.status in _LOST:
            failed.update(unit.files)
        watch(unit, outcome, "", 1.0)
        yield outcome


def _reporter(unit: Unit, watch: Watch) -> Report:
    return lambda step, fraction: watch(unit, None, step, fraction)


def run_on(
    client: Client, units: Sequence[Unit], jobs: dict[str, Job], watch: Watch
) -> Iterator[Outcome]:
    """Run units on a Dask cluster, each as soon as what it reads is there."""
    from distributed import as_completed

    futures: dict[str, Any] = {}
    # A scheduler that outlives this run remembers results by key.
    this_run = uuid.uuid4().hex[:8]
    of: dict[Any, Unit] = {}
    for unit in units:
        before = [futures[other.name] for other in depends_on(unit, units)]
        future = client.submit(
            _execute_after, unit, jobs[unit.stage], before, key=f"{unit.name}-{this_run}"
        )
        futures[unit.name], of[future] = future, unit
        watch(unit, None, "queued", 0.0)
    for future in as_completed(list(of), loop=client.loop):
        outcome: Outcome = future.result()
        watch(of[future], outcome, "", 1.0)
        yield outcome


def _execute_after(unit: Unit, job: Job, before: Sequence[Outcome]) -> Outcome:
    failed = {path for outcome in before if outcome.status in _LOST for path in outcome.unit.files}
    ready = _ready(unit, failed, job.stage.missing)
    return ready if isinstance(ready, Outcome) else execute(ready, job)


@contextmanager
def cluster(jobs: int, scheduler: str | None) -> Iterator[Client]:
    """A client of the scheduler at an address, or of a local cluster of ``jobs`` processes."""
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ConfigError(
                f"no Dask scheduler answers: {error}",
                where=scheduler,
                hint="start one with `dask scheduler` and `dask worker ADDRESS`",
            ) from error
        with client:
            yield client
        return
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": _ALLOCATION}),
        LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=None,  # it counts mapped files, and workers that pass it stop
        ) as local,
        Client(local, set_as_default=False) as client,
    ):
        yield client


def threads_each(jobs: int) -> int:
    """Threads for each of ``jobs`` processes on this machine."""
    return max(len(os.sched_getaffinity(0)) // jobs, 1)
