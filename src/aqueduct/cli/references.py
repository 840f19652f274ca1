"""``aqueduct references``: which reference files there are; make them; pack them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aqueduct.cli import output
from aqueduct.cli.simulate import split

app = typer.Typer(
    help="List, make and bundle reference files.\n\n"
    "\b\nExamples:\n  aqueduct references list x_uncal.asdf\n"
    "  aqueduct references make --detector WFI01 --filter F158 --out refs\n"
    "  aqueduct references bundle *_uncal.asdf --out bundle.tar",
    short_help="List, make and bundle reference files.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="Folder of references; by default $AQUEDUCT_REFERENCES, then "
        "$CRDS_PATH, then the set of this user.",
    ),
]


@app.command("list")
def listing(
    file: Annotated[Path | None, typer.Argument(help="A product.", metavar="FILE")] = None,
    root: Root = None,
) -> None:
    """List the reference files chosen for a product, or all there are.

    \b
    Examples:
      aqueduct references list
      aqueduct references list x_uncal.asdf --root refs
    """
    from aqueduct import io
    from aqueduct.references import References

    store = References(root)
    typer.echo(f"{store.root}  {store.context}")
    if file is not None:
        chosen = store.listing(io.peek(file).meta)
        output.table(
            ("type", "file", "from"),
            [(row.reftype, row.name or "-", row.source or "not applicable") for row in chosen],
        )
        return
    files = [path for path in (store.root / "references").rglob("*") if path.is_file()]
    output.table(
        ("file", "size"),
        [(path.name, f"{path.stat().st_size / 2**20:.1f} MB") for path in sorted(files)],
    )


@app.command("make")
def make(
    out: Annotated[Path, typer.Option(help="Folder of the set; made if absent.")],
    detector: Annotated[
        str, typer.Option(help="Detectors, such as WFI01,WFI02.", metavar="WFI01,...")
    ],
    element: Annotated[
        str, typer.Option("--filter", help="Filters, such as F158,F129.", metavar="F158,...")
    ],
    seed: Annotated[int, typer.Option(help="Seed of the random numbers.")] = 0,
) -> None:
    """Make a set of reference files from simulated calibration data.

    \b
    Examples:
      aqueduct references make --detector WFI01 --filter F158,F129 --seed 1 --out refs
      aqueduct run exposure x_uncal.asdf --references refs --out l2
    """
    from aqueduct.pipelines.make_references import make as make_set

    context = make_set(out, split(detector), split(element), seed, note=output.note)
    typer.echo(f"{out}  {context}")


@app.command("bundle")
def bundle(
    files: Annotated[list[Path], typer.Argument(help="Products.", metavar="FILE")],
    out: Annotated[Path, typer.Option(help="The tar file.")],
    root: Root = None,
) -> None:
    """Pack the reference files that products need; unpacked, they serve as --references.

    \b
    Examples:
      aqueduct references bundle *_uncal.asdf --out bundle.tar
      mkdir refs; tar -xf bundle.tar -C refs
      aqueduct run exposure x_uncal.asdf --references refs --out l2
    """
    from aqueduct import io
    from aqueduct.references import References

    metas: list[dict[str, Any]] = [io.peek(path).meta for path in files]
    References(root).bundle(metas, out)
    typer.echo(f"{out}  {output.gigabytes(out.stat().st_size)}")
