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
    realisation: Annotated[
        int, typer.Option(min=0, help="Number of the calibration: the key of all its errors.")
    ] = 0,
    detector: Annotated[
        str | None,
        typer.Option(
            help="Detectors, such as WFI01,WFI02; all 18 if not given.", metavar="WFI01,..."
        ),
    ] = None,
    element: Annotated[
        str | None,
        typer.Option(
            "--filter", help="Filters, such as F158,F129; all 8 if not given.", metavar="F158,..."
        ),
    ] = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Detectors made at a time, 2 GB of memory each.")
    ] = 1,
) -> None:
    """Make a set of reference files as a calibration program would have measured them.

    A detector with 8 filters takes 3 GB of disk, all 18 take 52 GB. Stopped and started
    again, it goes on with the detectors that are missing.

    \b
    Examples:
      aqueduct references make --detector WFI01 --filter F158,F129 --out refs
      aqueduct references make --realisation 3 --jobs 2 --out refs
      aqueduct run exposure x_uncal.asdf --references refs --out l2
    """
    from aqueduct.instrument.detectors import DETECTORS
    from aqueduct.instrument.filters import FILTERS
    from aqueduct.pipelines.make_references import make as make_set

    context = make_set(
        out,
        split(detector) if detector else DETECTORS,
        split(element) if element else FILTERS,
        realisation,
        jobs=jobs,
        note=output.note,
    )
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
