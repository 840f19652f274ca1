"""``aqueduct cutout``: a part of an image, of which no more than that part is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aqueduct.cli.output import note


def cutout(
    file: Annotated[
        str, typer.Argument(help="Path or address: https://..., s3://...", metavar="FILE")
    ],
    ra: Annotated[float, typer.Argument(help="Right ascension of the middle, degrees.")],
    dec: Annotated[float, typer.Argument(help="Declination of the middle, degrees.")],
    size: Annotated[int, typer.Argument(help="Pixels on a side.", min=1)],
    out: Annotated[Path, typer.Option(help="A .fits file, or .asdf with every plane.")],
    planes: Annotated[str, typer.Option(help="Planes to cut; FITS only.")] = "data,err,dq",
    max_residual: Annotated[
        float, typer.Option(help="Largest distance of SIP from the gwcs accepted, pixels.")
    ] = 0.01,
) -> None:
    """Cut a square out of an image.

    Only the rows it needs are read. Files whose arrays are compressed, as the official
    pipeline writes them, have to be read whole.

    \b
    Examples:
      aqueduct cutout x_cal.asdf 270.01 66.02 64 --out star.fits
      aqueduct cutout https://archive.example/x_cal.asdf 270.01 66.02 64 --out star.asdf
      aqueduct cutout x_cal.asdf --out star.fits -- 10.3 -66.02 64
    """
    from aqueduct import io
    from aqueduct.core.errors import ConfigError
    from aqueduct.io.fits import write_cutout
    from aqueduct.products.image import PLANES

    if out.suffix not in (".fits", ".asdf"):
        raise ConfigError(f"can't write {out.name}", hint="name a .fits or .asdf file")
    chosen = [name.strip() for name in planes.split(",") if name.strip()]
    whole = out.suffix == ".asdf"
    cut = io.cutout(file, (ra, dec, size), tuple(PLANES) if whole else chosen)
    if whole:
        io.write(cut.image(), out)
    else:
        write_cutout(cut, out, max_residual)
    used = sum(values.nbytes for values in cut.planes.values())
    note(f"{cut.requests} requests moved {cut.moved / 1e6:.2f} MB for {used / 1e6:.2f} MB")
    typer.echo(out)
