"""The examples shown in the documentation work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.core.step import Step
from aqueduct.products import Image, Window
from aqueduct.run import named
from aqueduct.run.config import resolve
from aqueduct.run.pipeline import load_step

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.fixture
def despike() -> Step:
    return load_step(f"{EXAMPLES / 'despike.py'}:despike")


def make_image(data: np.ndarray) -> Image:
    plane = np.ones(data.shape, np.float32)
    return Image(
        data=data.astype(np.float32),
        dq=np.zeros(data.shape, np.uint32),
        **dict.fromkeys(("err", "var_poisson", "var_rnoise", "chisq", "dumo"), plane),
        meta={},
        window=Window(0, 0, *data.shape),
    )


def flagged(step: Step, image: Image) -> set[tuple[int, int]]:
    result = step(image, config=step.config())
    return {(int(row), int(column)) for row, column in np.argwhere(result.dq & dq.JUMP_DET)}


def test_despike_flags_a_spike_and_leaves_a_star(despike: Step) -> None:
    data = np.zeros((20, 20))
    data[5, 5] = 100.0
    y, x = np.mgrid[:20, :20]
    data += 500.0 * np.exp(-((x - 13) ** 2 + (y - 13) ** 2) / (2 * 0.6**2))
    image = make_image(data)
    assert flagged(despike, image) == {(5, 5)}
    assert not image.dq.any()


def test_despike_does_not_depend_on_the_blocks(despike: Step) -> None:
    rng = np.random.default_rng(1)
    image = make_image(rng.normal(0, 1, (32, 48)) + 200 * (rng.random((32, 48)) < 0.02))
    config = despike.config()
    whole = despike(image, config=config).dq
    for row in range(0, 32, 8):
        for column in range(0, 48, 16):
            window = Window(row, column, 8, 16)
            block = despike(image.cut(window.grown(despike.halo(config))), config=config)
            part = block.dq[window.within(block.window)]
            np.testing.assert_array_equal(part, whole[window.rows, window.columns])
    assert whole.any()


def test_configuration_puts_despike_after_flat() -> None:
    resolved = resolve(named("exposure"), file=EXAMPLES / "my_exposure.toml")
    names = list(resolved.configs)
    assert names[names.index("flat") + 1] == "despike"
    assert resolved.configs["despike"].model_dump()["threshold"] == 12.0
    assert resolved.configs["ramp_fit"].model_dump()["rejection_threshold"] == 5.0
