"""``aqueduct references``: list, make, pack, install, deliver and compare them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aqueduct.cli import output
from aqueduct.cli.simulate import split

if TYPE_CHECKING:
    from aqueduct.references import References

app = typer.Typer(
    help="List, make, bundle, install, deliver and compare reference files.\n\n"
    "\b\nExamples:\n  aqueduct references list x_uncal.asdf\n"
    "  aqueduct references make --detector WFI01 --filter F158 --out refs\n"
    "  aqueduct references bundle *_uncal.asdf --out bundle.tar\n"
    "  aqueduct references install bundle.tar --root refs\n"
    "  aqueduct references deliver my_flat.asdf --root refs",
    short_help="List, make, bundle and deliver reference files.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

derive_app = typer.Typer(
    help="Derive a reference file from calibration exposures.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(derive_app, name="derive")

Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="Folder of references; by default $AQUEDUCT_REFERENCES, then "
        "$CRDS_PATH, then the set of this user.",
    ),
]
Context = Annotated[
    str | None,
    typer.Option(
        help="roman_NNNN.pmap, roman-latest, roman-edit or roman-YYYY-MM-DDTHH:MM:SS; by "
        "default $CRDS_CONTEXT, then the one in use.",
    ),
]


@app.command("list")
def listing(
    file: Annotated[Path | None, typer.Argument(help="A product.", metavar="FILE")] = None,
    context: Context = None,
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

    store = References(root, context)
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


@derive_app.command("refpix")
def derive_refpix(
    files: Annotated[list[Path], typer.Argument(help="Level 1 darks.", metavar="DARK")],
    out: Annotated[Path, typer.Option(help="Folder of the set that gets the file.")],
    useafter: Annotated[
        str, typer.Option(help="Date and time from which it is valid.")
    ] = "2020-01-01T00:00:00",
    root: Root = None,
) -> None:
    """Derive the weights of the reference pixels from darks of one detector.

    The mask of bad pixels is that of --root. Weights that chance could have made are zero.

    \b
    Examples:
      aqueduct references derive refpix dark_*_uncal.asdf --out refs
      aqueduct run exposure x_uncal.asdf --references refs --out l2
    """
    from aqueduct.pipelines.derive_refpix import derive
    from aqueduct.references import References

    context = derive(files, out, References(root), useafter=useafter, note=output.note)
    typer.echo(f"{out}  {context}")


@app.command("bundle")
def bundle(
    out: Annotated[Path, typer.Option(help="The tar file.")],
    files: Annotated[list[Path] | None, typer.Argument(help="Products.", metavar="[FILE]")] = None,
    detector: Annotated[
        str | None, typer.Option(help="Detectors, instead of products.", metavar="WFI01,...")
    ] = None,
    element: Annotated[
        str | None,
        typer.Option("--filter", help="Filters; all 8 if not given.", metavar="F158,..."),
    ] = None,
    date: Annotated[
        str | None, typer.Option(help="With --detector: of the exposures; now if not given.")
    ] = None,
    kind: Annotated[
        str, typer.Option("--type", help="With --detector: exposure type.")
    ] = "WFI_IMAGE",
    everything: Annotated[
        bool, typer.Option("--all", help="Put in the types too that only official tools use.")
    ] = False,
    context: Context = None,
    root: Root = None,
) -> None:
    """Pack the reference files that products need, for a machine with no network.

    \b
    Examples:
      aqueduct references bundle *_uncal.asdf --out bundle.tar
      aqueduct references bundle --detector WFI01 --filter F158 --out bundle.tar
    """
    from aqueduct import io
    from aqueduct.references import References
    from aqueduct.references import bundle as pack

    if bool(files) == bool(detector):
        raise typer.BadParameter("name products, or detectors with --detector")
    metas: list[dict[str, Any]] = [io.peek(path).meta for path in files or ()]
    if detector:
        metas = _exposures(split(detector), split(element) if element else None, date, kind)
    names = pack(References(root, context), metas, out, everything=everything)
    typer.echo(f"{out}  {len(names)} files, {output.gigabytes(out.stat().st_size)}")


def _exposures(
    detectors: Sequence[str], elements: Sequence[str] | None, date: str | None, kind: str
) -> list[dict[str, Any]]:
    """What references are selected by, of exposures that are not taken yet."""
    from datetime import UTC, datetime

    from aqueduct.instrument.filters import FILTERS

    start = date or datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return [
        {
            "instrument": {"name": "WFI", "detector": detector, "optical_element": element},
            "exposure": {"type": kind, "start_time": start},
        }
        for detector in detectors
        for element in elements or FILTERS
    ]


@app.command("install")
def install(
    file: Annotated[Path, typer.Argument(help="What `bundle` wrote.", metavar="BUNDLE")],
    root: Root = None,
) -> None:
    """Install a bundle: every file is verified before it is put in its place.

    \b
    Examples:
      aqueduct references install bundle.tar --root refs
      aqueduct run exposure x_uncal.asdf --references refs --out l2
    """
    from aqueduct.references import default_root
    from aqueduct.references import install as unpack

    folder = root or default_root()
    typer.echo(f"{folder}  {unpack(file, folder)}")


@app.command("deliver")
def deliver(
    files: Annotated[list[Path], typer.Argument(help="Reference files.", metavar="FILE")],
    root: Root = None,
    useafter: Annotated[
        str | None,
        typer.Option(help="From when they are valid; by default what each says.", metavar="DATE"),
    ] = None,
    products: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of products: tell which are out of date now.", metavar="DIR"),
    ] = None,
) -> None:
    """Deliver new reference files: checked, and chosen by a new context.

    \b
    Examples:
      aqueduct references deliver my_flat.asdf --root refs --useafter 2027-01-01
      aqueduct references deliver pars.asdf --products l2 --products l3
    """
    from aqueduct.references import References, default_root
    from aqueduct.references import deliver as add

    folder = root or default_root()
    context, made = add(files, folder, useafter=useafter)
    typer.echo(f"{folder}  {context}")
    output.table(
        ("type", "for", "from", "file"),
        [(row.reftype, " ".join(row.key) or "all", row.useafter, row.name) for row in made],
    )
    if products:
        _tell_stale(References(folder, context), products)


def _tell_stale(references: References, folders: Sequence[Path]) -> None:
    from aqueduct import io
    from aqueduct.archive import index
    from aqueduct.core.errors import InputError
    from aqueduct.references import stale

    headers = []
    for path in sorted(
        path for folder in folders for end in index.SUFFIXES for path in folder.rglob(f"*{end}")
    ):
        try:
            header = io.peek(path)
        except InputError as error:
            output.note(f"left out: {error.where}: {error.what}")
            continue
        headers.append((path, header.meta, header.recipe))
    found = stale(headers, references)
    typer.echo(f"{len(found)} of {len(headers)} products are out of date")
    if found:
        output.table(
            ("product", "because of", "made with", "now"),
            [(str(row.path), row.reason, row.before, row.now) for row in found],
        )


@app.command("diff")
def diff(
    before: Annotated[str, typer.Argument(help="A context.", metavar="CONTEXT")],
    after: Annotated[str, typer.Argument(help="Another.", metavar="CONTEXT")],
    root: Root = None,
) -> None:
    """Compare what two contexts choose.

    \b
    Examples:
      aqueduct references diff roman_0001.pmap roman-latest --root refs
    """
    from aqueduct.references import References, difference

    rows = difference(References(root, before), References(root, after))
    output.table(
        ("type", "for", "from", "before", "after"),
        [(row.reftype, " ".join(row.key), row.useafter, row.before, row.after) for row in rows],
    )
