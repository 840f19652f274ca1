"""Small official products, and the command run in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from roman_datamodels import datamodels
from typer.testing import CliRunner, Result

from aqueduct import io
from aqueduct.cli import main
from aqueduct.products.meta import updated

REGION = "POLYGON ICRS  10.1 0.1 10.1 0.2 10.0 0.2 10.0 0.1"


@pytest.fixture
def call() -> Callable[..., Result]:
    """Run ``aqueduct`` with some words."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(main.app, [str(word) for word in words], prog_name="aqueduct")

    return run


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> object:
    path = tmp_path_factory.mktemp("template") / "image.asdf"
    datamodels.ImageModel.create_fake_data(shape=(100, 100)).to_asdf(path)
    return io.read(path)


@pytest.fixture
def image(template: object, tmp_path: Path) -> Callable[..., Path]:
    """Write a Level 2 image of program 1, exposure ``number``."""

    def write(number: int = 1, recipe: dict[str, object] | None = None) -> Path:
        visit = "0000101001001001001"
        meta = updated(
            template.meta,
            instrument={"optical_element": "F158", "detector": "WFI01"},
            observation={"visit_id": visit, "program": 1, "exposure": number},
            wcsinfo={"s_region": REGION},
        )
        path = tmp_path / f"r{visit}_{number:04d}_wfi01_f158_cal.asdf"
        io.write(replace(template, meta=meta), path, recipe=recipe)
        return path

    return write
