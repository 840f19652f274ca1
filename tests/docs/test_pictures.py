"""The numbers beside the pictures of the documentation are those of the code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from aqueduct.instrument.filters import FILTERS, background
from aqueduct.instrument.matables import ma_table
from aqueduct.instrument.noise import detector_noise
from aqueduct.simulate.ramp_noise import RampNoise

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def pictures() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "pictures_of_simulation", DOCS / "pictures" / "simulation.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("element", FILTERS)
def test_the_noise_budget_is_that_of_the_ramp_fit(pictures: ModuleType, element: str) -> None:
    budget, known, table = pictures.noise_budget(element), detector_noise("WFI01"), ma_table(4)
    sky, thermal = background(element)
    model = RampNoise.of(table.read_pattern, table.frame_time)
    rate = 1.1 * 1.5 * sky + thermal + known.dark
    poisson, read = model.variances(rate, 1.0, known.read, len(table.read_pattern))
    seconds = table.accumulated_exposure_time[-1]
    light = np.hypot(np.hypot(budget["sky"], budget["thermal"]), budget["dark"])
    assert light == pytest.approx(seconds * np.sqrt(poisson), rel=1e-4)
    assert budget["read"] == pytest.approx(seconds * np.sqrt(read), rel=1e-4)


def test_slow_noise_makes_up_the_total_of_the_ground_tests(pictures: ModuleType) -> None:
    known, reads = detector_noise("WFI01"), 55
    photon, white, slow = pictures._covariances(tuple((k,) for k in range(1, reads + 1)), 1.0)
    lever = np.arange(reads) - (reads - 1) / 2
    slope = lever / (lever @ lever) * (reads - 1)
    dark = known.dark * 170 / (reads - 1)
    total = known.read**2 * white + dark * photon + pictures.slow_noise(known) ** 2 * slow
    assert np.sqrt(slope @ total @ slope) == pytest.approx(known.total, rel=1e-3)


def test_the_page_shows_the_noise_budget(pictures: ModuleType) -> None:
    page = (DOCS / "explanation" / "simulation.md").read_text()
    for element in FILTERS:
        values = " | ".join(f"{value:.1f}" for value in pictures.noise_budget(element).values())
        assert f"| {element} | {values} |" in page


def test_every_picture_is_on_the_page(pictures: ModuleType) -> None:
    page = (DOCS / "explanation" / "simulation.md").read_text()
    files = [f"{name}.png" for name in pictures.PICTURES]
    assert all(f"../images/simulation/{file})" in page for file in files)
    assert sorted(path.name for path in pictures.IMAGES.iterdir()) == sorted(files)
