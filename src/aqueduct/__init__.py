"""Aqueduct: data management for the Wide Field Instrument of the Roman Space Telescope.

image = aqueduct.open("r0000101001001001001_0001_wfi01_f158_cal.asdf")
image.plot()

aqueduct.run("exposure", "r0000101001001001001_0001_wfi01_f158_uncal.asdf", out="l2")
"""

from __future__ import annotations

from importlib import import_module
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aqueduct.run import run as run

    __version__: str

__all__ = ["__version__", "open", "run"]


def open(path: str | PathLike[str]) -> Any:
    """Read a product from an official file; its arrays are mapped, not loaded.

    Parameters
    ----------
    path : path-like
        ``.asdf`` or ``.parquet``.

    Returns
    -------
    Raw, Ramp, Image, Mosaic, Segmentation or Catalog
        With ``meta`` and ``plot()``; but for catalogs ``data``, and ``wcs`` from Level 2 on.

    Raises
    ------
    InputError
        If the file is absent, damaged or no product.
    """
    from pathlib import Path

    from aqueduct.io import read

    return read(Path(path))


def __getattr__(name: str) -> Any:
    if name == "run":  # a package that may be called
        return import_module("aqueduct.run")
    if name == "__version__":
        from importlib.metadata import version

        return version("roman-aqueduct")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
