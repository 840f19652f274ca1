"""The comparison with truth, on catalogs whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from aqueduct.pipelines.compare import Measured, Truth, compare, robust_width

RNG = np.random.default_rng(3)
COUNT = 900


@pytest.fixture(scope="module")
def truth() -> Truth:
    side = np.arange(30) * 6 / 3600
    x, y = (axis.ravel() for axis in np.meshgrid(side, side))
    flux = 10 ** RNG.uniform(2, 5, COUNT)
    return Truth(40 + x / np.cos(np.radians(-30)), -30 + y, flux, np.ones(COUNT, bool))


def measured(truth: Truth, bias: float, shift: float, keep: np.ndarray) -> Measured:
    err = 0.01 * truth.flux
    flux = truth.flux * (1 + bias) + err * RNG.standard_normal(COUNT)
    noise = RNG.normal(0, 0.002, (2, COUNT)) / 3600
    cos = np.cos(np.radians(-30))
    ra, dec = truth.ra + (noise[0] + shift / 3600) / cos, truth.dec + noise[1]
    return Measured(ra[keep], dec[keep], flux[keep], err[keep])


def test_known_errors_come_back(truth: Truth) -> None:
    keep = RNG.random(COUNT) < 0.8
    found = compare(measured(truth, 0.03, 0.004, keep), truth, np.ones(COUNT, bool))
    assert found.stars == keep.sum()
    assert found.flux_bias == pytest.approx(0.03, abs=0.002)
    assert found.pull_width == pytest.approx(1.0, abs=0.1)
    assert found.residual == (pytest.approx(2.0, abs=0.2), pytest.approx(2.0, abs=0.2))
    assert found.offset == (pytest.approx(4.0, abs=0.4), pytest.approx(0.0, abs=0.4))
    assert sum(number for number, _ in found.completeness.values()) == keep.sum()
    assert sum(number for _, number in found.completeness.values()) == COUNT


def test_crowded_and_uncovered_sources_are_left_out(truth: Truth) -> None:
    near = Truth(
        np.append(truth.ra, truth.ra[0] + 1 / 3600),
        np.append(truth.dec, truth.dec[0]),
        np.append(truth.flux, 1e4),
        np.ones(COUNT + 1, bool),
    )
    inside = np.ones(COUNT + 1, bool)
    inside[10:20] = False
    found = compare(measured(truth, 0, 0, np.ones(COUNT, bool)), near, inside)
    assert found.stars == COUNT - 11


def test_half_of_the_stars(truth: Truth) -> None:
    bright = truth.flux > 1e3
    found = compare(measured(truth, 0, 0, bright), truth, np.ones(COUNT, bool))
    # 1e3 nJy is 23.9 AB: bins of one magnitude, so that half is reached near it.
    assert found.half == pytest.approx(23.9, abs=0.6)


def test_robust_width_of_a_normal_distribution() -> None:
    assert robust_width(RNG.normal(0, 2.0, 100_000)) == pytest.approx(2.0, rel=0.02)
