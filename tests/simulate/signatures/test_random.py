from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from aqueduct.kernels.compile import jit
from aqueduct.simulate.signatures.random import bits, normal_pair, poisson, uniform


@jit
def _normals(key: np.uint64, one: np.ndarray, two: np.ndarray) -> None:
    for k in range(one.shape[0]):
        one[k], two[k] = normal_pair(bits(key, np.uint64(k)))


def test_bits_are_those_of_splitmix64() -> None:
    # The published reference values for the seed 1234567.
    drawn = [bits(np.uint64(1234567), np.uint64(k)) for k in (1, 2, 3)]
    assert drawn == [6457827717110365317, 3203168211198807973, 9817491932198370423]


def test_normal_numbers() -> None:
    one, two = np.empty(1_000_000, np.float32), np.empty(1_000_000, np.float32)
    _normals(np.uint64(7), one, two)
    both = np.concatenate([one, two]).astype(np.float64)
    assert stats.kstest(both, "norm").pvalue > 1e-3
    for level in (3.0, 4.0, 4.75):
        expected = len(both) * 2 * stats.norm.sf(level)
        assert (np.abs(both) > level).sum() == pytest.approx(expected, abs=4.5 * expected**0.5)
    for a, b in ((one, two), (one**2, two**2)):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4.5e-3


def test_normal_numbers_are_accurate_to_the_last_corner() -> None:
    for first in (0, 1, 12345, 2**31, 2**32 - 1):
        for second in (0, 1 << 28, 3 << 30, 2**32 - 1):
            made = normal_pair(np.uint64((first << 32) | second))
            radius = np.sqrt(-2 * np.log(min((first + 0.5) / 2**32, 1.0)))
            assert np.hypot(*made) == pytest.approx(radius, rel=2e-6, abs=4e-4)


@pytest.mark.parametrize("mean", [0.05, 1.0, 9.9, 10.1, 40.0, 5000.0])
def test_poisson_numbers_have_the_right_distribution(mean: float) -> None:
    state = np.array([12345], np.uint64)
    drawn = np.array([poisson(mean, state) for _ in range(40_000)])
    edges = np.unique(stats.poisson.ppf(np.linspace(0.02, 0.98, 15), mean))
    count = np.bincount(np.searchsorted(edges, drawn), minlength=len(edges) + 1)
    share = np.diff(np.concatenate([[0], stats.poisson.cdf(edges, mean), [1]]))
    assert stats.chisquare(count, share * len(drawn)).pvalue > 1e-4


def test_uniform_numbers_fill_the_open_interval() -> None:
    state = np.array([3], np.uint64)
    drawn = [uniform(state) for _ in range(20_000)]
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3
