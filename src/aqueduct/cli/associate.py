"""``aqueduct associate``: which exposures make which co-add."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from aqueduct.core.errors import InputError


def associate(
    files: Annotated[list[Path], typer.Argument(help="Level 2 images.", metavar="FILE")],
    by: Annotated[
        Literal["visit", "pass", "full"],
        typer.Option(help="What goes together: a visit, a pass, or the full program."),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the associations; made if absent.")],
    release: Annotated[str, typer.Option(help="Data release, part of the product's name.")] = "p",
) -> None:
    """Group images into co-adds.

    Level 2 images are grouped by sky cell and filter into official association files.

    \b
    Examples:
      aqueduct associate l2/*_cal.asdf --by full --out asn
      aqueduct associate l2/*_cal.asdf --by visit --out asn --release r1
    """
    from aqueduct import io
    from aqueduct.pipelines.associate import associate as group
    from aqueduct.run import Source

    paths = _by_name(files)
    sources = [Source(path, io.peek(path)) for path in files]
    folder = io.prepare_folder(out)
    for association in group(sources, by=by, release=release):
        members = tuple(os.path.relpath(paths[name], folder) for name in association.members)
        path = folder / f"{association.product}_asn.json"
        io.write_association(replace(association, members=members), path)
        typer.echo(f"{path}  {len(members)} of {len(paths)}")


def _by_name(files: list[Path]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in files:
        if path.name in paths:
            raise InputError(
                f"given twice: {paths[path.name]} has the same name",
                where=str(path),
                hint="an association knows its members by name",
            )
        paths[path.name] = path
    return paths
