"""How CRDS compares one parameter with one element of a match key.

Both are first brought to one form (:func:`conditioned`, :func:`conditioned_key`). A
comparison gives 1 for a match, 0 for "don't care" and -1 for no match:

===================  =====================================================
``F158``             equal
``WFI01|WFI02``      any of these; ``*`` and ``?`` in them are wild cards
``*``                anything, a parameter that is not there included
``N/A``              don't care
``{F158|F129}``      equal, with nothing read as a wild card
``(F1.*)``           regular expression, from the start
``>1.5``, ``<=3``    number
``# >1 AND <=3 #``   both; ``OR``: either
``BETWEEN 1 3``      from 1 up to but without 3
``NOT F158``         anything else
===================  =====================================================

Whatever the key, a value ``*`` matches and ``N/A`` does not care.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from fnmatch import translate
from functools import lru_cache
from typing import Any, Final, TypeAlias

NOT_APPLICABLE: Final = "N/A"

Test: TypeAlias = Callable[[str], bool]

_NUMBER = re.compile(r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?|[+-]?[0-9]+\.")
# Only the last alternative must fit to the end: so CRDS has it.
_DONT_CARE = re.compile(r"-2147483648.0|\(\)|N/A|NOT APPLICABLE|NOT_APPLICABLE$")
_ALIASES: Final = {"ANY": "*", "4294967295.0": "-1.0", "TRUE": "T", "FALSE": "F"}
_INEQUALITY = re.compile(r"([><]=?)\s*([-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?)")
_ORDER: Final = {">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le}


def conditioned(value: Any) -> str:
    """A value as CRDS compares it: upper case, numbers as floats, aliases resolved."""
    text = str(value).strip().upper()
    if _NUMBER.fullmatch(text):
        text = str(float(text))
    return NOT_APPLICABLE if _DONT_CARE.match(text) else _ALIASES.get(text, text)


def conditioned_key(element: Any) -> str:
    """An element of a match key as CRDS compares it."""
    if isinstance(element, tuple | list):
        return "|".join(conditioned(part) for part in element)
    text = str(element)
    if (text[:1], text[-1:]) in (("{", "}"), ("(", ")")):
        return text
    return "|".join(conditioned(part) for part in alternatives(text))


def alternatives(key: str) -> list[str]:
    """The values an element of a match key lists."""
    if "|" in key and not expression(key):
        return sorted(part.strip() for part in key.split("|") if part.strip())
    return [key]


def expression(key: str) -> bool:
    """Whether an element is more than values and wild cards."""
    key = key.upper()
    return (key[:1] in tuple("{(#") and key[-1:] in tuple("})#")) or key.startswith(
        ("BETWEEN", "NOT")
    )


def compare(key: str, value: str) -> int:
    """1 for a match, 0 for "don't care", -1 for no match.

    Raises
    ------
    ValueError
        If the key is not well formed.
    """
    if key.upper().startswith("NOT "):
        return -compare(key[4:].strip(), value)
    if key == NOT_APPLICABLE:
        return 0
    if value == "*":
        return 1
    return 0 if value == NOT_APPLICABLE else 1 if _test(key)(value) else -1


@lru_cache(maxsize=4096)
def _test(key: str) -> Test:
    """The comparison that an element stands for."""
    ends = (key[:1], key[-1:])
    if ends == ("(", ")"):
        return _pattern(key[1:-1])
    if ends == ("{", "}"):
        return _equal(key[1:-1])
    if ends == ("#", "#"):
        return _relation(key.upper())
    if key.upper().startswith("BETWEEN"):
        _, low, high = key.split()
        return _both(_test(f">={low}"), _test(f"<{high}"))
    if "|" in key or "*" in key:
        return _pattern("|".join(translate(part) for part in alternatives(key)))
    return _inequality(key) if key.startswith((">", "<")) else _equal(key)


def _equal(key: str) -> Test:
    return lambda value: value == key


def _pattern(text: str) -> Test:
    found = re.compile(text)
    return lambda value: found.match(value) is not None


def _relation(key: str) -> Test:
    inner = key[1:-1].strip()
    for word in ("AND", "OR"):
        if f" {word} " in key:
            first, second = (_test(part.strip()) for part in inner.split(word)[:2])
            return _both(first, second) if word == "AND" else _either(first, second)
    return _test(inner)


def _both(first: Test, second: Test) -> Test:
    return lambda value: first(value) and second(value)


def _either(first: Test, second: Test) -> Test:
    return lambda value: first(value) or second(value)


def _inequality(key: str) -> Test:
    found = _INEQUALITY.match(key)
    if found is None:
        raise ValueError(f"{key!r} is no relation")
    compared, bound = _ORDER[found[1]], float(found[2])

    def test(value: str) -> bool:
        return _NUMBER.fullmatch(value) is not None and bool(compared(float(value), bound))

    return test
