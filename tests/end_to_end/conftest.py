"""The command line in this process and in others, small images, and one whole frame."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import toys
from typer.testing import CliRunner, Result

PROGRAM = """
aperture = "WFI01_FULL"
radius = 5.0
detectors = ["WFI01"]
filters = ["F158"]
ma_table = 3

[scene]
stars = 8.0
galaxies = 1.0
"""
"""One exposure of 57 s. Few sources: they take most of the time."""


@pytest.fixture(scope="session", autouse=True)
def offered(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Offer the quick pipeline as an installed package would; gives the search path."""
    folder = tmp_path_factory.mktemp("site")
    about = folder / "toys-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toys\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[aqueduct.pipelines]\ntoy = toys:PIPELINE\n")
    sys.path.append(str(folder))
    return os.pathsep.join((str(folder), str(toys.HERE.parent)))


@pytest.fixture(autouse=True)
def no_references(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No references but those a test names."""
    monkeypatch.setenv("AQUEDUCT_REFERENCES", str(tmp_path / "no-references"))
    for name in ("CRDS_PATH", "CRDS_CONTEXT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def images(tmp_path: Path) -> list[Path]:
    """Three small Level 2 images."""
    return toys.write_images(tmp_path / "images")


@pytest.fixture
def call() -> Callable[..., Result]:
    """Run ``aqueduct`` with some words."""
    from aqueduct.cli import main

    def run(*words: object) -> Result:
        return CliRunner().invoke(main.app, [str(word) for word in words], prog_name="aqueduct")

    return run


@pytest.fixture
def aqueduct(offered: str) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``aqueduct`` with some words in a process of its own."""

    def run(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
        code = "from aqueduct.cli.main import main; main()"
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, words)],
            env={**os.environ, "PYTHONPATH": offered},
            capture_output=True,
            text=True,
            **options,  # type: ignore[call-overload]
        )

    return run


@dataclass(frozen=True)
class Frame:
    """A simulated exposure, the references for it, and where its truth is."""

    raw: Path
    references: Path


@pytest.fixture(scope="session")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Frame:
    """One whole Level 1 frame."""
    from aqueduct.pipelines.make_references import make
    from aqueduct.pipelines.simulation import STARS, simulate_l1
    from aqueduct.products.references import AstrometricReference
    from aqueduct.references import load

    folder = tmp_path_factory.mktemp("frame")
    program = folder / "program.toml"
    program.write_text(PROGRAM)
    (raw,) = simulate_l1(config=program, seed=3, out=folder / "level1")
    stars = load(AstrometricReference, folder / "level1" / STARS)
    make(folder / "references", ["WFI01"], ["F158"], 3, astrometry=stars)
    return Frame(raw, folder / "references")
