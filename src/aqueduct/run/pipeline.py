"""Pipelines as values: stages of steps, and the units of work they are cut into.

A stage names its steps as ``module:function``, so that listing a pipeline imports
nothing. A user's step is named the same way, or as ``path/to/file.py:function``.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from aqueduct.core.config import nearest
from aqueduct.core.errors import ConfigError
from aqueduct.core.step import Product, Step
from aqueduct.io import Header

Missing = Literal["wait", "proceed", "fail"]


@dataclass(frozen=True)
class Stage:
    """Steps that run together on one unit of work.

    Attributes
    ----------
    name : str
    unit : str
        What one unit is, in words: ``exposure+detector``, ``sky cell+filter+group``.
    steps : tuple of str
        ``module:function``, in order.
    missing : {"wait", "proceed", "fail"}
        What to do when a member of a unit could not be made: leave the unit for a later
        run, go on with those present, or count it as failed.
    memory : tuple of int
        Bytes one unit takes at its peak, as measured: fixed, and for each member more.
    skips : tuple of str
        Names under which ``meta.cal_step`` records the steps that other stages do and its
        products never see.
    main : str
        The step without which the stage has nothing to do; the others follow from it.
    """

    name: str
    unit: str
    steps: tuple[str, ...]
    missing: Missing = "fail"
    memory: tuple[int, int] = (1 << 30, 0)
    skips: tuple[str, ...] = ()
    main: str = ""

    @property
    def has_work(self) -> bool:
        """Whether any step is left, the main one included if there is one."""
        names = [step_name(where) for where in self.steps]
        return self.main in names if self.main else bool(names)


@dataclass(frozen=True)
class Unit:
    """One piece of work: a stage applied to some inputs.

    Attributes
    ----------
    stage, key : str
        The stage and a name unique within it.
    inputs : tuple of Path
        Product files read.
    outputs : dict of type to tuple of Path
        Where each product goes; one path for each member.
    given : tuple of Product
        Products known beforehand, such as the sky cell.
    meta : dict
        Metadata for the result that no input holds, such as the association.
    """

    stage: str
    key: str
    inputs: tuple[Path, ...]
    outputs: dict[type[Product], tuple[Path, ...]]
    given: tuple[Product, ...] = ()
    meta: dict[str, object] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The unit's name within a run."""
        return f"{self.stage}-{self.key}"

    @property
    def files(self) -> tuple[Path, ...]:
        """All output files."""
        return tuple(path for paths in self.outputs.values() for path in paths)


@dataclass(frozen=True)
class Source:
    """An input file and what its header says."""

    path: Path
    header: Header


@dataclass(frozen=True)
class OnRequest:
    """A step that is put in when the user names the file it needs.

    Attributes
    ----------
    reftype : str
        Of the file, as in ``[references]``.
    step : str
        ``module:function``.
    before : str
        Name of the step it comes before.
    """

    reftype: str
    step: str
    before: str


@dataclass(frozen=True)
class Pipeline:
    """A composition of stages.

    Attributes
    ----------
    name, summary : str
    reads : tuple of type
        What the inputs may be.
    stages : tuple of Stage
    plan : callable
        (inputs, output folder) -> the units of all stages, in an order that runs.
    on_request : tuple of OnRequest
    presets : dict of str to Path
        Named configuration files that come with the pipeline.
    """

    name: str
    summary: str
    reads: tuple[type[Product], ...]
    stages: tuple[Stage, ...]
    plan: Callable[[Sequence[Source], Path], list[Unit]]
    on_request: tuple[OnRequest, ...] = ()
    presets: Mapping[str, Path] = field(default_factory=dict)

    def stage(self, name: str) -> Stage:
        return next(stage for stage in self.stages if stage.name == name)

    def steps(self) -> dict[str, Step]:
        """Every step by name, in order; imports their modules."""
        return {step.name: step for stage in self.stages for step in map(load_step, stage.steps)}


def load_step(where: str) -> Step:
    """The step at ``module:function`` or ``file.py:function``.

    Raises
    ------
    ConfigError
        If there is no such module, file or function, or it is no step.
    """
    module_name, _, name = where.rpartition(":")
    if not module_name:
        raise ConfigError(
            f"{where!r} names no step", hint="write it as module:function or file.py:function"
        )
    found = getattr(_module(module_name, where), name, None)
    if not isinstance(found, Step):
        raise ConfigError(
            f"{name!r} is no step",
            where=module_name,
            hint="decorate the function with @step(shape=...)",
        )
    return found


def _module(name: str, where: str) -> object:
    if not name.endswith(".py"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ConfigError(
                f"no module {error.name!r}", where=where, hint="is it installed?"
            ) from error
    path = Path(name).expanduser().resolve()
    if not path.is_file():
        raise ConfigError(
            "no such file", where=str(path), hint="paths are relative to the configuration file"
        )
    # The digest keeps two files of one name apart and picks up an edited one.
    unique = f"_user_step_{hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:16]}"
    if unique not in sys.modules:
        spec = importlib.util.spec_from_file_location(unique, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[unique] = module
        try:
            spec.loader.exec_module(module)
        except Exception as error:
            del sys.modules[unique]
            raise ConfigError(f"could not be imported: {error!r}", where=str(path)) from error
    return sys.modules[unique]


@dataclass(frozen=True)
class Edits:
    """Changes a configuration makes to a pipeline, by step name.

    Attributes
    ----------
    skip : tuple of str
        Steps left out; the product says so.
    replace, before, after : dict of str to str
        Step name to ``module:function`` or ``file.py:function``.
    """

    skip: tuple[str, ...] = ()
    replace: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


def step_name(where: str) -> str:
    """The name of the step at ``where``, without importing it."""
    return where.rpartition(":")[2]


def requested(pipeline: Pipeline, reftypes: Collection[str]) -> Pipeline:
    """``pipeline`` with the steps whose files the user has named."""
    for entry in pipeline.on_request:
        if entry.reftype in reftypes:
            pipeline = edited(pipeline, Edits(before={entry.before: entry.step}))
    return pipeline


def edited(pipeline: Pipeline, edits: Edits) -> Pipeline:
    """``pipeline`` with steps left out, replaced and inserted.

    Raises
    ------
    ConfigError
        If an edit names a step the pipeline lacks.
    """
    known = [step_name(where) for stage in pipeline.stages for where in stage.steps]
    for name in (*edits.skip, *edits.replace, *edits.before, *edits.after):
        if name not in known:
            raise ConfigError(
                f"no step {name!r} in pipeline {pipeline.name}", hint=nearest(name, known)
            )
    stages = tuple(replace(stage, steps=_edit(stage.steps, edits)) for stage in pipeline.stages)
    return replace(pipeline, stages=stages)


def _edit(steps: tuple[str, ...], edits: Edits) -> tuple[str, ...]:
    new: list[str] = []
    for where in steps:
        name = step_name(where)
        if name in edits.before:
            new.append(edits.before[name])
        if name not in edits.skip:
            new.append(edits.replace.get(name, where))
        if name in edits.after:
            new.append(edits.after[name])
    return tuple(new)
