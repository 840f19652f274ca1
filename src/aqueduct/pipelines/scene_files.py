"""Scenes from files: Parquet, ECSV, FITS or anything else astropy reads; data cubes in FITS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aqueduct.core.errors import InputError
from aqueduct.pipelines.cube_files import is_cube, scene_from_cube
from aqueduct.simulate.scene import ImageTemplate, Scene, scene_from_table


def scene_from_file(path: Path, images: tuple[ImageTemplate, ...] = ()) -> Scene:
    """The sources of a table in a file, or those of a data cube.

    Parameters
    ----------
    path : Path
        The columns are those of :func:`aqueduct.simulate.scene.scene_from_table`; a cube is
        as :func:`aqueduct.pipelines.cube_files.cube_from_fits` takes it.
    images : tuple of ImageTemplate
        What its column ``image`` counts.

    Raises
    ------
    InputError
        If the file can't be read as a table, or a column or row is at fault.
    """
    if is_cube(path):
        return scene_from_cube(path)
    try:
        return scene_from_table(_read(path), images)
    except InputError as error:
        raise InputError(error.what, where=str(path), hint=error.hint) from error


def _read(path: Path) -> Any:
    from astropy.table import Table

    form = "ascii.ecsv" if path.suffix == ".ecsv" else None
    try:
        return _parquet(path) if path.suffix == ".parquet" else Table.read(path, format=form)
    except Exception as error:  # the many readers raise errors of many kinds
        raise InputError(
            f"is no readable table: {error}", hint="use Parquet, ECSV or FITS"
        ) from error


def _parquet(path: Path) -> Any:
    """An astropy table, with units and keywords as astropy or as we write them.

    Astropy's own reader needs pandas, which is no dependency of ours.
    """
    import pyarrow.parquet
    from astropy.table import Table

    content = pyarrow.parquet.read_table(path)
    table = Table({name: _column(content[name]) for name in content.column_names})
    keywords = content.schema.metadata or {}
    for entry in content.schema:
        unit = (entry.metadata or {}).get(b"unit", b"none").decode()
        table[entry.name].unit = None if unit == "none" else unit
    if b"table_meta_yaml" in keywords:
        _astropy_header(table, keywords[b"table_meta_yaml"].decode())
    table.meta.update(json.loads(keywords.get(b"aqueduct", b"{}")))
    return table


def _column(values: Any) -> Any:
    """A numpy array, masked where a value is null."""
    import numpy as np

    if values.null_count == 0:
        return values.to_numpy()
    filled = values.fill_null("" if values.type.equals("string") else 0)
    return np.ma.array(filled.to_numpy(), mask=values.is_null().to_numpy())


def _astropy_header(table: Any, text: str) -> None:
    """Units and keywords as ``astropy.table.Table.write`` keeps them in Parquet."""
    from astropy.table import meta

    header = meta.get_header_from_yaml(text.split("\n"))
    for entry in header["datatype"]:
        if "unit" in entry:
            table[entry["name"]].unit = entry["unit"]
    table.meta.update(header.get("meta", {}))
