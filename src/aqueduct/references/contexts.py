"""Which context is meant: by name, by symbol or by date.

=============================  ====================================================
``roman_0042.pmap``            itself
none, ``latest``,              the one in use: what ``config/roman/server_config`` of the
``roman-latest``,              cache says, otherwise the newest there is
``roman-operational``
``roman-edit``                 the one to be used next, likewise
``roman-2026-05-01T00:00:00``  the one in use on that date (UTC), from the rows of
                               ``config/roman/context_history``: (start date, context,
                               status, description), as the CRDS server gives them
=============================  ====================================================
"""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from aqueduct.core.errors import MissingReferenceError, ReferenceError
from aqueduct.io.atomic import write_text
from aqueduct.references.cache import Layout
from aqueduct.references.crds import standard_date

_LATEST: Final = ("", "latest", "roman-latest", "roman-operational")
_DATED = re.compile(r"(?:roman-)?(\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d+)?)?)")
_SYNC: Final = "sync the CRDS cache, or name a context: roman_NNNN.pmap"


def resolve(layout: Layout, asked: str = "") -> str:
    """The name of a mapping for what was asked for.

    Parameters
    ----------
    layout : Layout
    asked : str
        One of the names above.

    Raises
    ------
    MissingReferenceError
        If the cache has no context, or does not tell which is meant.
    ReferenceError
        If it is no name of a context, or what the cache tells can't be read.
    """
    if asked.endswith((".pmap", ".imap")):
        return asked
    if asked in _LATEST:
        known = configuration(layout)
        name = known.get("latest_context") or known.get("operational_context") or ""
        return str(name) if layout.mapping(str(name)).is_file() else layout.newest_context()
    if asked == "roman-edit":
        name = str(configuration(layout).get("edit_context", ""))
        return name if layout.mapping(name).is_file() else layout.newest_context()
    if dated := _DATED.fullmatch(asked):
        return _in_use(layout, dated[1])
    raise ReferenceError(
        f"{asked!r} is no context",
        where=str(layout.root),
        hint="write roman_NNNN.pmap, roman-latest, roman-edit or roman-YYYY-MM-DDTHH:MM:SS",
    )


def configuration(layout: Layout) -> dict[str, Any]:
    """What the CRDS server last said, or what stands for it; empty if there is nothing."""
    found = _literal(layout, "server_config")
    return dict(found) if found is not None else {}


def history(layout: Layout) -> list[tuple[str, ...]]:
    """Rows (start date, context, status, description), the oldest first."""
    rows = _literal(layout, "context_history") or []
    return sorted(
        (tuple(str(entry) for entry in row) for row in rows), key=lambda row: standard_date(row[0])
    )


def _literal(layout: Layout, name: str) -> Any:
    path = layout.config / name
    try:
        return ast.literal_eval(path.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SyntaxError) as error:
        raise ReferenceError(f"can't be read: {error}", where=str(path), hint=_SYNC) from error


def _in_use(layout: Layout, date: str) -> str:
    when = standard_date(date)
    rows = history(layout)
    found = [context for start, context, *_ in rows if standard_date(start) <= when]
    if not found:
        why = f"the first began on {rows[0][0]}" if rows else "there is no context_history"
        raise MissingReferenceError(
            f"no context is known for {date}: {why}", where=str(layout.config), hint=_SYNC
        )
    return found[-1]


def add(layout: Layout, context: str, description: str) -> None:
    """Put a new context into use: what official tools need to know of a cache with no server."""
    mode = layout.config / "ref_cache_subdir_mode"
    if not mode.exists():
        write_text(mode, "flat")
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    rows = [*history(layout), (now, context, "latest", description)]
    text = "".join(f" {row!r},\n" for row in rows)
    write_text(layout.config / "context_history", f"[\n{text}]\n")
    about = {
        "observatory": "roman",
        "bad_files": "",
        "bad_files_set": [],
        "bad_files_list": [],
        "crds_version": {"str": "14.0.3"},
        "reference_url": "",
        "mapping_url": "",
        "last_synced": now,
        "force_remote_mode": False,
        "effective_mode": "local",
        **configuration(layout),
    }
    names = ["operational_context", "edit_context", "default_context"]
    names += ["latest_context"] if "latest_context" in about else []
    write_text(layout.config / "server_config", repr({**about, **dict.fromkeys(names, context)}))


def refuse_bad(layout: Layout, names: Iterable[str], *, rules: bool = False) -> None:
    """Refuse files that CRDS marked as scientifically invalid.

    ``CRDS_ALLOW_BAD_REFERENCES=1`` (for mappings ``CRDS_ALLOW_BAD_RULES=1``) makes it a
    warning.

    Raises
    ------
    ReferenceError
    """
    bad = sorted(set(configuration(layout).get("bad_files_list", ())) & set(names))
    if not bad:
        return
    switch = "CRDS_ALLOW_BAD_RULES" if rules else "CRDS_ALLOW_BAD_REFERENCES"
    what = f"marked as scientifically invalid: {', '.join(bad)}"
    if os.environ.get(switch, "").lower() not in ("1", "t", "true"):
        raise ReferenceError(
            what, where=str(layout.root), hint=f"take another context, or set {switch}=1"
        )
    warnings.warn(what, stacklevel=2)
