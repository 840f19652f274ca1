"""Other values of a config's fields, and values that they must refuse."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from aqueduct.core.config import StepConfig


def other_values(
    kind: type[StepConfig], field: str, base: dict[str, Any]
) -> Iterator[tuple[Any, StepConfig]]:
    """Valid values that differ from the default, each with its config."""
    default = kind.model_fields[field].default
    for value in _candidates(kind.model_fields[field].annotation, default, _bounds(kind, field)):
        try:
            config = kind(**{**base, field: value})
        except ValidationError:
            continue
        if getattr(config, field) != default:
            yield value, config


def refused(kind: type[StepConfig], field: str) -> list[Any]:
    """Values of the wrong type, and beyond every bound."""
    below_and_above = {"ge": -1, "gt": 0, "le": 1, "lt": 0}
    values: list[Any] = [object(), {"a": 1}]
    annotation = kind.model_fields[field].annotation
    if annotation is not str:
        values.append("no such value")
    if annotation is float:
        values += [math.nan, math.inf, -math.inf]
    if annotation is int:
        values.append(1.5)
    return values + [bound + below_and_above[name] for name, bound in _bounds(kind, field).items()]


def _bounds(kind: type[StepConfig], field: str) -> dict[str, Any]:
    return {
        name: getattr(constraint, name)
        for constraint in kind.model_fields[field].metadata
        for name in ("ge", "gt", "le", "lt")
        if hasattr(constraint, name)
    }


def _candidates(annotation: Any, default: Any, bounds: dict[str, Any]) -> Iterator[Any]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    elif annotation is bool:
        yield not default
    elif annotation in (int, float):
        near = (2 * default, default / 2, default + 1, default - 1, 10 * default, default / 10)
        ends = (bounds[name] for name in ("ge", "le") if name in bounds)
        yield from map(annotation, itertools.chain(near, ends))
