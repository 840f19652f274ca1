"""The step: one pure function and one frozen config, and the registry of them.

What a step reads and writes is taken from its annotations and declared nowhere
else. A parameter may be

* a product type, or ``list`` of one      what the step works on
* a reference type                        found by the runner; ``T | None``: if there is one
* ``config: SomeStepConfig``              its parameters
* ``rng: numpy.random.Generator``         its source of randomness
* ``state``                               what ``prepare`` returned (block steps)

Four shapes cover every step:

``block``  some rows of one readout channel, all resultants; may have
           ``prepare(frame, ...) -> state`` and a ``halo`` in pixels
``frame``  one whole product
``group``  a list of products, gives a list
``fold``   returns a :class:`Fold`, fed one member at a time
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeVar

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import ConfigError

Shape = Literal["block", "frame", "group", "fold"]
Member = TypeVar("Member", contravariant=True)
Result = TypeVar("Result", covariant=True)


class Fold(Protocol[Member, Result]):
    """An accumulator: members go in one at a time, the result comes out."""

    def add(self, member: Member) -> None: ...

    def finish(self) -> Result: ...


class Product:
    """Marks a type as something that steps hand on."""


class Reference:
    """Marks a type as a reference the runner finds. ``reftype`` is its CRDS name."""

    reftype: typing.ClassVar[str]


@dataclass(frozen=True)
class Parameter:
    """One product or reference argument of a step."""

    name: str
    kind: type[Any]
    many: bool = False
    optional: bool = False


@dataclass(frozen=True)
class Step:
    """A registered step. Calling it calls the function."""

    name: str
    shape: Shape
    function: Callable[..., Any]
    config: type[StepConfig]
    products: tuple[Parameter, ...]
    references: tuple[Parameter, ...]
    gives: tuple[Parameter, ...]
    member: type | None
    prepare: Callable[..., Any] | None
    halo: Callable[[Any], int]
    unused: Callable[[Any], Collection[str]]
    cal_step: str | None
    uses_rng: bool
    uses_state: bool
    redoable: bool
    summary: str = field(compare=False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


_registry: dict[str, Step] = {}


def step(
    *,
    shape: Shape,
    prepare: Callable[..., Any] | None = None,
    halo: Callable[[Any], int] | None = None,
    unused: Callable[[Any], Collection[str]] | None = None,
    cal_step: str | None = None,
    redoable: bool = False,
) -> Callable[[Callable[..., Any]], Step]:
    """Register a function as a step.

    Parameters
    ----------
    shape : {"block", "frame", "group", "fold"}
        How the runner feeds it.
    prepare : callable, optional
        Block steps: a cheap first look at the whole frame. Takes the frame, and by
        name any of the step's references and its config; returns the ``state``.
    halo : callable, optional
        Block steps: pixels needed around a block, from the config.
    unused : callable, optional
        From the config, the names of optional references that it leaves unused: they are
        not looked for.
    cal_step : str, optional
        Name under which ``meta.cal_step`` records it, if the schema has one.
    redoable : bool
        True if the step changes nothing that an earlier step reads, so that it may be
        run again on a finished product.
    """

    def register(function: Callable[..., Any]) -> Step:
        made = _describe(function, shape, prepare, halo, unused, cal_step, redoable)
        # A user's own step is named where it is used; it must not shadow ours for all.
        if function.__module__.startswith("aqueduct."):
            _registry[made.name] = made
        return made

    return register


def _describe(
    function: Callable[..., Any],
    shape: Shape,
    prepare: Callable[..., Any] | None,
    halo: Callable[[Any], int] | None,
    unused: Callable[[Any], Collection[str]] | None,
    cal_step: str | None,
    redoable: bool,
) -> Step:
    name = function.__name__
    hints = typing.get_type_hints(function)
    products, references = [], []
    config: type[StepConfig] | None = None
    uses_rng = uses_state = False
    for argument in inspect.signature(function).parameters:
        if argument == "state":
            uses_state = True
            continue
        hint = hints.get(argument)
        kind, many = _unwrap(hint)
        if argument == "config":
            config = kind
        elif argument == "rng":
            uses_rng = True
        elif kind is not None and issubclass(kind, Reference):
            references.append(Parameter(argument, kind, optional=kind is not hint))
        elif kind is not None and issubclass(kind, Product):
            products.append(Parameter(argument, kind, many))
        else:
            raise ConfigError(
                f"parameter {argument!r} is annotated {hint!r}",
                where=f"step {name}",
                hint="use a product or reference type, or name it config, rng or state",
            )
    if config is None or not issubclass(config, StepConfig):
        raise ConfigError(
            "a step needs a parameter `config` annotated with a StepConfig", where=f"step {name}"
        )
    if uses_state != (prepare is not None):
        raise ConfigError("`prepare` and a `state` parameter go together", where=f"step {name}")
    member, gives = _outcome(hints.get("return"), shape, name)
    return Step(
        name=name,
        shape=shape,
        function=function,
        config=config,
        products=tuple(products),
        references=tuple(references),
        gives=gives,
        member=member,
        prepare=prepare,
        halo=halo or _no_halo,
        unused=unused or _none_unused,
        cal_step=cal_step,
        uses_rng=uses_rng,
        uses_state=uses_state,
        redoable=redoable,
        summary=(inspect.getdoc(function) or "").split("\n\n")[0].replace("\n", " "),
    )


def _no_halo(config: StepConfig) -> int:
    return 0


def _none_unused(config: StepConfig) -> Collection[str]:
    return ()


def _unwrap(hint: Any) -> tuple[type | None, bool]:
    """(T, False) for T and ``T | None``, (T, True) for list[T]."""
    if isinstance(hint, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not types.NoneType]
        hint = kinds[0] if len(kinds) == 1 else hint
    if typing.get_origin(hint) is list:
        return typing.get_args(hint)[0], True
    return (hint, False) if isinstance(hint, type) else (None, False)


def _outcome(hint: Any, shape: Shape, name: str) -> tuple[type | None, tuple[Parameter, ...]]:
    """The member type (fold only) and the product types a step returns."""
    if shape == "fold":
        member, result = typing.get_args(hint)
        return member, (Parameter("result", result),)
    parts = typing.get_args(hint) if typing.get_origin(hint) is tuple else (hint,)
    gives = []
    for part in parts:
        kind, many = _unwrap(part)
        if kind is None or not issubclass(kind, Product):
            raise ConfigError(f"returns {hint!r}, which is no product", where=f"step {name}")
        gives.append(Parameter(kind.__name__.lower(), kind, many))
    return None, tuple(gives)


def registered() -> Iterator[Step]:
    """Every step of this package whose module has been imported."""
    yield from _registry.values()
