"""What a unit is about to make, and what of it is there already."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqueduct import io
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import ConfigError, InputError
from aqueduct.core.step import Parameter, Product, Step
from aqueduct.products import Catalog
from aqueduct.references import References, parameters
from aqueduct.run.config import with_parameters
from aqueduct.run.job import Job
from aqueduct.run.pipeline import Unit, load_step
from aqueduct.run.recipe import Input, Recipe, restart

Outputs = dict[type[Product], tuple[Path, ...]]
Used = dict[str, dict[str, str]]
Metas = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Target:
    """A unit's steps with their configs, and the recipe of the result.

    Attributes
    ----------
    offset : int
        Links the input's recipe had before the first step (``--from``).
    metas : list of dict
        Metadata of each member, by which references are selected.
    used : dict
        Name and sha256 of every reference file, by type.
    context : str
        The CRDS context they were selected by; empty if no step needs any.
    earlier : dict of Path to Recipe
        For outputs that revise an input: that input's recipe before the revision.
    skipped : tuple of str
        Names under which ``meta.cal_step`` records the steps left out, on request or by
        the stage.
    """

    steps: list[Step]
    configs: list[StepConfig]
    recipe: Recipe
    offset: int
    outputs: Outputs
    metas: list[dict[str, Any]]
    used: Used
    context: str
    earlier: dict[Path, Recipe]
    skipped: tuple[str, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All output files."""
        return tuple(itertools.chain.from_iterable(self.outputs.values()))

    def after(self, count: int) -> Recipe:
        """The recipe after the first ``count`` steps."""
        return self.recipe.first(self.offset + count)


def aim(unit: Unit, job: Job) -> Target:
    """Work out the target of a unit from its inputs' headers; reads no arrays."""
    headers = [io.peek(path) for path in unit.inputs]
    steps = _range([load_step(where) for where in job.stage.steps], job)
    metas = [header.meta for header in headers if header.product is not Catalog]
    # What a step sees together is configured by the first, as its references are chosen.
    said = [
        parameters(job.references, step, metas[0] if metas else {}, job.pipeline) for step in steps
    ]
    left_out = [step for step, found in zip(steps, said, strict=True) if found.skip]
    said = [found for found in said if not found.skip]
    steps = [step for step in steps if step not in left_out]
    configs = [
        with_parameters(step, job.configs[step.name], found)
        for step, found in zip(steps, said, strict=True)
    ]
    recipe = _start(unit, job, headers, [step.name for step in left_out])
    offset = len(recipe.links)
    used: Used = {}
    for step, config, found in zip(steps, configs, said, strict=True):
        needs = {**references_of(step, config, job.references, metas), **found.files}
        recipe = recipe.extended(step, config, needs)
        used.update(needs)
    kinds = {entry.kind for step in steps for entry in step.gives}
    kinds |= {header.product for header in headers}
    outputs = {kind: paths for kind, paths in unit.outputs.items() if kind in kinds}
    if job.until is not None and steps[-1].name == job.until:
        outputs = {steps[-1].gives[0].kind: (checkpoint(unit, job.until),)}
    return Target(
        steps=steps,
        configs=configs,
        recipe=recipe,
        offset=offset,
        outputs=outputs,
        metas=metas,
        used=used,
        context=job.references.context if used.keys() - job.references.overrides.keys() else "",
        earlier=_earlier(unit, headers),
        skipped=(
            *job.skipped_status,
            *job.stage.skips,
            *(step.cal_step for step in left_out if step.cal_step is not None),
        ),
    )


def _range(steps: Sequence[Step], job: Job) -> list[Step]:
    """The steps from ``--from`` to ``--until``."""
    names = [step.name for step in steps]
    first = names.index(job.since) if job.since in names else 0
    last = names.index(job.until) + 1 if job.until in names else len(names)
    if first >= last:
        raise ConfigError(f"--from {job.since} comes after --until {job.until}")
    return list(steps[first:last])


def _start(unit: Unit, job: Job, headers: Sequence[io.Header], left_out: Sequence[str]) -> Recipe:
    """The recipe the first step builds on."""
    if job.since is not None and len(headers) == 1 and headers[0].recipe is not None:
        return Recipe.from_dict(headers[0].recipe)
    inputs = tuple(
        Input(path.name, _identity(path, header, unit, job.references))
        for path, header in zip(unit.inputs, headers, strict=True)
    )
    names = [getattr(product, "name", type(product).__name__) for product in unit.given]
    given = {"rad": job.rad, "stage": job.stage.name, "products": names, **unit.meta}
    return Recipe(inputs, given=given, skipped=(*job.skipped, *left_out))


def _identity(path: Path, header: io.Header, unit: Unit, references: References) -> str:
    """Recipe identifier of an input; sha256 for one that has none."""
    if header.recipe is None:
        return references.digest(path)
    recipe = Recipe.from_dict(header.recipe)
    return recipe.earlier.id if path in unit.files and recipe.earlier else recipe.id


def wanted(
    step: Step, config: StepConfig, references: References, meta: Mapping[str, Any]
) -> list[Parameter]:
    """The references a step is given: of those it can do without, where there is one."""
    unused = step.unused(config)
    return [
        entry
        for entry in step.references
        if entry.name not in unused
        and (not entry.optional or references.applies(entry.kind.reftype, meta))
    ]


def references_of(step: Step, config: StepConfig, references: References, metas: Metas) -> Used:
    """Name and sha256 of each reference file a step needs, for every member."""
    used: Used = {}
    for parameter in step.references:
        reftype = parameter.kind.reftype
        # A step that sees the members together uses the references of the first.
        members = metas[:1] if step.shape in ("group", "fold") else metas
        paths = dict.fromkeys(
            references.find(reftype, meta)
            for meta in members
            if parameter in wanted(step, config, references, meta)
        )
        for number, path in enumerate(paths):
            key = reftype if number == 0 else f"{reftype}[{number}]"
            used[key] = {"name": path.name, "sha256": references.digest(path)}
    return used


def checkpoint(unit: Unit, step: str) -> Path:
    """The file of the intermediate product after ``step``."""
    main = unit.files[0]
    return main.with_name(f"{main.name.rpartition('_')[0]}_{step}.asdf")


def _earlier(unit: Unit, headers: Sequence[io.Header]) -> dict[Path, Recipe]:
    found = {}
    for path, header in zip(unit.inputs, headers, strict=True):
        if path in unit.files and header.recipe is not None:
            recipe = Recipe.from_dict(header.recipe)
            found[path] = recipe.earlier or recipe
    return found


def complete(target: Target) -> bool:
    """Whether every output exists and is what would be made.

    A product that a later stage has revised counts as what it was before.
    """
    for path in target.files:
        found = _recipe_of(path)
        if found is None:
            return False
        if target.recipe.id not in (found.id, found.earlier.id if found.earlier else ""):
            return False
    return True


def _recipe_of(path: Path) -> Recipe | None:
    """The recipe in a file; None for a file that is absent, unreadable or not ours."""
    if not path.exists():
        return None
    try:
        recipe = io.peek(path).recipe
    except InputError:
        return None
    return Recipe.from_dict(recipe) if recipe else None


def revised_with(path: Path, target: Target) -> set[str]:
    """Reference types that a later stage, not ``target``, used on the file at ``path``."""
    recipe = _recipe_of(path)
    if recipe is None or recipe.earlier is None:
        return set()
    return {kind for link in recipe.links for kind in link.references} - set(target.used)


def restarts(unit: Unit, target: Target) -> list[tuple[Path, int]]:
    """Files to take over from and the step to go on with, furthest first."""
    if set(unit.inputs) & set(unit.files) or len(unit.inputs) > 1:
        return []
    found = []
    for path in [*(checkpoint(unit, step.name) for step in target.steps), *target.files[:1]]:
        recipe = _recipe_of(path)
        position = restart(target.recipe, recipe) - target.offset if recipe else 0
        if 0 < position < len(target.steps):
            found.append((path, position))
    return sorted(found, key=lambda entry: -entry[1])
