"""Digests of sources, configs and recipes.

A step's digest covers the syntax tree of its module and of every module of this
package it imports, directly or not (kernels included), without docstrings and
comments: rewording a comment does not make old products stale.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Words and wiring, not arithmetic: a change here does not change a product.
_NOT_ARITHMETIC = (
    "aqueduct.core.errors",
    "aqueduct.core.paths",
    "aqueduct.core.provenance",
    "aqueduct.core.step",
    "aqueduct.products.plot",
)


def digest(value: Any) -> str:
    """sha256 of a JSON-like value, independent of key order."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def source_digest(function: Callable[..., Any]) -> str:
    """Digest of the source a function depends on within this package."""
    start = Path(inspect.getfile(function))
    seen: dict[Path, str] = {}
    pending = [start]
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        # Keyed by modification time, so that a long-lived worker sees an edited user step.
        tree, imports = _parse(path, path.stat().st_mtime_ns)
        seen[path] = tree
        pending.extend(imports)
    return digest([start.name, *sorted(seen.values())])


@functools.lru_cache(maxsize=1024)
def _parse(path: Path, mtime: int) -> tuple[str, tuple[Path, ...]]:
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:]
    imports: set[Path] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports.update(_locate(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports.add(_locate(node.module))
            imports.update(_locate(f"{node.module}.{alias.name}") for alias in node.names)
    imports.discard(Path())
    return digest(ast.dump(tree)), tuple(sorted(imports))


@functools.lru_cache(maxsize=4096)
def _locate(module: str) -> Path:
    """The file of a module of this package; an empty path for anything else."""
    if not module.startswith("aqueduct.") or module in _NOT_ARITHMETIC:
        return Path()
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # `from module import name`: a name, not a module
        return Path()
    return Path(spec.origin) if spec and spec.origin else Path()
