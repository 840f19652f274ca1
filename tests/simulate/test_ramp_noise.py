from __future__ import annotations

import numpy as np
import pytest

from aqueduct.instrument.matables import ma_table
from aqueduct.level2 import _likelihood
from aqueduct.simulate.ramp_noise import RampNoise

GAIN = 1.8


def fitted(number: int, rate: float, read_noise: float) -> tuple[float, float]:
    """Variances that the ramp fit itself reports for a perfect ramp."""
    table = ma_table(number)
    times = _likelihood.timing(table.read_pattern, table.frame_time)
    ramp = np.float32(rate) * times.time[:, None]
    state = _likelihood.states(np.zeros(ramp.shape, np.uint8), True)
    known = (np.full(1, value, np.float32) for value in (GAIN, read_noise, rate))
    planes = _likelihood.fit(ramp, state, *known, times)
    return float(planes[2, 0]), float(planes[3, 0])


@pytest.mark.parametrize("number", [3, 4])
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.3, 8.0, 900.0])
def test_variances_are_those_of_the_ramp_fit(number: int, rate: float) -> None:
    table = ma_table(number)
    noise = RampNoise.of(table.read_pattern, table.frame_time)
    found = noise.variances(rate, GAIN, 6.0, noise.resultants)
    np.testing.assert_allclose(found, fitted(number, rate, 6.0), rtol=2e-4)


def test_two_single_reads_are_a_difference() -> None:
    noise = RampNoise.of(((1,), (11,)), 3.0)
    poisson, read = noise.variances([0.5, 50.0], 2.0, 5.0, 2)
    np.testing.assert_allclose(poisson, np.array([0.5, 50.0]) / 2.0 / 30.0, rtol=1e-5)
    np.testing.assert_allclose(read, 2 * 5.0**2 / 30.0**2, rtol=1e-5)


def test_variance_grows_as_resultants_are_lost() -> None:
    table = ma_table(4)
    noise = RampNoise.of(table.read_pattern, table.frame_time)
    total = np.sum(noise.variances(40.0, GAIN, 6.0, np.arange(noise.resultants + 1)), axis=0)
    assert np.isnan(total[:2]).all()
    assert (np.diff(total[2:]) < 0).all()


def test_usable_resultants_end_before_the_saturated_read() -> None:
    noise = RampNoise.of(((1,), (2, 3), (4,)), 2.0)
    rate = np.array([0.0, 10.0, 15.0, 30.0, 1000.0, -1.0])
    assert noise.usable(rate, 80.0).tolist() == [3, 2, 1, 1, 0, 3]


def test_rho_follows_from_the_ratio_of_variances() -> None:
    table = ma_table(4)
    noise = RampNoise.of(table.read_pattern, table.frame_time)
    rate = np.array([0.003, 0.4, 70.0])
    poisson, read = noise.variances(rate, GAIN, 6.0, noise.resultants)
    np.testing.assert_allclose(noise.rho(poisson / read), rate / GAIN / 36.0, rtol=1e-3)
    assert noise.rho(np.zeros(1)) == 0
