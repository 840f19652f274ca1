"""Small images, and the quick pipeline that the end-to-end tests use too."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[1] / "end_to_end"))


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three small Level 2 images."""
    from toys import write_images

    return write_images(tmp_path_factory.mktemp("images"))


@pytest.fixture
def take(images: list[Path], tmp_path: Path) -> Callable[..., Any]:
    """Run the quick pipeline into a folder; gives the summary."""
    from toys import PIPELINE

    from aqueduct.run import run

    def go(out: Path, inputs: Any = None, pipeline: Any = PIPELINE, **options: Any) -> Any:
        options = {"references": tmp_path / "no-references", **options}
        return run(pipeline, images if inputs is None else inputs, out=out, **options)

    return go


@pytest.fixture(scope="session")
def straight(images: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one undisturbed run makes."""
    from toys import PIPELINE

    from aqueduct.run import run

    out = tmp_path_factory.mktemp("straight")
    run(PIPELINE, images, out=out, references=out / "no-references")
    return out
