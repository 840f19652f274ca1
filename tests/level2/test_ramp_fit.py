from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ramps import GAIN, NOISE, PATTERN, PLANES, TIME, fit, resultants
from scipy.stats import chi2

from aqueduct.core import dq
from aqueduct.core.errors import InputError
from aqueduct.instrument.matables import ma_table
from aqueduct.level2._likelihood import exchanges
from aqueduct.level2.ramp_fit import search_for
from aqueduct.products import Window
from aqueduct.products.window import BORDER


@dataclass
class Dense:
    """The fit of one ramp with full matrices.

    ``links`` are the pairs of resultants that differences are taken of, ``used`` tells which
    of them count.
    """

    ramp: np.ndarray
    links: list[tuple[int, int]]
    used: np.ndarray
    masked: bool = False

    def __post_init__(self) -> None:
        """Reads at t and u share the charge of min(t, u); a resultant is a mean of reads."""
        times = TIME * np.arange(1, PATTERN[-1][-1] + 1)
        average = np.zeros((len(PATTERN), len(times)))
        for i, reads in enumerate(PATTERN):
            average[i, np.array(reads) - 1] = 1 / len(reads)
        first, last = np.array(self.links).T
        difference = average[last] - average[first]
        self.step = difference @ times
        self.photon = difference @ np.minimum.outer(times, times) @ difference.T / GAIN
        self.read = difference @ difference.T * NOISE**2
        self.d = self.ramp[last].astype(float) - self.ramp[first]
        slopes = self.d / self.step
        self.guess = float(np.median(slopes if self.masked else slopes[self.used]))
        self.averaged = [len(PATTERN[i]) > 1 for i in last]

    def fit(self, rate: float, used: np.ndarray) -> dict[str, float]:
        inside = np.ix_(used, used)
        photon, read = self.photon[inside] * max(rate, 0), self.read[inside]
        d, step = self.d[used], self.step[used]
        weights = np.linalg.solve(photon + read, step)
        c = weights @ step
        fitted = weights @ d / c
        off = d - step * fitted
        return {
            "data": fitted,
            "err": c**-0.5,
            "var_poisson": weights @ photon @ weights / c**2,
            "var_rnoise": weights @ read @ weights / c**2,
            "chisq": off @ np.linalg.solve(photon + read, off),
        }

    def search(self, one: float, two: float, penalty: float = 0) -> dict[str, float]:
        """Omit differences one search at a time, refitting every candidate from scratch."""
        used = self.used.copy()
        dropped = False
        while np.count_nonzero(used) > (3 if dropped else 2):
            whole = self.fit(self.guess, used)
            found = []
            for omit in self.candidates(used):
                trial = used.copy()
                trial[list(omit)] = False
                left = self.fit(self.guess, trial)
                net = whole["chisq"] - left["chisq"] - (one if len(omit) == 1 else two)
                net -= penalty * (left["data"] >= whole["data"])
                found.append((net, left["data"], omit))
            best = max(net for net, _, _ in found)
            if best <= 0:
                break
            # Pairs of three differences differ by rounding alone; the jump is not in the lower.
            tie = 1e-5 * (best + two) if np.count_nonzero(used) == 3 else 0.0
            _, _, omit = min(
                (rate, i, omit) for i, (net, rate, omit) in enumerate(found) if net >= best - tie
            )
            used[list(omit)] = False
            dropped = True
        rate = self.fit(self.guess, used)["data"]
        jumps = [self.links[i][1] for i in np.flatnonzero(self.used & ~used)]
        return {**self.fit(rate, used), "jumps": jumps}

    def candidates(self, used: np.ndarray) -> list[tuple[int, ...]]:
        singles = [(i,) for i in range(len(used)) if used[i]]
        inner = range(len(used) - 1)
        return singles + [(i, i + 1) for i in inner if self.averaged[i] and used[i] and used[i + 1]]


def bridged(ramp: np.ndarray, flags: np.ndarray) -> Dense | None:
    """Differences of resultants without flags but JUMP_DET."""
    good = np.flatnonzero((flags & ~np.uint8(dq.JUMP_DET)) == 0)
    links = list(itertools.pairwise(good.tolist()))
    spoilt = [np.any(flags[a + 1 : b + 1] & dq.JUMP_DET) for a, b in links]
    used = ~np.array(spoilt, bool)
    return Dense(ramp, links, used) if used.any() else None


def dropped(ramp: np.ndarray, flags: np.ndarray) -> Dense | None:
    """Differences of neighbours, used if neither has a flag."""
    links = list(itertools.pairwise(range(len(ramp))))
    used = (flags[1:] == 0) & (flags[:-1] == 0)
    return Dense(ramp, links, used, masked=True) if used.any() else None


def test_thresholds_have_the_same_chance() -> None:
    how = search_for(True, 4.5, "bridge", 10.0)
    assert how.one == 20.25
    assert how.two == pytest.approx(chi2.isf(math.erfc(4.5 / math.sqrt(2)), 2), rel=1e-6)
    assert how.two == pytest.approx(23.80, abs=0.005)


@given(st.lists(st.integers(0, 9), max_size=40))
def test_exchanges_sort(numbers: list[int]) -> None:
    ordered = list(numbers)
    for low, high in exchanges(len(numbers)):
        if ordered[low] > ordered[high]:
            ordered[low], ordered[high] = ordered[high], ordered[low]
    assert ordered == sorted(numbers)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
@pytest.mark.parametrize(("flagged", "dense"), [("bridge", bridged), ("drop", dropped)])
@settings(max_examples=25, deadline=None)
@given(
    rate=st.floats(0, 2000),
    seed=st.integers(0, 2**32 - 1),
    jump=st.floats(-1500, 3000),
    at=st.integers(1, 6),
    saturated=st.integers(3, 7),
    flags=st.lists(
        st.sampled_from([0, 0, 0, dq.DO_NOT_USE, dq.JUMP_DET, 5]), min_size=7, max_size=7
    ),
)
def test_agrees_with_dense_matrices(
    flagged: str,
    penalty: float,
    dense: Callable[..., Dense | None],
    rate: float,
    seed: int,
    jump: float,
    at: int,
    saturated: int,
    flags: list[int],
) -> None:
    data = resultants(rate, (2, 5), np.random.default_rng(seed))
    # A jump within the resultant, and the whole of it afterwards.
    data[at, 0, ::2] += np.float32(0.4 * jump)
    data[at + 1 :, 0, ::2] += np.float32(jump)
    groups = np.zeros(data.shape, np.uint8)
    groups[:, 1] = np.array(flags, np.uint8)[:, None]
    groups[saturated:] |= np.uint8(dq.SATURATED)
    made = fit(data, groups, flagged=flagged, loss_penalty=penalty)
    for pixel in np.ndindex(2, 5):
        model = dense(data[:, *pixel], groups[:, *pixel])
        if model is None:
            assert np.isnan(made.data[pixel])
            assert made.dq[pixel] & dq.DO_NOT_USE
            continue
        expected = model.search(*search_for(True, 4.5, "bridge", 10.0)[:2], penalty)
        for name in PLANES[:-1]:
            np.testing.assert_allclose(
                getattr(made, name)[pixel], expected[name], rtol=3e-5, atol=3e-4, err_msg=name
            )
        if not groups[:, *pixel].any():
            assert made.dq[pixel] == (dq.JUMP_DET if expected["jumps"] else 0)
        here = (made.jumps[:, 1:] == np.array(pixel) - BORDER).all(axis=1)
        assert set(expected["jumps"]) <= set(made.jumps[here, 0].tolist())


RISING = [11, 30, 33, 72, 130, 194, 269, 337, 393]
BRIGHT = [938, 1856, 3283, 6648, 12872, 20516, 28186, 36695, 41874]
OFFICIAL = [
    # DN, flags, jumps, rate, err, var_poisson, var_rnoise, chisq; MA table 4, reads of 3 s.
    (RISING, {}, [], 2.878574, 0.1130105, 0.01177786, 0.000993517, 10.35025),
    (RISING, {4: 1}, [], 2.917815, 0.1452688, 0.0171834, 0.003919617, 9.07196),
    (
        [11, 30, 33, 72, 190, 394, 469, 537, 593],
        {},
        [4, 5],
        *(2.917947, 0.1454257, 0.01722552, 0.003923119, 9.063548),
    ),
    (
        [11, 30, 33, 72, 130, 194, 469, 537, 593],
        {2: 1},
        [6],
        *(2.739153, 0.1334341, 0.01406169, 0.003742959, 5.774951),
    ),
    (
        [976, 2209, 3667, 6975, 13168, 20722, 28396, 36973, 42235],
        {},
        [1],
        *(317.6482, 1.12467, 1.260659, 0.004223058, 6.871057),
    ),
    (BRIGHT, {6: 2, 7: 2, 8: 2}, [], 318.3828, 1.550479, 2.395019, 0.008967103, 3.105547),
    (
        [11, 30, 33, -78, -20, 44, 119, 187, 243],
        {},
        [3],
        *(2.825512, 0.1182671, 0.01266559, 0.00132152, 8.483682),
    ),
]
"""What stcal 1.20 (``likely_ramp_fit``) makes of ramps with 2 e/DN and 6 DN of read noise."""


@pytest.mark.parametrize("case", OFFICIAL)
def test_can_be_the_official_fit(case: tuple) -> None:
    ramp, flags, jumps, *expected = case
    data = np.array(ramp, np.float32)[:, None, None]
    groups = np.zeros(data.shape, np.uint8)
    for i, flag in flags.items():
        groups[i] = flag
    pattern = ma_table(4).read_pattern
    official = {"flagged": "drop", "loss_penalty": 0.0}
    made = fit(data, groups, pattern, gain=2.0, noise=6.0, frame_time=3.0, **official)
    found = [getattr(made, name)[0, 0] for name in PLANES[:-1]]
    np.testing.assert_allclose(found, expected, rtol=2e-5)
    assert made.jumps[:, 0].tolist() == jumps


def test_uniform_rate_is_that_of_all_reads_alike() -> None:
    data = resultants(40, (1, 3), np.random.default_rng(3))
    made = fit(data)
    times = TIME * np.array([np.mean(reads) for reads in PATTERN])
    line = np.polyfit(times, data[:, 0], 1, w=np.sqrt([len(reads) for reads in PATTERN]))
    np.testing.assert_allclose((made.dumo + made.data)[0], line[0], rtol=1e-5)


@pytest.mark.parametrize("rate", [0.3, 30.0, 1500.0])
def test_errors_are_those_of_simulated_ramps(rate: float) -> None:
    made = fit(resultants(rate, (60, 80), np.random.default_rng(11)))
    clean = (made.dq & dq.JUMP_DET) == 0
    assert np.count_nonzero(~clean) < 5
    pull = (made.data - rate) / made.err
    assert abs(pull.mean()) < 4 / math.sqrt(pull.size)
    assert pull.std() == pytest.approx(1, abs=0.04)
    assert made.chisq.mean() == pytest.approx(len(PATTERN) - 2, abs=0.2)
    np.testing.assert_allclose(made.err**2, made.var_poisson + made.var_rnoise, rtol=1e-5)


def test_jumps_are_found_and_do_not_bias_the_rate() -> None:
    data = resultants(20, (50, 50), np.random.default_rng(12))
    data[3:] += 400
    made = fit(data)
    assert np.all(made.dq == dq.JUMP_DET)
    assert abs(np.mean(made.data - 20)) < 4 * made.err.mean() / 50
    blind = fit(data, jump_detection=False)
    assert not blind.dq.any()
    assert np.mean(blind.data) > 25


def test_losses_of_charge_must_be_more_significant() -> None:
    data = resultants(20, (40, 40), np.random.default_rng(20))
    data[5:] -= 60
    found = [np.mean(fit(data, loss_penalty=value).dq != 0) for value in (0.0, 10.0, 40.0)]
    assert found[0] > found[1] > found[2]
    data[5:] -= 400
    made = fit(data)
    assert np.all(made.dq == dq.JUMP_DET)
    assert abs(np.mean(made.data - 20)) < 5 * made.err.mean() / 40


def test_threshold_decides_what_a_jump_is() -> None:
    data = resultants(20, (50, 50), np.random.default_rng(13))
    found = [np.count_nonzero(fit(data, rejection_threshold=sigma).dq) for sigma in (2.0, 3.0, 4.5)]
    assert found[0] > found[1] > found[2]


def test_long_ramps_neither_overflow_nor_underflow() -> None:
    pattern = tuple((read,) for read in range(1, 301))
    data = resultants(10, (1, 4), np.random.default_rng(14), pattern)
    made = fit(data, pattern=pattern, jump_detection=False)
    for pixel in range(4):
        rate = float(made.data[0, pixel])
        times = TIME * np.arange(1, 301)
        covariance = rate / GAIN * np.minimum.outer(times, times) + NOISE**2 * np.eye(300)
        design = np.stack([np.ones(300), times], axis=1)
        solved = np.linalg.solve(covariance, design)
        fitted = np.linalg.solve(design.T @ solved, solved.T @ data[:, 0, pixel])
        variance = np.linalg.inv(design.T @ solved)[1, 1]
        np.testing.assert_allclose(made.data[0, pixel], fitted[1], rtol=1e-4)
        np.testing.assert_allclose(made.err[0, pixel] ** 2, variance, rtol=2e-3)


def test_everything_saturated_gives_no_rate_and_says_so() -> None:
    data = np.full((7, 4, 4), 60000, np.float32)
    made = fit(data, np.full(data.shape, dq.SATURATED, np.uint8))
    for name in PLANES:
        assert np.all(np.isnan(getattr(made, name)))
    assert np.all(made.dq == dq.SATURATED | dq.DO_NOT_USE)


def test_flags_of_resultants_reach_the_pixel() -> None:
    data = resultants(20, (1, 4), np.random.default_rng(15))
    groups = np.zeros(data.shape, np.uint8)
    groups[5:, 0, 0] = dq.SATURATED
    groups[2, 0, 1] = dq.JUMP_DET
    groups[1:, 0, 2] = dq.SATURATED
    groups[1::2, 0, 3] = dq.DO_NOT_USE
    bridged, dropped = (fit(data, groups, flagged=way) for way in ("bridge", "drop"))
    told = [dq.SATURATED, dq.JUMP_DET, dq.SATURATED | dq.DO_NOT_USE]
    assert bridged.dq[0].tolist() == [*told, 0]
    assert dropped.dq[0].tolist() == [*told, dq.DO_NOT_USE]
    assert np.isfinite(bridged.data[0]).tolist() == [True, True, False, True]
    assert np.isfinite(dropped.data[0]).tolist() == [True, True, False, False]
    # JUMP_DET spoils one difference, not two.
    assert bridged.err[0, 1] < 0.9 * dropped.err[0, 1]


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_without_gain_or_noise_there_is_no_fit(value: float) -> None:
    data = resultants(20, (1, 1), np.random.default_rng(16))
    assert fit(data, gain=value).dq[0, 0] == dq.NO_GAIN_VALUE | dq.DO_NOT_USE
    made = fit(data, noise=value)
    assert made.dq[0, 0] == dq.DO_NOT_USE
    assert np.isnan(made.err[0, 0])


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("algorithm", ["likelihood", "weighted"])
def test_two_or_three_resultants_are_enough(count: int, algorithm: str) -> None:
    pattern = PATTERN[:count]
    data = resultants(30, (40, 60), np.random.default_rng(17), pattern)
    made = fit(data, pattern=pattern, algorithm=algorithm, jump_detection=False)
    assert not made.dq.any()
    pull = (made.data - 30) / made.err
    assert abs(pull.mean()) < 0.15
    assert pull.std() == pytest.approx(1, abs=0.06)


def test_two_resultants_are_a_difference() -> None:
    made = fit(np.array([[[100.0]], [[160.0]]], np.float32), pattern=((1,), (6,)))
    assert made.data[0, 0] == pytest.approx(60 / (5 * TIME))
    assert made.chisq[0, 0] == pytest.approx(0, abs=1e-5)
    variance = (2 * NOISE**2 + 60 / GAIN) / (5 * TIME) ** 2
    assert made.err[0, 0] == pytest.approx(math.sqrt(variance))


def test_jumps_are_listed_where_they_are() -> None:
    data = resultants(5, (6, 7), np.random.default_rng(18))
    data[3:, 2, 4] += 500
    data[5:, 5, 0] += 500
    made = fit(data)
    found = made.jumps.tolist()
    assert made.jumps.dtype == np.int16
    # Either side of an averaged resultant may be left out with the jump.
    assert {(y, x) for _, y, x in found} == {(2 - BORDER, 4 - BORDER), (5 - BORDER, -BORDER)}
    assert [3, 2 - BORDER, 4 - BORDER] in found and [5, 5 - BORDER, -BORDER] in found
    assert found == sorted(found, key=lambda one: (one[1], one[2], one[0]))
    part = made.cut(Window(2, 3, 3, 3)).jumps
    assert {(y, x) for _, y, x in part.tolist()} == {(2 - BORDER, 4 - BORDER)}


def test_a_known_jump_costs_one_difference() -> None:
    data = resultants(5, (1, 1), np.random.default_rng(19))
    data[3:] += 800
    groups = np.zeros(data.shape, np.uint8)
    groups[3] = dq.JUMP_DET
    made = fit(data, groups, jump_detection=False)
    clean = Dense(data[:, 0, 0], list(itertools.pairwise(range(7))), np.arange(6) != 2)
    assert made.data[0, 0] == pytest.approx(clean.search(np.inf, np.inf)["data"], rel=1e-5)
    assert made.jumps.tolist() == [[3, -BORDER, -BORDER]]


def test_short_or_mismatched_exposures_are_refused() -> None:
    with pytest.raises(InputError, match=r"1 resultant.*at least 2"):
        fit(np.ones((1, 2, 2), np.float32), pattern=PATTERN[:1])
    with pytest.raises(InputError, match="read_pattern has 7"):
        fit(np.ones((5, 2, 2), np.float32))
