"""``aqueduct convert``: a product in another kind of file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Kind(StrEnum):
    """Kinds of file, by their ending."""

    asdf = "asdf"
    parquet = "parquet"
    fits = "fits"
    ecsv = "ecsv"
    votable = "xml"


def convert(
    file: Annotated[Path, typer.Argument(help="A product.", metavar="FILE")],
    to: Annotated[
        Kind, typer.Option(help="The kind of file to make; ecsv and xml (VOTable) for catalogs.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Default: beside FILE, with another ending.")
    ] = None,
    planes: Annotated[
        str, typer.Option(help="Arrays to write to FITS, such as data,err,dq. Default: all.")
    ] = "",
    max_residual: Annotated[
        float, typer.Option(help="Largest distance of SIP from the gwcs accepted, pixels.")
    ] = 0.01,
) -> None:
    """Write a product to another kind of file.

    FITS has the arrays as images with a TAN-SIP header, and all metadata as ASDF in an
    extension, so that it can be turned back without loss. SIPMAXPX and SIPMAXAS in the
    header tell how far SIP is from the gwcs.

    \b
    Examples:
      aqueduct convert x_cal.asdf --to fits
      aqueduct convert x_cal.asdf --to fits --planes data,err,dq --out small.fits
      aqueduct convert x_cal.fits --to asdf
      aqueduct convert x_cat.parquet --to xml
    """
    from aqueduct import io
    from aqueduct.core.errors import ConfigError
    from aqueduct.io import fits
    from aqueduct.io.formats import generation_of
    from aqueduct.products import Association, Catalog

    header = io.peek(file)
    target = out or file.with_suffix(f".{to.value}")
    tables = {Kind.parquet, Kind.fits, Kind.ecsv, Kind.votable}
    if to not in (tables if header.product is Catalog else {Kind.asdf, Kind.fits}) or (
        header.product is Association or target.suffix != f".{to.value}"
    ):
        raise ConfigError(
            f"a {header.product.__name__} can't be written to {target.name} as {to.value}",
            where=str(file),
            hint="images go to .asdf and .fits, catalogs to .parquet, .fits, .ecsv and .xml",
        )
    rad = generation_of(header.tag) or "2.1.0"
    product = io.read(file)
    if to is Kind.fits and not isinstance(product, Catalog):
        chosen = [name.strip() for name in planes.split(",") if name.strip()]
        fits.write_fits(product, target, rad, header.recipe, chosen, max_residual)
    else:
        io.write(product, target, rad=rad, recipe=header.recipe)
    typer.echo(target)
