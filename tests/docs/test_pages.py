"""Links lead somewhere, commands exist, and each step has a complete page."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from aqueduct.run import named, pipeline_names

ROOT = Path(__file__).parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
WRITTEN = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pages(generate: ModuleType) -> dict[str, str]:
    made: dict[str, str] = generate.pages()
    return made


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files(path: Path, pages: dict[str, str]) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text()):
        if "://" in target:
            continue
        found = (path.parent / target).resolve()
        generated = (
            found.is_relative_to(ROOT / "docs") and str(found.relative_to(ROOT / "docs")) in pages
        )
        assert found.exists() or generated, target


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_make_targets_exist(path: Path) -> None:
    code = "\n".join(
        block or inline
        for block, inline in re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", path.read_text(), re.DOTALL)
    )
    assert set(re.findall(r"^make ([a-z-]+)", code, re.MULTILINE)) <= TARGETS


def test_readme_is_short_and_names_folders_that_exist() -> None:
    readme = (ROOT / "README.md").read_text()
    assert len(readme.splitlines()) <= 80
    figure = re.search(r"```text\n(.*?)```", readme, re.DOTALL)
    assert figure
    folders = {path.parent.name for path in (ROOT / "src" / "aqueduct").glob("*/__init__.py")}
    assert {"simulate", "level2", "level3", "level4", "run"} <= folders & set(
        re.findall(r"\w+", figure[1])
    )


def test_every_step_has_a_page_with_every_parameter(pages: dict[str, str]) -> None:
    for name in pipeline_names():
        for step in named(name).steps().values():
            page = pages[f"reference/steps/{step.name}.md"]
            for parameter, entry in step.config.model_fields.items():
                assert f"| `{parameter}` |" in page
                assert entry.description, f"{step.name}.{parameter} has no description"


def test_command_line_page_has_every_verb(generate: ModuleType, pages: dict[str, str]) -> None:
    verbs = set(generate.typer.main.get_command(generate.app).commands)
    assert verbs
    assert all(f"## {verb}\n" in pages["reference/cli.md"] for verb in verbs)


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Uses :func:`refpix`.", "Uses `refpix`."),
        ("It is::\n\n    a = b", "It is:\n\n    a = b"),
        (
            "Sum.\n\nParameters\n----------\nx : float\n    DN.\n\nReturns\n-------\nfloat",
            "Sum.\n\n### Parameters\n\n- **x**: float\n    DN.\n\n### Returns\n\n- **float**",
        ),
    ],
)
def test_docstrings_become_markdown(generate: ModuleType, docstring: str, expected: str) -> None:
    assert re.sub(r"\n{3,}", "\n\n", generate.as_markdown(docstring)) == expected


def test_decisions_are_listed_and_numbered() -> None:
    folder = ROOT / "docs" / "decisions"
    names = sorted(path.name for path in folder.glob("0*.md"))
    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))
    index = (folder / "index.md").read_text()
    navigation = (ROOT / "mkdocs.yml").read_text()
    assert all(f"]({name})" in index and f"decisions/{name}" in navigation for name in names)


def test_lock_files_agree_and_name_no_index() -> None:
    pins = {}
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (ROOT / name).read_text()
        assert "://" not in text
        pins[name] = set(re.findall(r"^([\w.-]+==[^\\\n]+?) *\\?$", text, re.MULTILINE))
    assert pins["requirements.lock"] < pins["requirements-dev.lock"]


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = (ROOT / "requirements.lock").read_text()
    for dependency in project["dependencies"]:
        name = re.split(r"[<>=\[]", dependency)[0]
        assert f"\n{name}==" in lock, name


def test_ci_and_hooks_call_make() -> None:
    assert "exec make test" in (ROOT / ".ci" / "run").read_text()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert {hook["entry"] for hook in hooks} == {"make lint", "make test"}
