from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from aqueduct.core import dq
from aqueduct.core.errors import InputError
from aqueduct.level2.ramp_fit import RampFitConfig, _thresholds, covariance, ramp_fit
from aqueduct.products import Image, Ramp, Window
from aqueduct.products.references import GainReference, ReadnoiseReference

PATTERN = ((1,), (2, 3), (5, 6, 7, 8), (9, 10, 11), (12,), (13, 14), (15, 16, 17))
TIME = 3.04
GAIN, NOISE = 1.8, 6.0
PLANES = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo")


def resultants(
    rate: float, shape: tuple[int, int], rng: np.random.Generator, pattern=PATTERN
) -> np.ndarray:
    """Simulated DN: Poisson charge between reads, read noise on each read."""
    steps = rng.poisson(rate * GAIN * TIME, (pattern[-1][-1], *shape))
    reads = 5000 + np.cumsum(steps, axis=0) / GAIN + rng.normal(0, NOISE, steps.shape)
    return np.array([reads[np.array(one) - 1].mean(axis=0) for one in pattern], np.float32)


def fit(
    data: np.ndarray,
    groupdq: np.ndarray | None = None,
    pattern=PATTERN,
    gain: float = GAIN,
    noise: float = NOISE,
    **config: object,
) -> Image:
    shape = data.shape[1:]
    meta = {
        "instrument": {"detector": "WFI01", "optical_element": "F158"},
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": TIME,
            "read_pattern": [list(reads) for reads in pattern],
            "start_time": None,
        },
    }
    flags = np.zeros(data.shape, np.uint8) if groupdq is None else groupdq
    ramp = Ramp(data, flags, np.zeros(shape, np.uint32), meta, Window(0, 0, *shape))
    return ramp_fit(
        ramp,
        ReadnoiseReference(data=np.full(shape, noise, np.float32)),
        GainReference(data=np.full(shape, gain, np.float32)),
        RampFitConfig(**config),
    )


def dense_parts(pattern) -> tuple[np.ndarray, np.ndarray]:
    """Photon (per e/s) and read (per DN^2) covariance of the differences, from the reads.

    Reads at t and u share the charge of min(t, u); a resultant is a mean of reads.
    """
    times = TIME * np.arange(1, pattern[-1][-1] + 1)
    average = np.zeros((len(pattern), len(times)))
    for i, reads in enumerate(pattern):
        average[i, np.array(reads) - 1] = 1 / len(reads)
    difference = np.diff(average, axis=0) / np.diff(average @ times)[:, None]
    return difference @ np.minimum.outer(times, times) @ difference.T, difference @ difference.T


def dense_fit(d: np.ndarray, used: np.ndarray, rate: float, pattern=PATTERN) -> dict[str, float]:
    """The fit with full matrices, of the differences that are used."""
    photon, read = (part[np.ix_(used, used)] for part in dense_parts(pattern))
    photon, read = photon * max(rate, 0) / GAIN, read * NOISE**2
    d, one = d[used], np.ones(np.count_nonzero(used))
    weights = np.linalg.solve(photon + read, one)
    c = weights.sum()
    fitted = weights @ d / c
    return {
        "data": fitted,
        "err": c**-0.5,
        "var_poisson": weights @ photon @ weights / c**2,
        "var_rnoise": weights @ read @ weights / c**2,
        "chisq": (d - fitted) @ np.linalg.solve(photon + read, d - fitted),
    }


def dense_search(d: np.ndarray, used: np.ndarray, one: float, two: float) -> dict[str, float]:
    """Omit differences one search at a time, refitting every candidate from scratch."""
    used = used.copy()
    guess = max(float(np.median(d)), 0)
    averaged = [len(reads) > 1 for reads in PATTERN[1:-1]]
    dropped = False
    while np.count_nonzero(used) > (3 if dropped else 2):
        chisq = dense_fit(d, used, guess)["chisq"]
        singles = [(i,) for i in range(len(d)) if used[i]]
        pairs = [(i, i + 1) for i in range(len(d) - 1) if averaged[i] and used[i] and used[i + 1]]
        found = []
        for omit in singles + pairs:
            trial = used.copy()
            trial[list(omit)] = False
            left = dense_fit(d, trial, guess)
            drop = chisq - left["chisq"]
            found.append((drop - (one if len(omit) == 1 else two), left["data"], omit))
        best = max(net for net, _, _ in found)
        if best <= 0:
            break
        # Pairs of three differences differ by rounding alone; the jump is not in the lower rate.
        tie = 1e-6 * (best + two) if np.count_nonzero(used) == 3 else 0.0
        _, _, omit = min(
            (rate, i, omit) for i, (net, rate, omit) in enumerate(found) if net >= best - tie
        )
        used[list(omit)] = False
        dropped = True
    rate = dense_fit(d, used, guess)["data"]
    return {**dense_fit(d, used, rate), "jump": dropped}


def differences(data: np.ndarray, pattern=PATTERN) -> np.ndarray:
    means = TIME * np.array([np.mean(reads) for reads in pattern])
    return np.diff(data.astype(float), axis=0) / np.diff(means)[:, None, None]


def test_covariance_is_that_of_the_reads() -> None:
    model = covariance(PATTERN, TIME)
    for diagonal, link, dense in zip(
        (model.photon, model.read),
        (model.photon_link, model.read_link),
        dense_parts(PATTERN),
        strict=True,
    ):
        np.testing.assert_allclose(np.diag(dense), diagonal)
        np.testing.assert_allclose(np.diag(dense, 1), link, atol=1e-12)
        np.testing.assert_allclose(np.triu(dense, 2), 0, atol=1e-12)


def test_thresholds_have_the_same_chance() -> None:
    one, two = _thresholds(RampFitConfig())
    assert one == 20.25
    assert two == pytest.approx(chi2.isf(math.erfc(4.5 / math.sqrt(2)), 2))
    assert two == pytest.approx(23.80, abs=0.005)


@settings(max_examples=25, deadline=None)
@given(
    rate=st.floats(0, 2000),
    seed=st.integers(0, 2**32 - 1),
    jump=st.floats(0, 3000),
    at=st.integers(1, 6),
    saturated=st.integers(3, 7),
    flagged=st.integers(0, 12),
)
def test_agrees_with_dense_matrices(
    rate: float, seed: int, jump: float, at: int, saturated: int, flagged: int
) -> None:
    data = resultants(rate, (2, 5), np.random.default_rng(seed))
    # A jump within the resultant, and the whole of it afterwards.
    data[at, 0, ::2] += np.float32(0.4 * jump)
    data[at + 1 :, 0, ::2] += np.float32(jump)
    groups = np.zeros(data.shape, np.uint8)
    groups[saturated:] = dq.SATURATED
    if flagged < len(data):
        groups[flagged, 1] = dq.DO_NOT_USE
    made = fit(data, groups)
    d = differences(data)
    thresholds = _thresholds(RampFitConfig())
    for pixel in np.ndindex(2, 5):
        good = groups[:, *pixel] == 0
        used = good[1:] & good[:-1]
        if not used.any():
            assert np.isnan(made.data[pixel])
            assert made.dq[pixel] & dq.DO_NOT_USE
            continue
        expected = dense_search(d[:, *pixel], used, *thresholds)
        for name in PLANES[:-1]:
            np.testing.assert_allclose(
                getattr(made, name)[pixel], expected[name], rtol=3e-5, atol=3e-4, err_msg=name
            )
        assert bool(made.dq[pixel] & dq.JUMP_DET) == expected["jump"]


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


def test_threshold_decides_what_a_jump_is() -> None:
    data = resultants(20, (50, 50), np.random.default_rng(13))
    found = [np.count_nonzero(fit(data, rejection_threshold=sigma).dq) for sigma in (2.0, 3.0, 4.5)]
    assert found[0] > found[1] > found[2]


def test_long_ramps_neither_overflow_nor_underflow() -> None:
    pattern = tuple((read,) for read in range(1, 301))
    data = resultants(10, (1, 4), np.random.default_rng(14), pattern) * np.float32(1)
    made = fit(data, pattern=pattern)
    d = differences(data, pattern)[:, 0, 0]
    expected = dense_fit(d, np.ones(299, bool), float(made.data[0, 0]), pattern)
    for name in PLANES[:-1]:
        np.testing.assert_allclose(getattr(made, name)[0, 0], expected[name], rtol=1e-4)


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
    made = fit(data, groups)
    assert made.dq[0].tolist() == [
        dq.SATURATED,
        dq.JUMP_DET,
        dq.SATURATED | dq.DO_NOT_USE,
        dq.DO_NOT_USE,
    ]
    assert np.isfinite(made.data[0]).tolist() == [True, True, False, False]


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_without_gain_or_noise_there_is_no_fit(value: float) -> None:
    data = resultants(20, (1, 1), np.random.default_rng(16))
    assert fit(data, gain=value).dq[0, 0] == dq.NO_GAIN_VALUE | dq.DO_NOT_USE
    made = fit(data, noise=value)
    assert made.dq[0, 0] == dq.DO_NOT_USE
    assert np.isnan(made.err[0, 0])


def test_short_or_mismatched_exposures_are_refused() -> None:
    data = np.ones((3, 2, 2), np.float32)
    with pytest.raises(InputError, match=r"3 resultants.*at least 4"):
        fit(data, pattern=PATTERN[:3])
    with pytest.raises(InputError, match="read_pattern has 7"):
        fit(np.ones((5, 2, 2), np.float32))
