"""A user's own step, in a file outside the package, takes part by a line of TOML."""

from __future__ import annotations

import numpy as np
import pytest

from aqueduct import io

MINE = '''
from dataclasses import replace

from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products import Image


class ShiftConfig(StepConfig):
    by: float = Field(1.0, description="DN/s")


@step(shape="frame")
def shift(image: Image, config: ShiftConfig) -> Image:
    """Add a number."""
    return replace(image, data=image.data + config.by)
'''


@pytest.mark.parametrize(
    ("line", "factor", "steps"),
    [
        ('replace.scale = "mine.py:shift"', 1, ["shift"]),
        ('after.scale = "mine.py:shift"', 2, ["scale", "shift"]),
        ('before.speckle = "mine.py:shift"', 2, ["scale", "shift"]),
    ],
)
def test_a_line_of_toml_puts_it_in_place(call, images, tmp_path, line, factor, steps):
    (tmp_path / "mine.py").write_text(MINE)
    config = tmp_path / "mine.toml"
    config.write_text(f"[pipeline]\n{line}\n[shift]\nby = 3.0\n[speckle]\namount = 0.0\n")
    out = tmp_path / "out"
    result = call("-q", "run", "toy", images[0], "--config", config, "--out", out)
    assert result.exit_code == 0, result.output
    made = io.read(out / images[0].name)
    np.testing.assert_array_equal(made.data, factor * io.read(images[0]).data + np.float32(3))
    recipe = io.peek(out / images[0].name).recipe
    links = [link["step"] for link in recipe["earlier"]["steps"]]
    assert links == [*steps, "speckle", "label"]
    explained = call("explain", out / images[0].name)
    assert "shift" in explained.stdout
    assert "3.0" in explained.stdout


@pytest.mark.parametrize(
    ("text", "phrases"),
    [
        ("def shift(image): return image", ["'shift' is no step", "@step"]),
        ("import nothing_of_that_name", ["could not be imported", "nothing_of_that_name"]),
        ("def shift(", ["could not be imported", "SyntaxError"]),
        (MINE.replace("image: Image", "image"), ["could not be imported", "annotated"]),
    ],
)
def test_a_step_that_is_none(call, images, tmp_path, text, phrases):
    (tmp_path / "mine.py").write_text(text)
    config = tmp_path / "mine.toml"
    config.write_text('[pipeline]\nafter.scale = "mine.py:shift"\n')
    result = call("-q", "run", "toy", images[0], "--config", config, "--out", tmp_path / "out")
    assert result.exit_code == 2
    for phrase in ("mine.py", *phrases):
        assert phrase in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_pipeline_of_another_package_is_offered(call):
    result = call("config", "toy")
    assert result.exit_code == 0, result.output
    assert "speckle.amount" in result.stdout
