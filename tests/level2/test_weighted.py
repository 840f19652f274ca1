"""The weighted fit beside the official one (stcal 1.20, ``fit_ramps_casertano``)."""

from __future__ import annotations

import numpy as np
import pytest
from ramps import NOISE, TIME, fit, resultants

from aqueduct.core import dq
from aqueduct.instrument.matables import ma_table
from aqueduct.level2 import _likelihood, _weighted

RISING = [11, 30, 33, 72, 130, 194, 269, 337, 393]
BRIGHT = [938, 1856, 3283, 6648, 12872, 20516, 28186, 36695, 41874]
OFFICIAL = [
    # DN, flags, jumps, rate, var_poisson, var_rnoise; MA table 4, reads of 3 s, 2 e/DN, 6 DN.
    (RISING, [0] * 9, [], 2.912645, 0.01151198, 0.001868369),
    (RISING, [0, 0, 0, 0, 1, 0, 0, 0, 0], [], 2.922283, 0.01839521, 0.005146646),
    ([11, 30, 33, 72, 190, 394, 469, 537, 593], [0] * 9, [4, 5], 2.892053, 0.02251457, 0.01514877),
    (
        [11, 30, 33, 72, 130, 194, 469, 537, 593],
        [0, 0, 1, 0, 0, 0, 0, 0, 0],
        [5, 6],
        3.058017,
        0.03780055,
        0.02531646,
    ),
    (
        [976, 2209, 3667, 6975, 13168, 20722, 28396, 36973, 42235],
        [0] * 9,
        [0, 1],
        317.4488,
        1.300829,
        0.003342468,
    ),
    (BRIGHT, [0, 0, 0, 0, 0, 0, 2, 2, 2], [], 318.5081, 2.4273, 0.007038114),
    ([-8, 3, -2, 1, -4, 0, 2, -3, 1], [0] * 9, [], 0.002448129, 1.121879e-05, 0.0005817336),
]


@pytest.mark.parametrize("case", OFFICIAL)
def test_is_the_official_fit(case: tuple) -> None:
    ramp, flags, jumps, rate, photon, read = case
    planes, found = _weighted.fit(
        np.array(ramp, np.float32)[:, None],
        np.array(flags, np.uint8)[:, None],
        np.full(1, 2, np.float32),
        np.full(1, 6, np.float32),
        _likelihood.timing(ma_table(4).read_pattern, 3.0),
        True,
    )
    err = (photon + read) ** 0.5
    assert planes[0, 0] == pytest.approx(rate, abs=1e-4 * err)
    np.testing.assert_allclose(planes[1:4, 0], [err, photon, read], rtol=2e-5)
    assert np.flatnonzero(found[:, 0]).tolist() == jumps


@pytest.mark.parametrize("rate", [0.3, 30.0, 1500.0])
def test_errors_are_those_of_simulated_ramps(rate: float) -> None:
    data = resultants(rate, (60, 80), np.random.default_rng(11))
    made = fit(data, algorithm="weighted", jump_detection=False)
    pull = (made.data - rate) / np.sqrt(np.mean(made.err.astype(float) ** 2))
    assert abs(pull.mean()) < 4 / pull.size**0.5
    assert pull.std() == pytest.approx(1, abs=0.04)
    np.testing.assert_allclose(made.err**2, made.var_poisson + made.var_rnoise, rtol=1e-5)


def test_jumps_are_found_listed_and_left_out() -> None:
    data = resultants(20, (30, 30), np.random.default_rng(12))
    data[3:] += 400
    made = fit(data, algorithm="weighted")
    assert np.all(made.dq == dq.JUMP_DET)
    assert abs(np.mean(made.data - 20)) < 5 * made.err.mean() / 30
    assert len(made.jumps) == 2 * data[0].size
    blind = fit(data, algorithm="weighted", jump_detection=False)
    assert not blind.dq.any() and not len(blind.jumps)
    assert np.mean(blind.data) > 23


def test_without_a_run_of_two_there_is_no_rate() -> None:
    data = resultants(20, (1, 2), np.random.default_rng(13))
    groups = np.zeros(data.shape, np.uint8)
    groups[1::2, 0, 0] = dq.DO_NOT_USE
    groups[2:, 0, 1] = dq.DO_NOT_USE
    made = fit(data, groups, algorithm="weighted")
    assert made.dq[0].tolist() == [dq.DO_NOT_USE, 0]
    assert np.isnan(made.data[0, 0])
    # Two resultants of one and two reads: their difference.
    step = float(data[1, 0, 1]) - float(data[0, 0, 1])
    assert made.data[0, 1] == pytest.approx(step / (1.5 * TIME), rel=1e-5)
    read = NOISE**2 * 1.5 / (1.5 * TIME) ** 2
    assert made.var_rnoise[0, 1] == pytest.approx(read, rel=1e-5)
