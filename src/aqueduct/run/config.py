"""Resolve a run's configuration.

Defaults < parameter reference < preset < user file < command line.

The file is TOML: one table a step, and two of the runner's own::

    [ramp_fit]
    rejection_threshold = 5.0

    [pipeline]                       # steps by name
    skip = ["refpix"]
    replace.dark = "my_steps.py:dark"
    after.flat = "my_steps.py:despike"

    [references]                     # use this file, whatever the rules select
    dark = "my_dark.asdf"
    context = "roman_0042.pmap"      # the rules to select by
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aqueduct.core.config import StepConfig, nearest
from aqueduct.core.errors import ConfigError
from aqueduct.core.step import Step
from aqueduct.references.parameters import Parameters
from aqueduct.run.pipeline import Edits, Pipeline, edited, requested

_OWN = ("pipeline", "references")


@dataclass(frozen=True)
class Layer:
    """One source of parameters: where they came from, and the values by step."""

    origin: str
    values: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Resolved:
    """What a run will use.

    Attributes
    ----------
    pipeline : Pipeline
        With the user's steps in place.
    configs : dict of str to StepConfig
        By step name.
    origins : dict of (step, field) to str
        Where each value came from.
    references : dict of str to Path
        Reference files named by the user, by type.
    context : str
        The CRDS context named by the user, as ``references.context``; empty if none is.
    skipped : tuple of str
    """

    pipeline: Pipeline
    configs: dict[str, StepConfig]
    origins: dict[tuple[str, str], str]
    references: dict[str, Path] = field(default_factory=dict)
    context: str = ""
    skipped: tuple[str, ...] = ()


def resolve(
    pipeline: Pipeline,
    *,
    preset: str | None = None,
    file: Path | None = None,
    values: Mapping[str, Mapping[str, Any]] | None = None,
    settings: Sequence[str] = (),
    skip: Sequence[str] = (),
) -> Resolved:
    """Combine the layers of a run into validated step configs.

    Parameter references, the weakest, are of an exposure: see :func:`with_parameters`.

    Parameters
    ----------
    pipeline : Pipeline
    preset : str, optional
        One of the pipeline's own configurations, weaker than the file.
    file : Path, optional
        TOML configuration.
    values : mapping, optional
        The same as nested mappings, from Python.
    settings : sequence of str
        ``step.field=value`` from the command line; the value is read as TOML, and as a
        plain string where it is none.
    skip : sequence of str
        Steps to leave out, besides those the file leaves out.

    Raises
    ------
    ConfigError
        For a file that can't be read, an unknown step or field (the nearest match is
        named), or a value out of bounds.
    """
    layers: list[Layer] = []
    if preset is not None:
        layers.append(Layer(f"preset {preset}", _read(_preset(pipeline, preset))))
    base = Path.cwd()
    if file is not None:
        layers.append(Layer(str(file), _read(file)))
        base = file.resolve().parent
    if values is not None:
        layers.append(Layer("argument", {name: dict(table) for name, table in values.items()}))
    layers.append(Layer("command line", _parse(settings)))
    edits = _edits(layers, skip, base)
    references = _references(layers, base)
    made = edited(requested(pipeline, references), edits)
    steps = made.steps()
    known = [*steps, *edits.skip, *_OWN]
    configs: dict[str, dict[str, Any]] = {name: {} for name in steps}
    origins: dict[tuple[str, str], str] = {}
    for layer in layers:
        for name, values in layer.values.items():
            if name not in known:
                raise ConfigError(
                    f"unknown step {name!r}", where=layer.origin, hint=nearest(name, known)
                )
            for key, value in values.items() if name in steps else ():
                _check_key(steps[name], key, layer.origin)
                configs[name][key] = value
                origins[name, key] = layer.origin
    return Resolved(
        pipeline=made,
        configs={name: _build(step, configs[name], origins) for name, step in steps.items()},
        origins=origins,
        references=references,
        context=_context(layers),
        skipped=edits.skip,
    )


def with_parameters(step: Step, given: Mapping[str, Any], found: Parameters) -> StepConfig:
    """A step's config for one exposure: what the run was given over parameter references.

    Parameters
    ----------
    step : Step
    given : mapping
        What preset, file and command line set of it, by field.
    found : Parameters
        What the parameter references for the exposure say of it.

    Raises
    ------
    ConfigError
        If a value is out of bounds.
    """
    files = ", ".join(entry["name"] for entry in found.files.values())
    origins = {(step.name, key): files for key in found.values.keys() - given.keys()}
    return _build(step, {**found.values, **given}, origins)


def _preset(pipeline: Pipeline, name: str) -> Path:
    if name not in pipeline.presets:
        raise ConfigError(
            f"pipeline {pipeline.name} has no preset {name!r}", hint=nearest(name, pipeline.presets)
        )
    return pipeline.presets[name]


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        content = tomllib.loads(file.read_text())
    except OSError as error:
        raise ConfigError(
            f"can't be read: {error.strerror}", where=str(file), hint="check the path of --config"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"is not valid TOML: {error}",
            where=str(file),
            hint="tables are [step], values step.field as `aqueduct config` lists them",
        ) from error
    for name, table in content.items():
        if not isinstance(table, dict):
            raise ConfigError(
                f"{name!r} is outside any table", where=str(file), hint="put it under [step]"
            )
    return content


def _parse(settings: Sequence[str]) -> dict[str, dict[str, Any]]:
    values: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        name, dot, entry = key.strip().partition(".")
        if not (equals and dot and name and entry):
            raise ConfigError(
                f"--set {setting!r} is not understood", hint="write --set step.field=value"
            )
        values.setdefault(name, {})[entry] = _value(text.strip())
    return values


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _edits(layers: Sequence[Layer], skip: Sequence[str], base: Path) -> Edits:
    edits = Edits(skip=tuple(skip))
    for layer in layers:
        table = layer.values.get("pipeline", {})
        for key in table:
            if key not in ("skip", "replace", "before", "after"):
                raise ConfigError(
                    f"unknown key pipeline.{key}",
                    where=layer.origin,
                    hint=nearest(key, ("skip", "replace", "before", "after")),
                )
        try:
            edits = replace(
                edits,
                skip=(*edits.skip, *table.get("skip", ())),
                **{
                    key: {**getattr(edits, key), **_located(table.get(key, {}), base)}
                    for key in ("replace", "before", "after")
                },
            )
        except (AttributeError, TypeError) as error:
            raise ConfigError(
                "[pipeline] is malformed",
                where=layer.origin,
                hint='write e.g. replace.dark = "my_steps.py:dark"',
            ) from error
    return edits


def _located(entries: Mapping[str, str], base: Path) -> dict[str, str]:
    """File names made absolute: they are relative to the configuration file."""
    return {
        name: str(base / where) if ".py:" in where else where for name, where in entries.items()
    }


def _references(layers: Sequence[Layer], base: Path) -> dict[str, Path]:
    return {
        name: (base / str(path)).resolve()
        for layer in layers
        for name, path in layer.values.get("references", {}).items()
        if name != "context"
    }


def _context(layers: Sequence[Layer]) -> str:
    named = [layer.values.get("references", {}).get("context", "") for layer in layers]
    return str(next(filter(None, reversed(named)), ""))


def _check_key(step: Step, key: str, origin: str) -> None:
    if key not in step.config.model_fields:
        raise ConfigError(
            f"unknown parameter {step.name}.{key}",
            where=origin,
            hint=nearest(key, step.config.model_fields)
            if step.config.model_fields
            else "it has none",
        )


def _build(
    step: Step, values: Mapping[str, Any], origins: Mapping[tuple[str, str], str]
) -> StepConfig:
    try:
        return step.config(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else ""
        raise ConfigError(
            f"{step.name}.{key} = {values.get(key)!r}: {first['msg']}",
            where=origins.get((step.name, key), ""),
            hint=f"see `aqueduct config` for what {step.name} takes",
        ) from error
