"""``aqueduct explain``: the inputs, steps, configs and references that made a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aqueduct.cli import output
from aqueduct.core.errors import AqueductError

if TYPE_CHECKING:
    from rich.tree import Tree

    from aqueduct.io import Header
    from aqueduct.run.recipe import Input, Link, Recipe

_DIGITS = 12
"""Of a digest, where it is only named."""


def explain(
    file: Annotated[Path, typer.Argument(help="A product.", metavar="FILE")],
    depth: Annotated[
        int, typer.Option(min=0, help="How far back to follow inputs that are on disk.")
    ] = 1,
    folders: Annotated[
        list[Path] | None,
        typer.Option("--in", help="Another folder where inputs may lie.", metavar="DIR"),
    ] = None,
) -> None:
    """Print what made a file.

    Inputs, steps with their parameters, and references are read from its recipe.
    Parameters that differ from their defaults are marked with *.

    \b
    Examples:
      aqueduct explain l3/x_coadd.asdf
      aqueduct explain l3/x_coadd.asdf --in l2 --in l1 --depth 3
    """
    from rich.tree import Tree

    search = tuple(dict.fromkeys([file.parent, *(folders or ())]))
    root = Tree(str(file))
    _Explainer(search).file(root, file, depth)
    output.show(root)


@dataclass(frozen=True)
class _Explainer:
    """Grows the tree; ``folders`` are where inputs are looked for."""

    folders: tuple[Path, ...]

    def file(self, node: Tree, path: Path, depth: int) -> None:
        """All that is known of a file."""
        from aqueduct import io
        from aqueduct.run.recipe import Recipe

        header = io.peek(path)
        node.add(f"{header.product.__name__}, {_software(header)}")
        if header.recipe is None:
            _foreign(node, header)
            return
        for line in _ledger(path):
            node.add(line)
        self.recipe(node, Recipe.from_dict(header.recipe), path, depth)

    def recipe(self, node: Tree, recipe: Recipe, path: Path, depth: int) -> None:
        """A recipe: inputs, what was given, steps, and the recipe it revised."""
        node.add(f"recipe {recipe.id}")
        inputs = node.add(f"inputs ({len(recipe.inputs)})")
        for entry in recipe.inputs:
            self.input(inputs, entry, path, depth)
        if recipe.given:
            given = node.add("given")
            for key, value in recipe.given.items():
                given.add(f"{key}: {value}")
        steps = node.add(f"steps ({len(recipe.links)})")
        for link in recipe.links:
            _step(steps, link, str(recipe.given.get("stage", "")))
        if recipe.skipped:
            node.add(f"left out on request: {', '.join(recipe.skipped)}")
        if recipe.earlier is not None:
            before = node.add("earlier: the same file before these steps revised it")
            self.recipe(before, recipe.earlier, path, depth)

    def input(self, node: Tree, entry: Input, path: Path, depth: int) -> None:
        """An input, and what made it if it is on disk and not too far back."""
        label = f"{entry.name}  {entry.id[:_DIGITS]}"
        if entry.name == path.name:
            node.add(f"{label}  (this file, as it was earlier)")
            return
        found = next(
            (folder / entry.name for folder in self.folders if (folder / entry.name).is_file()),
            None,
        )
        if found is None:
            node.add(f"{label}  (not here)")
            return
        try:
            same = entry.id in identities(found)
        except AqueductError as error:
            node.add(f"{label}  ({found}: {error.what})")
            return
        branch = node.add(label if same else f"{label}  (the file here is another now)")
        if depth > 0 and same:
            self.file(branch, found, depth - 1)


def identities(path: Path) -> tuple[str, ...]:
    """What a recipe may call a file: its recipe, its earlier one, or its sha256."""
    from aqueduct import io
    from aqueduct.references import References
    from aqueduct.run.recipe import Recipe

    header = io.peek(path)
    if header.recipe is None:
        return (References().digest(path),)
    recipe = Recipe.from_dict(header.recipe)
    return (recipe.id, recipe.earlier.id) if recipe.earlier else (recipe.id,)


def _software(header: Header) -> str:
    name = header.meta.get("calibration_software_name", "unknown software")
    return f"{name} {header.meta.get('calibration_software_version', '')}".strip()


def _foreign(node: Tree, header: Header) -> None:
    """What a file of another tool tells of itself."""
    node.add("no recipe: not made by Aqueduct")
    for block, what in (("cal_step", "steps"), ("ref_file", "references")):
        entries = header.meta.get(block)
        if isinstance(entries, dict):
            branch = node.add(f"{what} (meta.{block})")
            for key, value in entries.items():
                branch.add(f"{key}: {value}")


def _ledger(path: Path) -> list[str]:
    """When, where and at what cost the file was made, one line a stage."""
    from aqueduct.run import ledger

    last = {}
    for line in ledger.lines(path.parent):
        if path.name in line["files"] and line["status"] == "made":
            last[line["stage"]] = line
    return [_cost(line) for line in last.values()]


def _cost(line: dict[str, Any]) -> str:
    readings = line["steps"].values()
    seconds = sum(reading["seconds"] for reading in readings)
    memory = max((reading["resident"] for reading in readings), default=0)
    return (
        f"{line['stage']}: made {line['date']} on {line['host']} "
        f"in {seconds:.1f} s with {output.gigabytes(memory)}"
    )


def _step(node: Tree, link: Link, stage: str) -> None:
    branch = node.add(f"{link.step}  {link.id[:_DIGITS]}")
    usual = _defaults(link.step, stage)
    for key, value in link.config.items():
        changed = usual is not None and value != usual.get(key)
        mark = f"* (default {usual.get(key)})" if usual is not None and changed else ""
        branch.add(f"{key} = {value} {mark}".rstrip())
    for reftype, entry in link.references.items():
        branch.add(f"reference {reftype}: {entry['name']}  sha256 {entry['sha256']}")


def _defaults(name: str, stage: str) -> dict[str, Any] | None:
    """Default parameters of a step; None for one of the user's own."""
    where = _places(stage).get(name)
    if where is None:
        return None
    from aqueduct.run.pipeline import load_step

    values: dict[str, Any] = load_step(where).config().model_dump(mode="json")
    return values


def _places(stage: str) -> dict[str, str]:
    """``module:function`` of the steps in the stages of that name."""
    from aqueduct.run import named, pipeline_names
    from aqueduct.run.pipeline import step_name

    found: Sequence[str] = [
        where
        for pipeline in map(named, pipeline_names())
        for candidate in pipeline.stages
        if candidate.name == stage
        for where in candidate.steps
    ]
    return {step_name(where): where for where in found}
