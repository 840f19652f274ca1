"""Read and write any product, by the kind of file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aqueduct.core.step import Product
from aqueduct.io.formats import Generation
from aqueduct.products import Catalog

TABLES = (".fits", ".ecsv", ".xml")
"""What a catalog is written to beside Parquet; the last two are not read back."""


def read(path: str | Path) -> Product:
    """Read an official product file of either schema generation.

    Uncompressed arrays are mapped to memory, not read. Metadata become plain nested
    dictionaries, with ``astropy.time.Time`` for times; keywords that are not in the
    schema are kept.

    Parameters
    ----------
    path : path-like
        ``.asdf``, ``.parquet``, or ``.fits`` as :func:`write` makes it.

    Returns
    -------
    Raw, Ramp, Image, Mosaic, Segmentation or Catalog

    Raises
    ------
    InputError
        If the file is absent, damaged or no product.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        from aqueduct.io.parquet import read_catalog

        return read_catalog(path)
    if path.suffix == ".fits":
        from aqueduct.io.fits import read_fits

        return read_fits(path)
    from aqueduct.io.asdf_read import read_product

    return read_product(path)


def preload(kind: type[Product], rad: Generation = "2.1.0") -> None:
    """Load what :func:`write` needs for a kind of ASDF product: seconds, once a process."""
    from aqueduct.io.asdf_write import load_schemas

    load_schemas(kind, rad)


def write(
    product: Product,
    path: str | Path,
    *,
    rad: Generation = "2.1.0",
    recipe: Mapping[str, Any] | None = None,
) -> None:
    """Write a product in the official format, whole or not at all.

    The file is validated against the RAD schema of its generation. ``meta.filename``,
    ``meta.file_date`` and ``meta.model_type`` are set; keywords that only the other
    generation knows are dropped or given their default.

    Parameters
    ----------
    product : Product
    path : path-like
        ``.asdf``, or ``.parquet`` for a catalog; ``.fits`` as :mod:`aqueduct.io.fits` says.
    rad : {"2.1.0", "2.2.0"}
        Generation of the schemas.
    recipe : mapping, optional
        JSON-like; recorded in ``meta.aqueduct.recipe``, which official tools leave alone.

    Raises
    ------
    OutputError
        If the folder can't be written to or the disk is full.
    InternalError
        If the product does not fit its schema; the message names the keyword.
    """
    path = Path(path)
    if isinstance(product, Catalog) and path.suffix in TABLES:
        from aqueduct.io import fits

        fits.write_catalog(product, path, rad, recipe)
    elif isinstance(product, Catalog):
        from aqueduct.io.parquet import write_catalog

        write_catalog(product, path, rad, recipe)
    elif path.suffix == ".fits":
        from aqueduct.io.fits import write_fits

        write_fits(product, path, rad, recipe)
    else:
        from aqueduct.io.asdf_write import write_product

        write_product(product, path, rad, recipe)


def revise(
    product: Product,
    path: str | Path,
    *,
    rad: Generation = "2.1.0",
    recipe: Mapping[str, Any] | None = None,
) -> None:
    """Write a product over the file it was read from, of which only metadata may be new.

    The bytes are those of :func:`write`, and they appear whole or not at all. Arrays that
    are still those mapped from ``path`` are moved by the kernel: copied without passing
    through this process, or shared where the file system can (XFS, btrfs). Arrays that
    were replaced are written; what was changed *inside* a mapped array is not seen.

    Parameters
    ----------
    product : Product
    path : path-like
    rad, recipe
        As for :func:`write`.

    Raises
    ------
    OutputError, InternalError
        As :func:`write`.
    """
    path = Path(path)
    if isinstance(product, Catalog) or not path.exists():
        write(product, path, rad=rad, recipe=recipe)
    else:
        from aqueduct.io.asdf_write import write_product

        write_product(product, path, rad, recipe, source=path)
