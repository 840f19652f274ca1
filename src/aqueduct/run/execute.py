"""Run one unit of work: the same function in this process and on a worker.

It works out the recipe of what it is about to make, leaves alone what is already
there, takes over from the latest usable product, runs the steps, and writes the
results whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np

from aqueduct import io
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import AqueductError, InputError, InternalError
from aqueduct.core.step import Parameter, Product, Step
from aqueduct.core.threads import limited
from aqueduct.products.meta import updated
from aqueduct.products.references import FileReference
from aqueduct.references import References
from aqueduct.run import blocks
from aqueduct.run.finish import finished, identified
from aqueduct.run.job import Job, Outcome, Report
from aqueduct.run.meter import Meter, Reading
from aqueduct.run.pipeline import Unit
from aqueduct.run.target import Target, aim, checkpoint, complete, restarts, revised_with, wanted

Bag = dict[type[Product], list[Any]]
"""The products in hand, by type, one for each member."""


def execute(unit: Unit, job: Job, report: Report | None = None) -> Outcome:
    """Make what ``unit`` promises, or find it made.

    Errors raised on purpose come back in the outcome, so that other units go on; any
    other exception is a defect and is wrapped as one.
    """
    try:
        with limited(job.threads):
            return _execute(unit, job, report or (lambda step, fraction: None))
    except AqueductError as error:
        error.where = error.where or _place(unit)
        error.hint = error.hint or "see what it is with `aqueduct show`"
        return Outcome(unit, "failed", error=error)
    except Exception as error:
        wrapped = InternalError(
            f"{type(error).__name__}: {error}",
            where=f"{unit.stage} {unit.key}",
            hint="run again with --debug and report it",
        )
        wrapped.__cause__ = error
        return Outcome(unit, "failed", error=wrapped)


def _place(unit: Unit) -> str:
    """Where an error arose, if no one could say it better."""
    return str(unit.inputs[0]) if len(unit.inputs) == 1 else f"{unit.stage} {unit.key}"


def _execute(unit: Unit, job: Job, report: Report) -> Outcome:
    target = aim(unit, job)
    if complete(target):
        return Outcome(unit, "kept", target.files)
    _preload(tuple(target.outputs), job.rad)
    bag, start = _load(unit, target)
    readings = _run(unit, job, target, bag, start, report)
    with Meter() as meter:
        for kind, paths in target.outputs.items():
            for product, path in zip(bag[kind], paths, strict=True):
                _write(product, path, target, len(target.steps), unit, job)
    return Outcome(unit, "made", target.files, {**readings, "write": meter.reading})


@cache
def _preload(kinds: tuple[type[Product], ...], rad: io.Generation) -> None:
    """Load what writing will need, once a process, while the first products are made."""

    def load() -> None:
        for kind in kinds:
            io.preload(kind, rad)

    Thread(target=load, name="preload", daemon=True).start()


def _load(unit: Unit, target: Target) -> tuple[Bag, int]:
    """The products to begin with, and the step to begin at."""
    given: Bag = {type(product): [product] for product in unit.given}
    for path, position in restarts(unit, target):
        product = io.read(path)
        if _needed(target.steps[position:]) <= {type(product), *given}:
            fresh = _forgotten(product, target.steps[position:])
            before = _unrevised(fresh, revised_with(path, target))
            return {**given, type(product): [before]}, position
    bag = given
    for path in unit.inputs:
        product = io.read(path)
        bag.setdefault(type(product), []).append(_forgotten(product, target.steps))
    if missing := _needed(target.steps) - set(bag):
        kinds = ", ".join(sorted(kind.__name__ for kind in missing))
        raise InputError(
            f"step {target.steps[0].name} works on {kinds}, which the input is not",
            where=str(unit.inputs[0]),
            hint="see what it is with `aqueduct show`",
        )
    return bag, 0


def _forgotten(product: Any, steps: Sequence[Step]) -> Any:
    """``product`` without what an earlier run of these redoable steps said of itself."""
    status = product.meta.get("cal_step")
    again = [step.cal_step for step in steps if step.redoable and step.cal_step]
    if not status or not again:
        return product
    new = {name: "INCOMPLETE" for name in again if name in status}
    return replace(product, meta=updated(product.meta, cal_step=new))


def _unrevised(product: Any, kinds: set[str]) -> Any:
    """``product`` without the references of a later stage, which will record them again."""
    record = product.meta.get("ref_file")
    if not record or not kinds:
        return product
    kept = {kind: name for kind, name in record.items() if kind not in kinds}
    return replace(product, meta={**product.meta, "ref_file": kept})


def _needed(steps: Sequence[Step]) -> set[type[Product]]:
    """Product types that ``steps`` need and do not make themselves."""
    needed: set[type[Product]] = set()
    made: set[type[Product]] = set()
    for step in steps:
        wanted = {parameter.kind for parameter in step.products}
        if step.member is not None:
            wanted.add(step.member)
        needed |= wanted - made
        made |= {parameter.kind for parameter in step.gives}
    return needed


def _run(
    unit: Unit, job: Job, target: Target, bag: Bag, start: int, report: Report
) -> dict[str, Reading]:
    """Run the steps from ``start`` on; block steps that follow one another run as a chain."""
    readings = {}
    position = start
    while position < len(target.steps):
        stop = _chain_end(target.steps, position, job.save)
        names = "+".join(step.name for step in target.steps[position:stop])
        report(names, 0.0)
        _identify(bag, target)
        with Meter() as meter:
            if target.steps[position].shape == "block":
                advance = _advance(report, names)
                _run_blocks(target, slice(position, stop), bag, job.references, advance)
            else:
                _run_step(target, position, bag, job.references)
        readings[names] = meter.reading
        last = target.steps[stop - 1]
        if last.name in job.save:
            for product in bag[last.gives[0].kind][:1]:
                _write(product, checkpoint(unit, last.name), target, stop, unit, job)
        position = stop
    return readings


def _identify(bag: Bag, target: Target) -> None:
    """Give what will be written its name: made anew or taken over, steps see the same."""
    for kind, paths in target.outputs.items():
        if len(bag.get(kind, ())) == len(paths):
            bag[kind] = [identified(*pair) for pair in zip(bag[kind], paths, strict=True)]


def _advance(report: Report, names: str) -> Callable[[float], None]:
    return lambda fraction: report(names, fraction)


def _chain_end(steps: Sequence[Step], position: int, save: Sequence[str]) -> int:
    """One past the last step that runs together with ``steps[position]``."""
    stop = position + 1
    while (
        stop < len(steps)
        and steps[stop].shape == steps[position].shape == "block"
        and steps[stop - 1].name not in save
    ):
        stop += 1
    return stop


def _run_blocks(
    target: Target,
    part: slice,
    bag: Bag,
    references: References,
    advance: Callable[[float], None],
) -> None:
    steps, configs = target.steps[part], target.configs[part]
    made = []
    for frame, meta in zip(bag[steps[0].products[0].kind], target.metas, strict=True):
        chain = [
            blocks.bind(step, config, _given(step, config, references, meta), frame)
            for step, config in zip(steps, configs, strict=True)
        ]
        made.append(blocks.stream(frame, chain, advance))
    bag[type(made[0])] = made


def _given(
    step: Step, config: StepConfig, references: References, meta: dict[str, Any]
) -> dict[str, FileReference | None]:
    """The references of a step by name; None for one it does without."""
    found = {
        entry.name: references.get(entry.kind, meta)
        for entry in wanted(step, config, references, meta)
    }
    return {entry.name: found.get(entry.name) for entry in step.references}


def _run_step(target: Target, position: int, bag: Bag, references: References) -> None:
    """Run a frame, group or fold step on the bag."""
    step = target.steps[position]
    extra: dict[str, Any] = {"config": target.configs[position]}
    if step.uses_rng:
        # The recipe up to here is the seed: the same product, the same numbers.
        extra["rng"] = np.random.default_rng(int(target.after(position + 1).id[:16], 16))
    if step.shape == "frame" and not any(parameter.many for parameter in step.products):
        members = [
            _call(
                step,
                bag,
                {**extra, **_given(step, target.configs[position], references, meta)},
                number,
            )
            for number, meta in enumerate(target.metas[: len(bag[step.products[0].kind])])
        ]
        made = [list(products) for products in zip(*members, strict=True)]
    else:
        arguments = {**extra, **_given(step, target.configs[position], references, target.metas[0])}
        made = (_fold if step.shape == "fold" else _together)(step, bag, arguments)
    for parameter, products in zip(step.gives, made, strict=True):
        bag[parameter.kind] = products


def _call(step: Step, bag: Bag, extra: dict[str, Any], member: int) -> list[Any]:
    """Call a step for one member (or with whole lists); one entry for each type it gives."""
    arguments = {entry.name: _choose(entry, bag[entry.kind], member) for entry in step.products}
    result = step.function(**arguments, **extra)
    return list(result) if len(step.gives) > 1 else [result]


def _choose(parameter: Parameter, products: list[Any], member: int) -> Any:
    if parameter.many:
        return products
    return products[member if len(products) > 1 else 0]


def _together(step: Step, bag: Bag, extra: dict[str, Any]) -> list[list[Any]]:
    made = _call(step, bag, extra, 0)
    return [value if entry.many else [value] for entry, value in zip(step.gives, made, strict=True)]


def _fold(step: Step, bag: Bag, extra: dict[str, Any]) -> list[list[Any]]:
    assert step.member is not None
    given = {entry.name: bag[entry.kind][0] for entry in step.products}
    accumulator = step.function(**given, **extra)
    members = bag.pop(step.member)
    while members:  # each is let go as soon as it is added
        accumulator.add(members.pop(0))
    return [[accumulator.finish()]]


def _write(product: Any, path: Path, target: Target, steps: int, unit: Unit, job: Job) -> None:
    """Write a product with its recipe after ``steps`` steps."""
    recipe = target.after(steps)
    if path in target.earlier:
        recipe = recipe.revising(target.earlier[path])
    ready = finished(product, path, recipe, target.steps[:steps], target, unit.meta)
    put = io.revise if path in target.earlier else io.write
    put(ready, path, rad=job.rad, recipe=recipe.to_dict())
