"""What the command line says: results on standard output, notes on standard error."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

from aqueduct.core.errors import AqueductError

if TYPE_CHECKING:
    from rich.console import Console

_WIDE = 10_000
"""Columns where there is no terminal: lines must not be broken for the next program."""

_quiet = _debug = False


def configure(*, quiet: bool, debug: bool) -> None:
    """From now on, leave out notes and progress; print the tracebacks of errors."""
    global _quiet, _debug
    _quiet, _debug = quiet, debug


def is_quiet() -> bool:
    """Whether notes and progress are left out."""
    return _quiet


def note(text: str) -> None:
    """Say something on standard error, unless asked to be quiet."""
    if not _quiet:
        typer.echo(text, err=True)


def report(error: AqueductError) -> None:
    """Say what went wrong, where, and what to do next."""
    if _debug:
        traceback.print_exception(error)
    typer.echo(f"error: {error}", err=True)


def console(*, err: bool = False) -> Console:
    """A plain console; as wide as it takes when it is no terminal."""
    from rich.console import Console

    stream = sys.stderr if err else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under headings."""
    from rich.table import Table

    made = Table(*headings, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        made.add_row(*row)
    show(made)


def show(renderable: Any) -> None:
    """Print something of ``rich``'s, without the blanks it fills lines with."""
    screen = console()
    with screen.capture() as capture:
        screen.print(renderable)
    for line in capture.get().splitlines():
        typer.echo(line.rstrip())


def gigabytes(size: float) -> str:
    """A number of bytes in GB."""
    return f"{size / 2**30:.1f} GB"
