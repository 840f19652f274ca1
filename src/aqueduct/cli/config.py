"""``aqueduct config``: every parameter of a pipeline, its value and where it came from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aqueduct.cli import output

if TYPE_CHECKING:
    from aqueduct.run.config import Resolved

Row = tuple[str, str, str, str]


def config(
    pipeline: Annotated[
        str, typer.Argument(help="exposure, mosaic or catalog.", metavar="PIPELINE")
    ],
    preset: Annotated[
        str | None,
        typer.Option(help="Parameters that come with the pipeline, such as romancal-1.1."),
    ] = None,
    file: Annotated[Path | None, typer.Option("--config", help="TOML file of parameters.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="A parameter: step.field=value.", metavar="STEP.FIELD=VALUE"),
    ] = None,
    skip: Annotated[
        list[str] | None, typer.Option(help="Leave this step out.", metavar="STEP")
    ] = None,
) -> None:
    """Print the parameters of a pipeline.

    Each with its value, where the value came from, and what it means.

    \b
    Examples:
      aqueduct config exposure
      aqueduct config exposure --preset romancal-1.1
      aqueduct config exposure --config my.toml --set ramp_fit.rejection_threshold=5
    """
    from aqueduct.run import named
    from aqueduct.run.config import resolve

    found = resolve(
        named(pipeline), preset=preset, file=file, settings=settings or (), skip=skip or ()
    )
    output.table(("parameter", "value", "from", "what it is"), rows(found))
    for reftype, path in found.references.items():
        typer.echo(f"reference {reftype}: {path}")
    if found.skipped:
        typer.echo(f"left out: {', '.join(found.skipped)}")


def rows(resolved: Resolved) -> list[Row]:
    """(parameter, value, origin, description), in the order of the steps."""
    made: list[Row] = []
    for name, values in resolved.configs.items():
        fields = type(values).model_fields
        if not fields:
            made.append((name, "", "", "no parameters"))
        for key, field in fields.items():
            origin = resolved.origins.get((name, key), "default")
            made.append(
                (f"{name}.{key}", str(getattr(values, key)), origin, field.description or "")
            )
    return made
