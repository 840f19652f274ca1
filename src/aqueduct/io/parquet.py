"""Catalogs as the official Parquet files.

The layout is that of ``roman_datamodels``: metadata flattened to ``roman.meta.*`` texts
in the file's key-value metadata, the unit in each field's. Beside them, under
``aqueduct``, the metadata with their types and the recipe, and in each field its
description and UCD.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.core.paths import cache_home
from aqueduct.core.provenance import digest
from aqueduct.io.asdf_write import named_errors, official_meta
from aqueduct.io.atomic import atomic
from aqueduct.io.formats import Format, Generation, full_tag, of_model, of_product
from aqueduct.io.header import OWN, Header
from aqueduct.io.tree import ABSENT, DAMAGED, datamodels, quick_yaml
from aqueduct.products import Catalog
from aqueduct.products.catalog import Kind
from aqueduct.products.columns import column
from aqueduct.products.meta import Meta

_PREFIX = "roman.meta."
_TABLE = "source_catalog"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?")
_TIME_KEY = "__time__"


def write_catalog(
    catalog: Catalog, path: Path, rad: Generation, recipe: Mapping[str, Any] | None
) -> None:
    """Write a catalog to Parquet; see :func:`aqueduct.io.write`."""
    import pyarrow
    import pyarrow.parquet
    from astropy.table.meta import get_yaml_from_table

    name, form = of_product(catalog)
    meta = official_meta(catalog.meta, path.name, form.model, rad, recipe)
    own = dumped(meta)
    meta.pop(OWN, None)
    model = _model_of(catalog, meta, full_tag(name, rad), form, path)
    table = model[_TABLE]
    fields = [_field(entry) for entry in table.itercols()]
    about = {key: str(value) for key, value in model.to_flat_dict().items() if _PREFIX in key}
    # What astropy's reader takes units and descriptions from.
    about["table_meta_yaml"] = "\n".join(get_yaml_from_table(table))
    schema = pyarrow.schema(fields, metadata={**about, OWN: own})
    arrays = list(catalog.columns.values())
    with atomic(path) as temporary:
        pyarrow.parquet.write_table(
            pyarrow.Table.from_arrays(arrays, schema=schema), temporary, compression="none"
        )


def _model_of(catalog: Catalog, meta: Meta, tag: str, form: Format, path: Path) -> Any:
    """The official model of a catalog, checked against its schema."""
    table = described_table(catalog.columns)
    with named_errors(path), quick_yaml():
        _check_part(meta, tag, "meta")
        _check_columns(tag, tuple(_declared(entry) for entry in table.itercols()))
        model = getattr(datamodels(), form.model).create_minimal(tag=tag)
    model["meta"] = meta
    model[_TABLE] = table
    return model


def described_table(columns: Mapping[str, NDArray[Any]]) -> Any:
    """An astropy table of columns with their units and descriptions."""
    from astropy.table import Table

    table = Table(dict(columns), copy=False)
    for entry in table.itercols():
        declared = column(entry.name)
        entry.unit = None if declared.unit == "none" else declared.unit
        entry.description = declared.description
    return table


def _declared(entry: Any) -> tuple[str, str, str, str]:
    """What a schema sees of a column: name, type, unit and description."""
    return entry.name, entry.dtype.str, str(entry.unit), str(entry.description)


@cache
def _check_columns(tag: str, kinds: tuple[tuple[str, str, str, str], ...]) -> None:
    """Check columns against a schema, which looks at no values.

    The schema tries every column on every rule: as long as writing the file ten times. So
    what has passed is remembered in the user's cache, for this version of the schemas.
    """
    passed = digest([tag, version("rad"), kinds])
    mark = cache_home() / "checked" / passed
    if mark.exists():
        return
    empty = described_table({name: np.empty(0, kind) for name, kind, _, _ in kinds})
    _check_part(empty, tag, _TABLE)
    with suppress(OSError):  # a cache that can't be written to is no error
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()


def _check_part(value: Any, tag: str, part: str) -> None:
    """Validate ``value`` as the entry ``part`` of what ``tag`` marks."""
    import asdf
    from asdf.yamlutil import custom_tree_to_tagged_tree

    file = asdf.AsdfFile()
    (uri,) = file.extension_manager.get_tag_definition(tag).schema_uris
    schema = {"properties": {part: asdf.schema.load_schema(uri)["properties"][part]}}
    asdf.schema.validate(custom_tree_to_tagged_tree({part: value}, file), file, schema)


def _field(entry: Any) -> Any:
    """The Parquet field of a table column."""
    import pyarrow

    about = {
        "unit": str(entry.unit or "none"),
        "description": entry.description,
        "ucd": column(entry.name).ucd,
    }
    return pyarrow.field(entry.name, pyarrow.from_numpy_dtype(entry.dtype), metadata=about)


def read_catalog(path: Path) -> Catalog:
    """Read a catalog from Parquet; see :func:`aqueduct.io.read`."""
    import pyarrow.parquet

    header = peek_catalog(path)
    form = cast(Format, of_model(header.model))
    try:
        table = pyarrow.parquet.read_table(path, memory_map=True)
        columns = {name: table[name].to_numpy() for name in table.column_names}
    except (OSError, pyarrow.ArrowException) as error:
        raise _damaged(error, path) from error
    return Catalog(columns, header.meta, cast(Kind, form.kind))


def peek_catalog(path: Path) -> Header:
    """The header of a catalog; see :func:`aqueduct.io.peek`."""
    import pyarrow.parquet

    try:
        about = pyarrow.parquet.read_schema(path).metadata or {}
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), hint=ABSENT) from error
    except (OSError, pyarrow.ArrowException) as error:
        raise _damaged(error, path) from error
    texts = {key.decode(): value.decode() for key, value in about.items() if key != b"ARROW:schema"}
    own = OWN in texts
    return header_of(loaded(texts[OWN]) if own else _unflattened(texts), path, own)


def header_of(meta: Meta, path: Path, own: bool = True) -> Header:
    """The header of a catalog with these metadata, written by Aqueduct or by others."""
    recipe = (meta.pop(OWN, None) or {}).get("recipe") if own else None
    form = of_model(str(meta.get("model_type", "")))
    if form is None or form.product is not Catalog:
        raise InputError(
            "not a Roman source catalog", where=str(path), hint="its metadata lack model_type"
        )
    return Header(Catalog, form.model, "", meta, recipe)


def _damaged(error: Exception, path: Path) -> InputError:
    return InputError(f"corrupt or truncated: {error}", where=str(path), hint=DAMAGED)


def dumped(meta: Mapping[str, Any]) -> str:
    """Metadata as JSON, with their types."""
    return json.dumps(meta, default=_to_json)


def loaded(text: str) -> Meta:
    """What :func:`dumped` wrote."""
    meta: Meta = json.loads(text, object_hook=_from_json)
    return meta


def _to_json(value: Any) -> Any:
    """What JSON has no type for: times, and the numpy scalars that find their way in."""
    if hasattr(value, "isot"):
        return {_TIME_KEY: value.isot}
    return value.item() if isinstance(value, np.generic) else list(value)


def _from_json(value: dict[str, Any]) -> Any:
    from astropy.time import Time

    return Time(value[_TIME_KEY]) if _TIME_KEY in value else value


def _unflattened(texts: Mapping[str, str]) -> Meta:
    """Nested metadata from an official file's ``roman.meta.*`` texts, types guessed."""
    meta: Meta = {}
    for key, text in texts.items():
        if key.startswith(_PREFIX):
            *blocks, last = key.removeprefix(_PREFIX).split(".")
            block = meta
            for name in blocks:
                block = block.setdefault(name, {})
            block[last] = _guessed(last, text)
    return meta


def _guessed(name: str, text: str) -> Any:
    if _TIME.fullmatch(text):
        from astropy.time import Time

        return Time(text)
    if name.endswith("_id"):
        return text
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
