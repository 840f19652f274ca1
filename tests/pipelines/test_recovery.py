from __future__ import annotations

import numpy as np
import pytest

from aqueduct.pipelines.compare import Measured
from aqueduct.pipelines.recovery import recovery


def field(number: int = 4000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    grid = np.arange(number)
    magnitude = np.where(grid % 2 == 0, 22.2, 25.7)
    return {
        "ra": 10 + (grid % 80) / 3600,
        "dec": 20 + (grid // 80) / 3600,
        "flux": 10 ** (0.4 * (31.4 - magnitude)),
        "saturated": rng.random(number) < 0.01,
    }


def test_recovery_tells_completeness_bias_and_scatter() -> None:
    truth, rng = field(), np.random.default_rng(4)
    faint = truth["flux"] < 1000
    kept = ~faint | (rng.random(faint.size) < 0.4)
    error = np.where(faint, 0.1, 0.02) * truth["flux"]
    flux = truth["flux"] * 1.03 + error * rng.standard_normal(faint.size)
    measured = Measured(*(values[kept] for values in (truth["ra"], truth["dec"], flux, error)))
    bright, dim = recovery(measured, truth)
    assert (bright.magnitude, dim.magnitude) == (22.25, 25.75)
    assert bright.injected + dim.injected == int((~truth["saturated"]).sum())
    assert bright.completeness == 1 and dim.completeness == pytest.approx(0.4, abs=0.04)
    assert bright.bias == pytest.approx(0.03, abs=0.003)
    assert bright.scatter == pytest.approx(0.02, rel=0.1)
    assert dim.scatter == pytest.approx(0.1, rel=0.15)
    assert dim.pull == pytest.approx(1.0, rel=0.15)


def test_recovery_leaves_out_what_lies_on_sources_that_were_there() -> None:
    truth = field()
    there = Measured(truth["ra"][:10], truth["dec"][:10], np.ones(10), np.ones(10))
    found = Measured(truth["ra"], truth["dec"], truth["flux"], truth["flux"])
    counted = sum(row.injected for row in recovery(found, truth, without=there))
    assert counted == int((~truth["saturated"])[10:].sum())


def test_recovery_of_an_empty_catalog() -> None:
    nothing = Measured(*(np.empty(0),) * 4)
    rows = recovery(nothing, field())
    assert [row.completeness for row in rows] == [0, 0]
    assert all(np.isnan(row.bias) for row in rows)
