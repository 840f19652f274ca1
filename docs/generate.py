"""MkDocs hooks: reference pages made from the code, and examples shown as they are tested.

Step pages come from the pipelines, the tables of flags and columns from ``core.dq`` and
``products.columns``, the command line's page from its own help. A line
``[[examples/x.py]]`` in a page becomes that file.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from aqueduct.cli.main import app
from aqueduct.core import dq
from aqueduct.core.step import Parameter, Step
from aqueduct.products import columns
from aqueduct.run import Pipeline, named, pipeline_names
from aqueduct.run.pipeline import load_step

HERE = Path(__file__).parent
STEPS = "reference/steps"
DATA_FLOW = ("exposure", "mosaic", "catalog")

_INCLUDE = re.compile(r"^\[\[(examples/[\w.]+)\]\]$", re.MULTILINE)
_LANGUAGES = {".py": "python", ".toml": "toml"}
_ROLE = re.compile(r":\w+:`~?([^`]+)`")
_LITERAL = re.compile(r"::$", re.MULTILINE)
_HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}$", re.MULTILINE)
_ITEM = re.compile(r"^([*\w][\w*, ]*?)(?: : (.+))?$", re.MULTILINE)
_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """List the step pages in the navigation."""
    entries = [{name: f"{STEPS}/{name}.md"} for name in _step_pages()]
    reference = next(entry["Reference"] for entry in config.nav or [] if "Reference" in entry)
    reference.insert(0, {"Steps": [{"All steps": f"{STEPS}/index.md"}, *entries]})
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages."""
    for path, text in pages().items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the examples in."""
    return _INCLUDE.sub(_example, markdown)


def _example(found: re.Match[str]) -> str:
    path = HERE / found[1]
    return f"```{_LANGUAGES[path.suffix]}\n{path.read_text()}```"


def pages() -> dict[str, str]:
    """Text of every generated page, by its path."""
    return {
        f"{STEPS}/index.md": _step_index(),
        **{f"{STEPS}/{name}.md": text for name, text in _step_pages().items()},
        "reference/dq.md": _dq_page(),
        "reference/columns.md": _columns_page(),
        "reference/cli.md": _cli_page(),
    }


def _pipelines() -> Iterator[Pipeline]:
    """The pipelines, those of the data flow first and in its order."""
    return map(named, dict.fromkeys([*DATA_FLOW, *pipeline_names()]))


def _step_index() -> str:
    parts = ["# Steps"]
    for pipeline in _pipelines():
        parts += [f"## {pipeline.name}", f"{pipeline.summary}."]
        for stage in pipeline.stages:
            steps = map(load_step, stage.steps)
            rows = [(f"[{one.name}]({one.name}.md)", one.shape, one.summary) for one in steps]
            parts.append(f"Stage `{stage.name}`, for each {stage.unit}:")
            parts.append(_table(("Step", "Shape", "What it does"), rows))
    return "\n\n".join(parts)


def _step_pages() -> dict[str, str]:
    """One page for each step, by the step's name."""
    return {
        name: _step_page(step, pipeline.name)
        for pipeline in _pipelines()
        for name, step in pipeline.steps().items()
    }


def _step_page(step: Step, pipeline: str) -> str:
    module = sys.modules[step.function.__module__]
    return "\n\n".join(
        [
            f"# {step.name}",
            _table(("", ""), _facts(step, pipeline)),
            as_markdown(inspect.getdoc(module) or ""),
            "## Configuration",
            _config_table(step),
            "## Function",
            f"    {step.name}{inspect.signature(step.function)}".replace("'", ""),
            as_markdown(inspect.getdoc(step.function) or ""),
        ]
    )


def _facts(step: Step, pipeline: str) -> list[tuple[str, str]]:
    used = [f"`{one.kind.__name__}` (`{vars(one.kind)['reftype']}`)" for one in step.references]
    facts = [
        ("Pipeline", f"`{pipeline}`"),
        ("Shape", f"`{step.shape}`"),
        ("Works on", f"`{step.member.__name__}`" if step.member else _kinds(step.products)),
        ("References", ", ".join(used) or "none"),
        ("Gives", _kinds(step.gives)),
        ("Source", f"`{step.function.__module__}`"),
    ]
    if step.cal_step:
        facts.append(("Recorded as", f"`meta.cal_step.{step.cal_step}`"))
    if step.redoable:
        facts.append(("On a finished product", "can be run again"))
    return facts


def _kinds(parameters: Iterable[Parameter]) -> str:
    names = (f"list[{one.kind.__name__}]" if one.many else one.kind.__name__ for one in parameters)
    return ", ".join(f"`{name}`" for name in names)


def _config_table(step: Step) -> str:
    rows = [
        (f"`{name}`", _type(one), f"`{one.get_default()!r}`", _bounds(one), one.description or "")
        for name, one in step.config.model_fields.items()
    ]
    return _table(("Name", "Type", "Default", "Bounds", "Meaning"), rows) if rows else "None."


def _type(entry: FieldInfo) -> str:
    kind = entry.annotation
    text = kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind)
    return f"`{text.replace('typing.', '')}`"


def _bounds(entry: FieldInfo) -> str:
    found = [
        f"{sign} {getattr(limit, name)}"
        for limit in entry.metadata
        for name, sign in _BOUNDS.items()
        if hasattr(limit, name)
    ]
    return ", ".join(found)


def _dq_page() -> str:
    return "\n\n".join(
        [
            "# Data-quality flags",
            "Bits of the `dq` plane (uint32). The flags of resultants (uint8) share bits 0 to 7.",
            _flags(dq.PIXEL),
        ]
    )


def _flags(flags: Iterable[dq.Flag]) -> str:
    rows = [(str(flag.bit), str(flag.value), f"`{flag.name}`", flag.meaning) for flag in flags]
    return _table(("Bit", "Value", "Name", "Meaning"), rows)


def _columns_page() -> str:
    rows = [
        (f"`{one.name}`", one.unit, one.dtype, one.ucd, f"`{one.error}`" if one.error else "",
         one.description)
        for one in columns.COLUMNS
    ]  # fmt: skip
    return "\n\n".join(
        [
            "# Catalog columns",
            "`{}` stands where a multiband catalog has the filter: `kron{}_flux` is "
            "`kron_flux` in the catalog of one image and `kron_f158_flux` in one of several.",
            _table(("Column", "Unit", "Type", "UCD", "Error", "Meaning"), rows),
            "## `warning_flags`",
            _flags(columns.WARNING_FLAGS),
            "## `psf_flags`",
            _flags(columns.PSF_FLAGS),
        ]
    )


def _cli_page() -> str:
    return "\n\n".join(["# Command line", *_help(typer.main.get_command(app), ())])


def _help(command: Any, verbs: tuple[str, ...]) -> Iterator[str]:
    """The help of a command and of those below it."""
    shown = CliRunner().invoke(
        app, [*verbs, "--help"], prog_name="aqueduct", env={"COLUMNS": "90", "TERM": "dumb"}
    )
    if verbs:
        yield f"## {' '.join(verbs)}"
    yield f"```text\n{shown.output.strip()}\n```"
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from _help(below, (*verbs, name))


def as_markdown(docstring: str) -> str:
    """A numpydoc docstring as Markdown: sections as headings, their items as lists."""
    text = _LITERAL.sub(":", _ROLE.sub(r"`\1`", docstring))
    first, *rest = _HEADING.split(text)
    parts = [first.strip()]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        parts += [f"### {title}", _items(body.strip("\n"))]
    return "\n\n".join(parts)


def _items(body: str) -> str:
    """``name : type`` lines as list items; what is indented below stays with them."""
    return _ITEM.sub(lambda item: f"\n- **{item[1]}**" + (f": {item[2]}" if item[2] else ""), body)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
