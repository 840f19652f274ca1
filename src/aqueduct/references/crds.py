"""The selection rules of CRDS.

A pipeline mapping (``.pmap``) names an instrument mapping (``.imap``), which names one
reference mapping (``.rmap``) for each type. They are texts of Python literals; a
reference mapping nests selectors in the order of the ``parkey`` in its header:

``Match``
    A key has an element for each of its parameters (:mod:`aqueduct.references.match`). The
    key that matches most parameters (those it does not care about aside) wins; keys that
    tie are merged.
``UseAfter``
    The latest date not after the exposure's start wins; in a merge, the greater file name.
    Dates are compared as texts, ``YYYY-MM-DD HH:MM:SS``.

Where a nested selector finds nothing the next best key is tried, but a parameter whose
value no key lists ends the search. Everything is parsed as literals: nothing in a mapping
is ever executed.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from aqueduct.core.errors import ReferenceError
from aqueduct.references.match import (
    NOT_APPLICABLE,
    alternatives,
    compare,
    conditioned,
    conditioned_key,
    expression,
)

UNDEFINED: Final = "UNDEFINED"
_NONE: Final = ("N/A", "TEMP_N/A", "OMIT", "TEMP_OMIT")
_DATE = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)(?:[T ]+(\d{1,2}):(\d{1,2})(?::([\d.]+))?)?")
# Header entries that would change the selection; no Roman mapping has any of them.
_UNSUPPORTED = ("rmap_relevance", "rmap_omit", "parkey_relevance", "hooks")


class _NothingFound(LookupError):
    """The next best key may be tried."""


@dataclass(frozen=True)
class Match:
    """Choices by tuples of values."""

    rules: dict[tuple[str, ...], Any]


@dataclass(frozen=True)
class UseAfter:
    """Choices by first date of validity."""

    rules: dict[str, Any]


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
        ReferenceError
            If the rules are ambiguous, or need something that Roman's never did.
        """
        for key in _UNSUPPORTED:
            if self.header.get(key) not in (None, "", "always", "none", {}):
                raise ReferenceError(
                    f"rule {key} is not supported", where=self.name, hint="report it"
                )
        given = {name: conditioned(value) for name, value in values.items()}
        try:
            found = _choose(self.selector, self.parameters, given)
        except LookupError:
            if self.header.get("reffile_required", "none").upper() in ("YES", "NONE"):
                raise
            return NOT_APPLICABLE
        return NOT_APPLICABLE if str(found).upper() in _NONE else str(found)

    def files(self) -> dict[tuple[tuple[str, ...], str], str]:
        """Every file by match key and date; either is empty where a selector is not there.

        Raises
        ------
        ReferenceError
            If the selectors are nested in another way than ``Match`` and ``UseAfter``.
        """
        by_key = self.selector.rules if isinstance(self.selector, Match) else {(): self.selector}
        found = {}
        for key, choice in by_key.items():
            by_date = choice.rules if isinstance(choice, UseAfter) else {"": choice}
            for date, name in by_date.items():
                if not isinstance(name, str):
                    raise ReferenceError("selectors are nested in an unknown way", where=self.name)
                found[key, date] = name
        return found


def parse(path: Path) -> Rules:
    """Read a mapping.

    Raises
    ------
    ReferenceError
        If it can't be read, does not match its own checksum, or has anything in it but
        literals and known selectors.
    """
    try:
        text = path.read_text()
        found = {
            target.id: statement.value
            for statement in ast.parse(text).body
            if isinstance(statement, ast.Assign)
            for target in statement.targets
            if isinstance(target, ast.Name)
        }
        header = ast.literal_eval(found["header"])
        if header.get("sha1sum", checksum(text)) != checksum(text):
            raise ValueError("its text is not that of its sha1sum")
        return Rules(path.name, header, _selector(found["selector"], header))
    except (OSError, SyntaxError, ValueError, TypeError, KeyError) as error:
        raise ReferenceError(
            f"not a CRDS mapping: {error}",
            where=str(path),
            hint="sync the reference cache again, or make it with `aqueduct references make`",
        ) from error


def checksum(text: str) -> str:
    """The ``sha1sum`` of a mapping: that of every line but those that speak of it."""
    lines = (line for line in text.splitlines(keepends=True) if "sha1sum" not in line)
    return hashlib.sha1("".join(lines).encode(), usedforsecurity=False).hexdigest()


def _selector(node: ast.expr, header: Mapping[str, Any], level: int = 0) -> Any:
    """A selector, a dictionary of names, or a name."""
    if isinstance(node, ast.Dict):
        return _pairs(node, header, level)
    if not isinstance(node, ast.Call):
        return ast.literal_eval(node)
    kind = node.func.id if isinstance(node.func, ast.Name) else ""
    if kind not in ("Match", "UseAfter") or len(node.args) != 1 or node.keywords:
        raise ValueError(f"selector {ast.unparse(node.func)} is not supported")
    argument = node.args[0]
    if not isinstance(argument, ast.Dict):
        raise ValueError(f"{kind} needs a dictionary")
    rules = _pairs(argument, header, level + 1)
    if kind == "UseAfter":
        for date in rules:
            datetime.fromisoformat(date)
        return UseAfter(rules)
    keys = [_match_key(key, header, level) for key in rules]
    if len(set(keys)) < len(keys):
        raise ValueError("two keys are the same")
    return Match(dict(zip(keys, rules.values(), strict=True)))


def _match_key(key: Any, header: Mapping[str, Any], level: int) -> tuple[str, ...]:
    """A match key with its substitutions made."""
    elements = key if isinstance(key, tuple) else (key,)
    substitutions = header.get("substitutions", {})
    names = header["parkey"][level] if substitutions else ()
    names = (names,) if isinstance(names, str) else names
    replaced = list(elements)
    for number, name in enumerate(names):
        replaced[number] = substitutions.get(name, {}).get(elements[number], elements[number])
    return tuple(conditioned_key(element) for element in replaced)


def _pairs(node: ast.Dict, header: Mapping[str, Any], level: int) -> dict[Any, Any]:
    return {
        ast.literal_eval(key): _selector(value, header, level)
        for key, value in zip(node.keys, node.values, strict=True)
        if key is not None
    }


def _choose(selector: Any, levels: tuple[tuple[str, ...], ...], values: Mapping[str, str]) -> Any:
    if isinstance(selector, Match):
        return _choose_match(selector, levels, values)
    if isinstance(selector, UseAfter):
        return _choose_date(selector, levels, values)
    return selector


def _choose_match(
    selector: Match, levels: tuple[tuple[str, ...], ...], values: Mapping[str, str]
) -> Any:
    given = [values.get(name, UNDEFINED) for name in levels[0]]
    shown = ", ".join(f"{name}={value}" for name, value in zip(levels[0], given, strict=True))
    if any(len(key) != len(given) for key in selector.rules):
        raise ReferenceError(f"a key does not fit the parameters {levels[0]}")
    for number, value in enumerate(given):
        if not _listed(value, {key[number] for key in selector.rules}):
            raise LookupError(f"no rule for {shown}")
    by_weight: dict[int, list[Any]] = {}
    for key, choice in selector.rules.items():
        try:
            weights = [compare(part, value) for part, value in zip(key, given, strict=True)]
        except (ValueError, re.error) as error:
            raise ReferenceError(f"match expression in {key}: {error}") from error
        if -1 not in weights:
            by_weight.setdefault(sum(weights), []).append(choice)
    failure: LookupError = _NothingFound(f"no rule for {shown}")
    for weight in sorted(by_weight, reverse=True):
        try:
            return _choose(_merged(by_weight[weight]), levels[1:], values)
        except _NothingFound as error:
            failure = error
    raise failure


def _listed(value: str, elements: set[str]) -> bool:
    """Whether a value is one that CRDS admits where keys have these elements."""
    if any(map(expression, elements)) or not elements:
        return True
    known = {part for element in elements for part in alternatives(element)}
    return bool(known & {value, "*", "ANY", NOT_APPLICABLE}) or value in ("*", NOT_APPLICABLE)


def _merged(choices: list[Any]) -> Any:
    """One choice out of several that match equally well."""
    first, *others = choices
    if not others:
        return first
    if not all(isinstance(choice, UseAfter) for choice in choices):
        raise ReferenceError(
            f"ambiguous: {len(choices)} rules match equally well", hint="report it to CRDS"
        )
    merged: dict[str, Any] = {}
    for choice in choices:
        for date, file in choice.rules.items():
            merged[date] = max(merged.get(date, file), file)
    return UseAfter(merged)


def _choose_date(
    selector: UseAfter, levels: tuple[tuple[str, ...], ...], values: Mapping[str, str]
) -> Any:
    text = " ".join(values.get(name, UNDEFINED) for name in levels[0])
    when = standard_date(text)
    dates = [date for date in selector.rules if date <= when]
    if not dates:
        raise _NothingFound(f"no rule for {' '.join(levels[0])}={text}: all begin later")
    return _choose(selector.rules[max(dates)], levels[1:], values)


def standard_date(text: str) -> str:
    """A date as CRDS writes and compares it, ``YYYY-MM-DD HH:MM:SS[.ffffff]``.

    Raises
    ------
    LookupError
        If it is none.
    """
    found = _DATE.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        seconds = float(found[6] or 0)
        # Microseconds are cut off, not rounded: so CRDS has it.
        year, month, day, hour, minute = (int(part or 0) for part in found.groups()[:5])
        micro = int((seconds - int(seconds)) * 10**6)
        when = datetime(year, month, day, hour, minute, int(seconds), micro)
    except ValueError:
        raise LookupError(f"{text} is no date") from None
    return when.isoformat(" ")
