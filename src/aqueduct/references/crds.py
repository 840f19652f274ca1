"""The selection rules of CRDS.

A pipeline mapping (``.pmap``) names an instrument mapping (``.imap``), which names one
reference mapping (``.rmap``) for each type. They are texts of Python literals; a
reference mapping nests selectors in the order of the ``parkey`` in its header:

``Match``
    A key has a value for each of its parameters. ``*`` and ``|`` are wild card and
    alternatives, ``N/A`` means "don't care". The key that matches most parameters (those
    it does not care about aside) wins; keys that tie are merged.
``UseAfter``
    The latest date not after the exposure's start wins; in a merge, the greater file name.

Where a nested selector finds nothing the next best key is tried. Everything is parsed
as literals: nothing in a mapping is ever executed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import translate
from pathlib import Path
from typing import Any

from aqueduct.core.errors import ReferenceError

NOT_APPLICABLE = "N/A"
UNDEFINED = "UNDEFINED"

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_SPECIAL = re.compile(r"^[({#<>]|^(NOT|BETWEEN)\s")
# Header entries that would change the selection; no Roman mapping has any of them.
_UNSUPPORTED = ("rmap_relevance", "rmap_omit", "parkey_relevance", "substitutions", "hooks")


@dataclass(frozen=True)
class Match:
    """Choices by tuples of values."""

    rules: dict[tuple[str, ...], Any]


@dataclass(frozen=True)
class UseAfter:
    """Choices by first date of validity."""

    rules: dict[datetime, Any]


@dataclass(frozen=True)
class Rules:
    """A parsed mapping.

    Attributes
    ----------
    header : dict
    selector : dict, Match or UseAfter
        A dictionary of names for a pipeline or instrument mapping.
    """

    name: str
    header: dict[str, Any]
    selector: Any

    @property
    def parameters(self) -> tuple[tuple[str, ...], ...]:
        """The parameters of each nested selector, such as ``ROMAN.META.INSTRUMENT.DETECTOR``."""
        levels = self.header["parkey"]
        return tuple((level,) if isinstance(level, str) else tuple(level) for level in levels)

    def choose(self, values: Mapping[str, str]) -> str:
        """The file name for ``values`` of the parameters, or ``N/A``.

        Raises
        ------
        LookupError
            If no rule matches.
        """
        for key in _UNSUPPORTED:
            if self.header.get(key) not in (None, "", "always", "none", {}):
                raise ReferenceError(
                    f"rule {key} is not supported", where=self.name, hint="report it"
                )
        return str(_choose(self.selector, self.parameters, values))


def parse(path: Path) -> Rules:
    """Read a mapping.

    Raises
    ------
    ReferenceError
        If it can't be read, or has anything in it but literals and known selectors.
    """
    try:
        statements = ast.parse(path.read_text()).body
        found = {
            target.id: statement.value
            for statement in statements
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        header = ast.literal_eval(found["header"])
        return Rules(path.name, header, _selector(found["selector"]))
    except (OSError, SyntaxError, ValueError, TypeError, KeyError) as error:
        raise ReferenceError(
            f"not a CRDS mapping: {error}",
            where=str(path),
            hint="sync the reference cache again, or make it with `aqueduct references make`",
        ) from error


def _selector(node: ast.expr) -> Any:
    """A selector, a dictionary of names, or a name."""
    if isinstance(node, ast.Dict):
        return _pairs(node)
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    kind = node.func.id if isinstance(node.func, ast.Name) else ""
    if kind not in ("Match", "UseAfter") or len(node.args) != 1 or node.keywords:
        raise ValueError(f"selector {ast.unparse(node.func)} is not supported")
    argument = node.args[0]
    if not isinstance(argument, ast.Dict):
        raise ValueError(f"{kind} needs a dictionary")
    rules = _pairs(argument)
    if kind == "UseAfter":
        return UseAfter({datetime.fromisoformat(key): value for key, value in rules.items()})
    return Match(
        {
            tuple(conditioned(part) for part in (key if isinstance(key, tuple) else (key,))): value
            for key, value in rules.items()
        }
    )


def _pairs(node: ast.Dict) -> dict[Any, Any]:
    return {
        ast.literal_eval(key): _selector(value)
        for key, value in zip(node.keys, node.values, strict=True)
        if key is not None
    }


def conditioned(value: Any) -> str:
    """A value as CRDS compares it: upper case, numbers as floats, aliases resolved."""
    if isinstance(value, tuple | list):
        return "|".join(conditioned(part) for part in value)
    text = str(value).strip().upper()
    if "|" in text:
        return "|".join(conditioned(part) for part in text.split("|"))
    if _NUMBER.fullmatch(text):
        text = str(float(text))
    aliases = {
        "ANY": "*",
        "TRUE": "T",
        "FALSE": "F",
        "NOT APPLICABLE": NOT_APPLICABLE,
        "NOT_APPLICABLE": NOT_APPLICABLE,
    }
    return aliases.get(text, text)


def _choose(selector: Any, levels: tuple[tuple[str, ...], ...], values: Mapping[str, str]) -> Any:
    if isinstance(selector, Match):
        return _choose_match(selector, levels, values)
    if isinstance(selector, UseAfter):
        return _choose_date(selector, levels, values)
    return selector


def _choose_match(
    selector: Match, levels: tuple[tuple[str, ...], ...], values: Mapping[str, str]
) -> Any:
    given = [conditioned(values.get(name, UNDEFINED)) for name in levels[0]]
    by_weight: dict[int, list[Any]] = {}
    for key, choice in selector.rules.items():
        if len(key) != len(given):
            raise ReferenceError(f"key {key} does not fit parameters {levels[0]}")
        weights = [_weight(part, value) for part, value in zip(key, given, strict=True)]
        if None not in weights:
            by_weight.setdefault(sum(filter(None, weights)), []).append(choice)
    shown = ", ".join(f"{name}={value}" for name, value in zip(levels[0], given, strict=True))
    failure = LookupError(f"no rule for {shown}")
    for weight in sorted(by_weight, reverse=True):
        try:
            return _choose(_merged(by_weight[weight]), levels[1:], values)
        except LookupError as error:
            failure = error
    raise failure


def _weight(key: str, value: str) -> int | None:
    """1 for a match, 0 for "don't care", None for no match."""
    if key == NOT_APPLICABLE:
        return 0
    if _SPECIAL.match(key):
        raise ReferenceError(f"match expression {key!r} is not supported")
    if value in (key, "*"):
        return 1
    if value == NOT_APPLICABLE:
        return 0
    return 1 if any(re.match(translate(part), value) for part in key.split("|")) else None


def _merged(choices: list[Any]) -> Any:
    """One choice out of several that match equally well."""
    first, *others = choices
    if not others:
        return first
    if not all(isinstance(choice, UseAfter) for choice in choices):
        raise ReferenceError(
            f"ambiguous: {len(choices)} rules match equally well", hint="report it to CRDS"
        )
    merged: dict[datetime, Any] = {}
    for choice in choices:
        for date, file in choice.rules.items():
            merged[date] = max(merged.get(date, file), file)
    return UseAfter(merged)


def _choose_date(
    selector: UseAfter, levels: tuple[tuple[str, ...], ...], values: Mapping[str, str]
) -> Any:
    text = " ".join(values.get(name, UNDEFINED) for name in levels[0])
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise LookupError(f"{' '.join(levels[0])}={text} is no date") from None
    dates = [date for date in selector.rules if date <= when]
    if not dates:
        raise LookupError(f"no rule for {' '.join(levels[0])}={text}: all begin later")
    return _choose(selector.rules[max(dates)], levels[1:], values)
