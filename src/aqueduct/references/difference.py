"""What changed between two contexts."""

from __future__ import annotations

from dataclasses import dataclass

from aqueduct.references.provider import References


@dataclass(frozen=True)
class Change:
    """A rule: type, match key, date, and its file in both contexts; ``-`` for none."""

    reftype: str
    key: tuple[str, ...]
    useafter: str
    before: str
    after: str


def difference(before: References, after: References) -> list[Change]:
    """Rules that are not the same in two contexts.

    Raises
    ------
    MissingReferenceError
        If a context is not there.
    ReferenceError
        If rules differ whose form is not that of keys and dates.
    """
    changes = []
    for reftype in sorted({*before.reftypes, *after.reftypes}):
        rules = [references.rules(reftype) for references in (before, after)]
        if rules[0] == rules[1]:
            continue
        old, new = (found.files() if found else {} for found in rules)
        changes += [
            Change(reftype, key, date, old.get((key, date), "-"), new.get((key, date), "-"))
            for key, date in sorted({*old, *new})
            if old.get((key, date)) != new.get((key, date))
        ]
    return changes
