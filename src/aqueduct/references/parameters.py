"""Parameter references: values of a step's parameters, selected like any reference.

A file of type ``pars-rampfitstep`` is ASDF with ``class``, ``name``, ``parameters`` and
``steps``, the last with the same four for each step of a pipeline. What the file of the
pipeline (``pars-exposurepipeline``) says of a step wins over the step's own file. Steps and
parameters go by their official names or by ours.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from aqueduct.core.errors import ReferenceError
from aqueduct.core.step import Step
from aqueduct.references.provider import References

_CLASSES: Final = {"dark": "darkcurrentstep", "flat": "flatfieldstep"}
"""Official names of steps that are not ours without underscores."""
_RENAMED: Final[dict[str, dict[str, str]]] = {
    "ramp_fit": {"use_ramp_jump_detection": "jump_detection"},
    "saturation": {"n_pix_grow_sat": "grow"},
    "tweakreg": {
        "abs_fitgeometry": "fit_geometry",
        "abs_minobj": "minimum_matches",
        "abs_searchrad": "search",
        "abs_sigma": "clip",
        "abs_tolerance": "tolerance",
    },
}
"""Official parameters that mean the same as one of ours with another name, by step."""
_FILES: Final = frozenset(
    (
        "input_dir",
        "output_dir",
        "output_ext",
        "output_file",
        "output_use_index",
        "output_use_model",
        "post_hooks",
        "pre_hooks",
        "save_results",
        "search_output_file",
        "suffix",
        "update_version",
    )
)
"""Parameters of every official step: where it finds and puts files, not what it does."""


@dataclass(frozen=True)
class Parameters:
    """What parameter references say of one step.

    Attributes
    ----------
    values : dict
        By our names.
    skip : bool
        Whether the step is to be left out.
    files : dict of str to dict
        ``name`` and ``sha256`` of the files used, by type, for the recipe; ``unused``: the
        parameters in it that the step does not have.
    """

    values: dict[str, Any] = field(default_factory=dict)
    skip: bool = False
    files: dict[str, dict[str, str]] = field(default_factory=dict)


def reftype(step: str) -> str:
    """The type of a step's parameter reference."""
    return f"pars-{_CLASSES.get(step, step.replace('_', '') + 'step')}"


def parameters(
    references: References, step: Step, meta: Mapping[str, Any], pipeline: str = ""
) -> Parameters:
    """What the parameter references for an exposure say of a step.

    A parameter the step does not have is warned of, and told in ``files``.

    Parameters
    ----------
    references : References
    step : Step
    meta : mapping
        Metadata of the exposure.
    pipeline : str
        Name of the pipeline it is part of.

    Raises
    ------
    MissingReferenceError
        If the rules select a file that is not there.
    ReferenceError
        If a file can't be read.
    """
    found = Parameters()
    for kind in (reftype(step.name), f"pars-{pipeline}pipeline"):
        if not references.applies(kind, meta):
            continue
        path = references.find(kind, meta)
        said = [table for table in _tables(read(path)) if _is_of(table, step.name)]
        values, unused, skip = _ours(step, said)
        record = {"name": path.name, "sha256": references.digest(path)}
        if unused:
            record["unused"] = ", ".join(sorted(unused))
        if strange := sorted(unused - _FILES):
            warnings.warn(
                f"{path}: {step.name} has no parameter {', '.join(strange)}: not used",
                stacklevel=2,
            )
        if said:
            found = Parameters(
                {**found.values, **values},
                found.skip if skip is None else skip,
                {**found.files, kind: record},
            )
    return found


def _tables(table: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The table of a file and those of its steps."""
    yield table
    for inner in table.get("steps") or ():
        yield from _tables(inner)


def _is_of(table: Mapping[str, Any], step: str) -> bool:
    official = str(table.get("class", "")).rpartition(".")[2].lower()
    return step == table.get("name") or f"pars-{official}" == reftype(step)


def _ours(
    step: Step, tables: list[Mapping[str, Any]]
) -> tuple[dict[str, Any], set[str], bool | None]:
    """Values by our names, the names of parameters that are not ours, and ``skip``."""
    values: dict[str, Any] = {}
    unused: set[str] = set()
    skip = None
    for table in tables:
        for name, value in (table.get("parameters") or {}).items():
            own = _RENAMED.get(step.name, {}).get(name, name)
            if own in step.config.model_fields:
                values[own] = value
            elif name == "skip":
                skip = bool(value)
            else:
                unused.add(name)
    return values, unused, skip


def read(path: Path) -> Mapping[str, Any]:
    """``class``, ``name``, ``parameters``, ``steps`` and ``meta`` of a file, as plain values.

    Raises
    ------
    ReferenceError
        If it is no parameter reference.
    """
    return _parsed(path, path.stat().st_mtime_ns)


_ENTRIES: Final = ("class", "name", "parameters", "steps", "meta")


@lru_cache(maxsize=128)
def _parsed(path: Path, mtime: int) -> Mapping[str, Any]:
    import asdf

    try:
        with asdf.config_context() as config:
            config.validate_on_read = False
            with asdf.open(path, memmap=False, lazy_load=False) as file:
                tree = {name: file.tree.get(name) for name in _ENTRIES}
    except Exception as error:  # asdf raises nearly any type on damaged bytes
        raise ReferenceError(
            f"no parameter reference: {error}", where=str(path), hint="get or make it again"
        ) from error
    tables = [tree["parameters"], *(entry for entry in tree["steps"] or ())]
    if not all(isinstance(table, Mapping) for table in tables):
        raise ReferenceError(
            "no parameter reference: it needs class, name, parameters and steps",
            where=str(path),
            hint="`crds` and `stpipe` document its form",
        )
    return tree
