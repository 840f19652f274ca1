"""``aqueduct doctor``: what is installed, what is missing, what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from aqueduct.cli import output
from aqueduct.core.errors import AqueductError

_MEMORY = 4 << 30
"""Bytes that one detector's calibration takes, with room to spare."""
_DISK = 10 << 30
"""Bytes that references and products of a few exposures take."""
_OPTIONAL = {"dot": "graphviz draws work graphs"}
"""Programs that some documents need, and what for."""


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, what was found, and what to do if it is not well."""

    name: str
    found: str
    hint: str = ""
    needed: bool = True

    @property
    def status(self) -> str:
        if not self.hint:
            return "ok"
        return "missing" if self.needed else "note"


def doctor() -> None:
    """Check the installation and this machine.

    Exit status 1 if it can't be used.

    \b
    Examples:
      aqueduct doctor
    """
    found = [*_python(), *_packages(), *_pipelines(), *_cache(), *_references(), *_machine()]
    output.table(
        ("", "what", "found", "do"),
        [(finding.status, finding.name, finding.found, finding.hint) for finding in found],
    )
    if any(finding.status == "missing" for finding in found):
        raise typer.Exit(1)


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    well = sys.version_info >= (3, 11)
    yield Finding("Python", version, "" if well else "install Python 3.11 or later")


def _packages() -> Iterator[Finding]:
    """Every required package against the version needed."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    needed = [Requirement(text) for text in requires("roman-aqueduct") or ()]
    for need in needed:
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        hint = f"pip install '{need}'"
        try:
            found = version(need.name)
        except PackageNotFoundError:
            yield Finding(need.name, "not installed", hint)
            continue
        well = need.specifier.contains(found, prereleases=True)
        yield Finding(need.name, f"{found} (needs {need.specifier or 'any'})", "" if well else hint)


def _pipelines() -> Iterator[Finding]:
    from importlib.metadata import entry_points

    names = sorted(entry.name for entry in entry_points(group="aqueduct.pipelines"))
    hint = (
        "" if names else "install the package again: pip install --force-reinstall roman-aqueduct"
    )
    yield Finding("pipelines", ", ".join(names) or "none", hint)


def _cache() -> Iterator[Finding]:
    """The per-user cache, and where compiled kernels go."""
    from aqueduct.core.paths import cache_home

    home = cache_home()
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    hint = "" if writable(home) else "set AQUEDUCT_CACHE to a folder that can be written to"
    yield Finding("cache", f"{home}  {output.gigabytes(size)}", hint)
    kernels = Path(os.environ.get("NUMBA_CACHE_DIR") or home / "numba")
    count = sum(1 for _ in kernels.rglob("*.nbc"))
    hint = "" if writable(kernels) else "unset NUMBA_CACHE_DIR, or point it to a writable folder"
    yield Finding("compiled kernels", f"{kernels}  {count}", hint)


def writable(folder: Path) -> bool:
    """Whether files can be made in a folder, or it can be made itself."""
    while not folder.exists():
        folder = folder.parent
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _references() -> Iterator[Finding]:
    from aqueduct.references import References, default_root

    root = default_root()
    try:
        yield Finding("references", f"{root}  {References(root).context}")
    except AqueductError as error:
        yield Finding("references", f"{root}  {error.what}", error.hint, needed=False)


def _machine() -> Iterator[Finding]:
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("cores", str(cores))
    memory = psutil.virtual_memory()
    hint = "" if memory.total >= _MEMORY else f"{output.gigabytes(_MEMORY)} are needed"
    yield Finding(
        "memory",
        f"{output.gigabytes(memory.total)}, {output.gigabytes(memory.available)} free",
        hint,
    )
    free = shutil.disk_usage(Path.cwd()).free
    hint = "" if free >= _DISK else f"make room: {output.gigabytes(_DISK)} are a good beginning"
    yield Finding("disk here", f"{output.gigabytes(free)} free", hint, needed=False)
    for program, use in _OPTIONAL.items():
        path = shutil.which(program)
        hint = "" if path else f"optional: {use}"
        yield Finding(program, path or "not installed", hint, needed=False)
