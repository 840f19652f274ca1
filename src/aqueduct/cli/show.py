"""``aqueduct show``: what a file is and what its metadata say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from aqueduct.io import Header

_LONGEST = 100
"""Characters of a list of numbers; the rest is left out."""


def show(
    file: Annotated[Path, typer.Argument(help="A product or an association.", metavar="FILE")],
    preview: Annotated[
        Path | None, typer.Option(help="Draw the product into this image file.", metavar="OUT.PNG")
    ] = None,
) -> None:
    """Print what a file holds.

    A summary comes first, then the metadata, then the arrays or columns.

    \b
    Examples:
      aqueduct show x_cal.asdf
      aqueduct show x_cal.asdf --preview x.png
      aqueduct show x_cat.parquet
    """
    if file.suffix == ".json":
        _show_association(file)
        return
    from aqueduct import io

    header = io.peek(file)
    for name, value in summary(header):
        typer.echo(f"{name:<12}{value}")
    typer.echo("meta:")
    for line in tree(header.meta, 1):
        typer.echo(line)
    # The header comes first: of a damaged file it is what can be told.
    product = io.read(file)
    typer.echo("contents:")
    for line in contents(product):
        typer.echo(f"  {line}")
    if preview is not None:
        _draw(product, preview)
        typer.echo(f"preview:    {preview}")


def summary(header: Header) -> Iterator[tuple[str, str]]:
    """The few facts one looks for first."""
    meta = header.meta
    generation = header.tag.rpartition("/")[2]
    yield (
        "product",
        f"{header.product.__name__} ({header.model}{', ' * bool(generation)}{generation})",
    )
    for name, *keys in (
        ("detector", "instrument", "detector"),
        ("filter", "instrument", "optical_element"),
        ("type", "exposure", "type"),
        ("MA table", "exposure", "ma_table_number"),
        ("start", "exposure", "start_time"),
        ("seconds", "exposure", "effective_exposure_time"),
        ("sky cell", "wcsinfo", "skycell_name"),
        ("footprint", "wcsinfo", "s_region"),
    ):
        value = _look(meta, keys)
        if value not in (None, "?"):
            yield name, text(value)
    if header.recipe is not None:
        yield "recipe", f"{header.recipe['id']}  (see `aqueduct explain`)"


def _look(meta: Mapping[str, Any], keys: list[str]) -> Any:
    value: Any = meta
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def tree(value: Mapping[str, Any], depth: int) -> Iterator[str]:
    """Nested metadata as indented lines."""
    for key, entry in value.items():
        if isinstance(entry, Mapping) and entry:
            yield f"{'  ' * depth}{key}:"
            yield from tree(entry, depth + 1)
        else:
            yield f"{'  ' * depth}{key}: {text(entry)}"


def text(value: Any) -> str:
    """A value on one line."""
    line = str(getattr(value, "isot", value)).replace("\n", " ")
    if isinstance(value, list | tuple) and len(line) > _LONGEST:
        return f"{line[:_LONGEST]}... ({len(value)} entries)"
    return line


def contents(product: Any) -> Iterator[str]:
    """Arrays by name, type and shape; columns for a catalog."""
    from aqueduct.products import Catalog

    if isinstance(product, Catalog):
        yield f"{len(product)} sources, {len(product.columns)} columns"
        arrays = product.columns
    else:
        arrays = {**vars(product), **getattr(product, "extras", {})}
    for name, value in arrays.items():
        if hasattr(value, "dtype"):
            yield f"{name:<28}{value.dtype!s:<9}{' x '.join(map(str, value.shape))}"


def _show_association(file: Path) -> None:
    from aqueduct.io import read_association

    association = read_association(file)
    typer.echo(f"{'product':<12}Association")
    typer.echo(f"{'makes':<12}{association.product}")
    typer.echo(f"{'sky cell':<12}{association.target}")
    typer.echo("members:")
    for name in association.members:
        there = "" if (file.parent / name).exists() else "  (not there)"
        typer.echo(f"  {name}{there}")
    typer.echo("header:")
    for line in tree(association.header, 1):
        typer.echo(line)


def _draw(product: Any, out: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from aqueduct.core.errors import OutputError

    figure = Figure(figsize=(9, 8), layout="constrained")
    FigureCanvasAgg(figure)
    product.plot(ax=figure.add_subplot())
    try:
        figure.savefig(out, dpi=150)
    except (OSError, ValueError) as error:
        raise OutputError(
            f"can't be drawn: {error}", where=str(out), hint="name a .png or .pdf file"
        ) from error
