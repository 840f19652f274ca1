"""Whether two folders hold the same products: bit for bit, but for what tells them apart."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from pyarrow import parquet

from aqueduct import io
from aqueduct.io.tree import opened, plain
from aqueduct.run import ledger

DATES = ("file_date",)
"""Keywords that say when a file was written."""
PRODUCTS = (".asdf", ".parquet")


def products(folder: Path) -> list[Path]:
    """Every product under ``folder``, relative to it."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix in PRODUCTS)
    return sorted(found)


def assert_same(first: Path, second: Path) -> None:
    """Assert that two folders hold the same products, recipes included."""
    assert products(first) == products(second)
    for name in products(first):
        assert_same_file(first / name, second / name)


def assert_same_file(first: Path, second: Path) -> None:
    """Assert that two files hold the same but for their dates."""
    what = _product
    if "references" in first.parts:
        what = _reference
    elif first.suffix == ".parquet" and not first.name.endswith("_cat.parquet"):
        what = _table
    _same(what(first), what(second), first.name)


def _product(path: Path) -> Any:
    return {"recipe": io.peek(path).recipe, "product": io.read(path)}


def _table(path: Path) -> Any:
    table = parquet.read_table(path)
    columns = {name: table[name].to_numpy() for name in table.column_names}
    return {"columns": columns, "about": str(table.schema.to_string(show_field_metadata=True))}


def _reference(path: Path) -> Any:
    with opened(path) as tree:
        return plain(dict(tree.items()), path)


def _same(one: Any, other: Any, where: str) -> None:
    """Compare two values, going into what they hold."""
    assert type(one) is type(other), where
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, err_msg=where, strict=True)
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in (key for key in one if key not in DATES):
            _same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, (left, right) in enumerate(zip(one, other, strict=True)):
            _same(left, right, f"{where}[{number}]")
    elif dataclasses.is_dataclass(one):
        for entry in dataclasses.fields(one):
            _same(getattr(one, entry.name), getattr(other, entry.name), f"{where}.{entry.name}")
    elif hasattr(one, "forward_transform"):  # a gwcs: compared as the file has it
        x, y = np.meshgrid(np.linspace(0, 4087, 9), np.linspace(0, 4087, 9))
        _same(np.asarray(one(x, y)), np.asarray(other(x, y)), where)
    else:
        assert str(one) == str(other), where


def times_made(folder: Path) -> Counter[str]:
    """How often each unit was made, according to the ledgers under ``folder``."""
    made: Counter[str] = Counter()
    for path in folder.rglob(ledger.NAME):
        for line in ledger.lines(path.parent):
            if line["status"] == "made":
                made[f"{path.parent.name}/{line['stage']}-{line['unit']}"] += 1
    return made


def hidden(folder: Path) -> list[Path]:
    """Hidden folders under ``folder``: left behind by writers that were killed."""
    return sorted(path for path in folder.rglob(".*") if path.is_dir())
