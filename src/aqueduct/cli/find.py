"""``aqueduct find``: products in a folder, by what they are and where they point."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aqueduct.cli import output
from aqueduct.core.errors import ConfigError

if TYPE_CHECKING:
    from aqueduct.archive import Entry

_COLUMNS = (
    "path",
    "level",
    "kind",
    "detector",
    "optical_element",
    "visit_id",
    "exposure",
    "start",
    "end",
    "ra",
    "dec",
    "radius",
    "s_region",
    "recipe",
    "size",
)
_NOTED = 5
"""Files left out of the index that are named."""
_SHOWN = ("path", "level", "kind", "detector", "optical_element", "start", "ra", "dec")


def find(
    folder: Annotated[Path, typer.Option("--in", help="Folder that is searched.")] = Path(),
    ra: Annotated[float | None, typer.Option(help="Right ascension, ICRS degrees.")] = None,
    dec: Annotated[float | None, typer.Option(help="Declination, ICRS degrees.")] = None,
    radius: Annotated[float, typer.Option(min=0, help="Degrees around it.")] = 0.0,
    element: Annotated[str | None, typer.Option("--filter", help="Such as F158.")] = None,
    detector: Annotated[str | None, typer.Option(help="Such as WFI01.")] = None,
    level: Annotated[int | None, typer.Option(min=1, max=4, help="Data level.")] = None,
    kind: Annotated[
        str | None, typer.Option(help="Raw, Ramp, Image, Mosaic, Catalog or Segmentation.")
    ] = None,
    after: Annotated[
        datetime | None, typer.Option(help="Observed at or after this time, UTC.")
    ] = None,
    before: Annotated[
        datetime | None, typer.Option(help="Observed at or before this time, UTC.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Pattern of the path within the folder.", metavar="GLOB")
    ] = None,
    form: Annotated[
        Literal["table", "csv", "json"], typer.Option("--format", help="How they are printed.")
    ] = "table",
    index: Annotated[
        Path | None, typer.Option(help="The index file; by default it lies in the folder.")
    ] = None,
) -> None:
    """Find products in a folder.

    By position, filter, level and time. Only headers are read, and only once.

    \b
    Examples:
      aqueduct find --in data --level 2 --filter F158
      aqueduct find --in data --ra 270.0 --dec 66.0 --radius 0.1
      aqueduct find --in data --after 2027-01-01 --before 2027-02-01 --format csv
    """
    if (ra is None) != (dec is None) or (radius and ra is None):
        raise ConfigError("a position needs both --ra and --dec")
    from aqueduct import archive

    changes = archive.update(folder, index)
    _note(changes.unreadable)
    found = archive.find(
        folder,
        position=None if ra is None or dec is None else (ra, dec, radius),
        element=element,
        detector=detector,
        level=level,
        kind=kind,
        start=after,
        end=before,
        name=name,
        index=index,
    )
    _print(found, form)


def _note(unreadable: dict[str, str]) -> None:
    """Say which files are not in the index, and why."""
    for path, why in list(unreadable.items())[:_NOTED]:
        output.note(f"not in the index: {path}: {why}")
    if len(unreadable) > _NOTED:
        output.note(f"and {len(unreadable) - _NOTED} more files that are no products")


def _print(found: list[Entry], form: str) -> None:
    if form == "csv":
        import csv

        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows([_value(entry, column) for column in _COLUMNS] for entry in found)
    elif form == "json":
        import json

        rows = [{column: _value(entry, column) for column in _COLUMNS} for entry in found]
        typer.echo(json.dumps(rows, indent=2))
    else:
        output.table(_SHOWN, [[_text(entry, column) for column in _SHOWN] for entry in found])


def _value(entry: Entry, column: str) -> Any:
    value = getattr(entry, column)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Path) else value


def _text(entry: Entry, column: str) -> str:
    value = _value(entry, column)
    if isinstance(value, float):
        return f"{value:.5f}"
    return "" if value is None else str(value)
