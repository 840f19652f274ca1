"""``run(pipeline, inputs, config)``: the Python twin of ``aqueduct run``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from aqueduct import io
from aqueduct.core.config import nearest
from aqueduct.core.errors import AqueductError, ConfigError, InputError
from aqueduct.core.step import Product
from aqueduct.references import References, default_root
from aqueduct.run import graph, ledger
from aqueduct.run.config import Resolved, resolve
from aqueduct.run.forecast import Forecast, check_space, forecast
from aqueduct.run.job import Job, Outcome
from aqueduct.run.pipeline import Pipeline, Source, Unit, step_name

RAD_DEFAULT: Final[io.Generation] = "2.1.0"
"""The newest schema generation that the released romancal reads."""


class Watcher:
    """Follows a run. This one stays silent; the command line draws progress bars."""

    def planned(self, units: Sequence[Unit], expected: Forecast) -> None:
        """Hear what will be done and what it will take, before it starts."""

    def progress(self, unit: Unit, outcome: Outcome | None, step: str, fraction: float) -> None:
        """Hear how far a unit is; ``outcome`` is None until it ends."""


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    outcomes: tuple[Outcome, ...]

    @property
    def files(self) -> list[Path]:
        """Every product made or found made, once each."""
        return list(dict.fromkeys(path for outcome in self.outcomes for path in outcome.files))

    @property
    def errors(self) -> list[AqueductError]:
        """What went wrong; not what merely followed from it."""
        found = (outcome.error for outcome in self.outcomes if not outcome.consequence)
        return [error for error in found if error is not None]


def pipeline_names() -> list[str]:
    """The pipelines that installed packages offer."""
    return sorted(entry.name for entry in entry_points(group="aqueduct.pipelines"))


def named(name: str) -> Pipeline:
    """The pipeline called ``name``.

    Raises
    ------
    ConfigError
        If no installed package offers it.
    """
    found = entry_points(group="aqueduct.pipelines", name=name)
    for entry in found:
        pipeline: Pipeline = entry.load()
        return pipeline
    raise ConfigError(f"no pipeline {name!r}", hint=nearest(name, pipeline_names()))


def run(
    pipeline: str | Pipeline,
    inputs: str | Path | Iterable[str | Path],
    config: str | Path | Mapping[str, Mapping[str, Any]] | None = None,
    *,
    out: str | Path = ".",
    preset: str | None = None,
    settings: Sequence[str] = (),
    since: str | None = None,
    until: str | None = None,
    save: Sequence[str] = (),
    skip: Sequence[str] = (),
    references: str | Path | References | None = None,
    rad: io.Generation = RAD_DEFAULT,
    jobs: int = 1,
    scheduler: str | None = None,
    watcher: Watcher | None = None,
    check: bool = True,
) -> Summary:
    """Run a pipeline on files.

    Parameters
    ----------
    pipeline : str or Pipeline
        ``exposure``, ``mosaic``, ``catalog``, or a value of your own.
    inputs : path or iterable of paths
        Product files or associations.
    config : path or mapping, optional
        A TOML file, or the same as nested mappings.
    out : path
        Folder of the products; made if absent.
    preset : str, optional
        One of the pipeline's own configurations, weaker than ``config``.
    settings : sequence of str
        ``step.field=value``; stronger than ``config``.
    since, until : str, optional
        First and last step. ``since`` starts from a product saved by an earlier run.
    save, skip : sequence of str
        Steps whose product is written as well; steps left out (the product says so).
    references : path or References, optional
        Root of a reference cache; the default is :func:`aqueduct.references.default_root`.
    rad : {"2.1.0", "2.2.0"}
        Schema generation to write.
    jobs : int
        Units at a time, each in a process of its own when more than one.
    scheduler : str, optional
        Address of a Dask scheduler to run on instead.
    watcher : Watcher, optional
        Hears of progress.
    check : bool
        Raise the first error at the end; otherwise errors stay in the summary.

    Returns
    -------
    Summary

    Raises
    ------
    AqueductError
        See :mod:`aqueduct.core.errors`. What other units finished stays.
    """
    chosen = named(pipeline) if isinstance(pipeline, str) else pipeline
    resolved = _resolve(chosen, preset, config, settings, skip)
    store = _store(references, resolved)
    folder = io.prepare_folder(Path(out))
    sources = _sources(inputs, resolved.pipeline, since)
    units = resolved.pipeline.plan(sources, folder)
    units = _between(resolved.pipeline, units, since, until, save)
    watcher = watcher or Watcher()
    expected = forecast(resolved.pipeline, units, max(jobs, 1))
    check_space(folder, expected.disk)
    watcher.planned(units, expected)
    work = _jobs(resolved, _recorded(chosen, resolved), store, rad, since, until, save)
    outcomes = _run(units, work, jobs, scheduler, watcher, folder)
    summary = Summary(tuple(outcomes))
    if check and summary.errors:
        raise summary.errors[0]
    return summary


def _resolve(
    pipeline: Pipeline,
    preset: str | None,
    config: str | Path | Mapping[str, Mapping[str, Any]] | None,
    settings: Sequence[str],
    skip: Sequence[str],
) -> Resolved:
    if isinstance(config, Mapping):
        return resolve(pipeline, preset=preset, values=config, settings=settings, skip=skip)
    file = Path(config) if config is not None else None
    return resolve(pipeline, preset=preset, file=file, settings=settings, skip=skip)


def _store(references: str | Path | References | None, resolved: Resolved) -> References:
    if isinstance(references, References):
        named_here = {**references.overrides, **resolved.references}
        context = resolved.context or references.context
        return References(references.root, context, named_here)
    root = Path(references) if references is not None else default_root()
    return References(root, resolved.context or None, resolved.references)


def _sources(
    inputs: str | Path | Iterable[str | Path], pipeline: Pipeline, since: str | None
) -> list[Source]:
    paths = [inputs] if isinstance(inputs, str | Path) else list(inputs)
    if not paths:
        raise InputError("no input files", hint=f"aqueduct run {pipeline.name} FILE... --out DIR")
    sources = [Source(Path(path), io.peek(path)) for path in paths]
    for source in sources if since is None else ():
        found = source.header.product
        if found not in pipeline.reads:
            wanted = " or ".join(kind.__name__ for kind in pipeline.reads)
            raise InputError(
                f"pipeline {pipeline.name} reads {wanted}; this is {found.__name__}",
                where=str(source.path),
                hint=_instead(found),
            )
    return sources


def _instead(kind: type[Product]) -> str:
    """Which pipeline reads this product."""
    for name in pipeline_names():
        if kind in named(name).reads:
            return f"aqueduct run {name} does"
    return "see what it is with `aqueduct show`"


def _between(
    pipeline: Pipeline,
    units: list[Unit],
    since: str | None,
    until: str | None,
    save: Sequence[str],
) -> list[Unit]:
    """Leave out the stages before ``since`` and after ``until``, and those without steps."""
    places: dict[str, list[int]] = {}
    for number, stage in enumerate(pipeline.stages):
        for where in stage.steps:
            places.setdefault(step_name(where), []).append(number)
    for name in (since, until, *save):
        if name is not None and name not in places:
            raise ConfigError(
                f"no step {name!r} in pipeline {pipeline.name}", hint=nearest(name, places)
            )
    first = places[since][0] if since else 0
    last = places[until][-1] if until else len(pipeline.stages) - 1
    wanted = {stage.name for stage in pipeline.stages[first : last + 1] if stage.has_work}
    return [unit for unit in units if unit.stage in wanted]


def _recorded(pipeline: Pipeline, resolved: Resolved) -> tuple[str, ...]:
    """Names under which ``meta.cal_step`` records the steps left out."""
    if not resolved.skipped:
        return ()
    steps = pipeline.steps()
    names = (steps[name].cal_step for name in resolved.skipped if name in steps)
    return tuple(name for name in names if name is not None)


def _jobs(
    resolved: Resolved,
    skipped_status: tuple[str, ...],
    references: References,
    rad: io.Generation,
    since: str | None,
    until: str | None,
    save: Sequence[str],
) -> dict[str, Job]:
    # What is not given is left to parameter references, which differ from unit to unit.
    configs = {
        name: config.model_dump(exclude_unset=True) for name, config in resolved.configs.items()
    }
    return {
        stage.name: Job(
            stage=stage,
            configs=configs,
            references=references,
            rad=rad,
            pipeline=resolved.pipeline.name,
            skipped=resolved.skipped,
            skipped_status=skipped_status,
            save=tuple(save),
            since=since,
            until=until,
        )
        for stage in resolved.pipeline.stages
    }


def _run(
    units: list[Unit],
    jobs: dict[str, Job],
    count: int,
    scheduler: str | None,
    watcher: Watcher,
    folder: Path,
) -> list[Outcome]:
    outcomes = []
    if count <= 1 and scheduler is None:
        for outcome in graph.run_here(units, jobs, watcher.progress):
            ledger.record(folder, outcome)
            outcomes.append(outcome)
        return outcomes
    # A worker of a scheduler given by address decides by its own cores.
    each = graph.threads_each(count) if scheduler is None else 0
    shared = {name: replace(job, threads=each) for name, job in jobs.items()}
    with graph.cluster(count, scheduler) as client:
        for outcome in graph.run_on(client, units, shared, watcher.progress):
            ledger.record(folder, outcome)
            outcomes.append(outcome)
    # Workers end in any order; what follows from the files must not depend on it.
    order = {unit.name: number for number, unit in enumerate(units)}
    return sorted(outcomes, key=lambda outcome: order[outcome.unit.name])
