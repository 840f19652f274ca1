from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from aqueduct.core import dq
from aqueduct.core.threads import limited
from aqueduct.instrument import MATable, ma_table
from aqueduct.simulate.cosmic_rays import DTYPE
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.ramps import _poisson, after_reset, resultants

NO_HITS = np.zeros(0, DTYPE)
TABLE = ma_table(4)


def uniform_detector(shape: tuple[int, int], **maps: float) -> DetectorTruth:
    """A detector whose pixels are all alike; linear unless asked for otherwise."""
    values = {
        "gain": 1.8,
        "response": 1.0,
        "dark": 0.0,
        "read_noise": 7.0,
        "nonlinearity": 0.0,
        "full_well": 60_000.0,
        "pedestal": 5000.0,
    } | maps
    planes = {name: np.full(shape, value, np.float32) for name, value in values.items()}
    return DetectorTruth("WFI01", **planes, dq=np.zeros(shape, np.uint32))


def read_out(
    truth: DetectorTruth,
    rate: float,
    table: MATable = TABLE,
    seed: int = 1,
    hits: np.ndarray = NO_HITS,
    drift: float = 0.0,
) -> np.ndarray:
    shape = truth.gain.shape
    waveform = np.full((len(table.read_pattern), 33, shape[0]), drift, np.float32)
    plane = np.full(shape, rate, np.float32)
    return resultants(plane, truth, table, waveform, hits, np.random.default_rng(seed))


def covariance(rate: float, gain: float, noise: float, table: MATable) -> np.ndarray:
    """Analytic covariance of resultants, DN^2: photons shared by reads, and read noise."""
    times = [np.array(reads) * table.frame_time for reads in table.read_pattern]
    photon = [[np.minimum.outer(a, b).mean() for b in times] for a in times]
    read = np.diag([(noise**2 + 1 / 12) / len(reads) + 1 / 12 for reads in times])
    return rate / gain**2 * np.array(photon) + read


@pytest.mark.parametrize("rate", [0.4, 12.0])
def test_mean_and_covariance_are_the_analytic_ones(rate: float) -> None:
    truth = uniform_detector((256, 1024))
    data = read_out(truth, rate).reshape(len(TABLE.read_pattern), -1).astype(np.float64)
    number = data.shape[1]
    times = [np.mean(reads) * TABLE.frame_time for reads in TABLE.read_pattern]
    bias = [0.5 + 0.5 * (len(reads) - 1) / len(reads) for reads in TABLE.read_pattern]
    expected = covariance(rate, 1.8, 7.0, TABLE)
    mean = 5000 + rate * np.array(times) / 1.8 - bias
    assert np.abs((data.mean(axis=1) - mean) / np.sqrt(np.diag(expected) / number)).max() < 4
    diagonal = np.diag(expected)
    scatter = np.sqrt((expected**2 + np.outer(diagonal, diagonal)) / number)
    assert (np.abs(np.cov(data) - expected) < 4.5 * scatter).all()


@pytest.mark.parametrize("mean", [0.05, 1.0, 9.9, 10.1, 40.0, 5000.0])
def test_poisson_numbers_have_the_right_distribution(mean: float) -> None:
    state = np.array([12345], np.uint64)
    drawn = np.array([_poisson(mean, np.exp(-mean), state) for _ in range(40_000)])
    edges = np.unique(stats.poisson.ppf(np.linspace(0.02, 0.98, 15), mean))
    count = np.bincount(np.searchsorted(edges, drawn), minlength=len(edges) + 1)
    share = np.diff(np.concatenate([[0], stats.poisson.cdf(edges, mean), [1]]))
    assert stats.chisquare(count, share * len(drawn)).pvalue > 1e-4


def test_same_seed_same_frame_for_any_number_of_threads() -> None:
    truth = uniform_detector((256, 128))
    with limited(1):
        one = read_out(truth, 3.0)
    with limited(4):
        many = read_out(truth, 3.0)
    np.testing.assert_array_equal(one, many)
    assert (one != read_out(truth, 3.0, seed=2)).any()


def test_rows_are_independent() -> None:
    data = read_out(uniform_detector((64, 2048)), 0.0)[0].astype(float)
    correlation = np.corrcoef(data) - np.eye(64)
    assert np.abs(correlation).max() < 5 / np.sqrt(2048)


def test_nonlinearity_and_saturation() -> None:
    s, rate = 8e-7, 3000.0
    truth = uniform_detector((8, 8), nonlinearity=s, full_well=55_000, read_noise=0.01)
    table = ma_table(110)
    data = read_out(truth, rate, table).astype(float)
    times = np.array([np.mean(reads) for reads in table.read_pattern]) * table.frame_time
    linear = 5000 + rate * times / 1.8
    seen = linear - s * linear**2
    early = seen < 40_000
    np.testing.assert_allclose(data[early].mean(axis=(1, 2)), seen[early], rtol=4e-3)
    assert np.isin(data[-1], [54_999, 55_000]).all()  # rounded down, after the noise


def test_values_stay_within_the_converter() -> None:
    low = read_out(uniform_detector((4, 128), pedestal=3.0), 0.0)
    high = read_out(uniform_detector((4, 128), pedestal=65_530.0, full_well=65_535), 0.0)
    assert low.min() == 0
    assert high.max() == 65_535


def test_a_cosmic_ray_stays_in_all_later_reads() -> None:
    hits = np.array([(5, 3, 10, 1800.0), (5, 3, 14, 900.0), (5, 9, 40, 180.0)], DTYPE)
    truth = uniform_detector((16, 128), read_noise=0.01)
    step = read_out(truth, 0.0, hits=hits).astype(float) - read_out(truth, 0.0).astype(float)
    # Reads 10 to 17 make the fifth resultant: 1000 DN in all, 500 more in the last four.
    np.testing.assert_allclose(step[:, 5, 3], [0, 0, 0, 0, 1250, 1500, 1500, 1500, 1500], atol=1)
    np.testing.assert_allclose(step[:, 5, 9], [0, 0, 0, 0, 0, 0, 0, 40, 100], atol=1)
    step[:, 5, [3, 9]] = 0
    assert np.abs(step).max() <= 1


def test_skipped_reads_still_collect() -> None:
    table = MATable(0, "gaps", 3.0, ((1,), (11, 12), (31,)))
    data = read_out(uniform_detector((64, 1024)), 2.0, table).astype(float)
    mean = 5000 + 2.0 * 3.0 * np.array([1, 11.5, 31]) / 1.8 - [0.5, 0.75, 0.5]
    np.testing.assert_allclose(data.mean(axis=(1, 2)), mean, atol=0.15)


def test_drift_moves_every_pixel_of_a_channel() -> None:
    truth = uniform_detector((16, 256), read_noise=0.5)
    difference = read_out(truth, 0.0, drift=20.0).astype(int) - read_out(truth, 0.0)
    assert (difference == 20).all()


def test_decay_after_reset_spares_reference_pixels() -> None:
    plain = uniform_detector((16, 128), read_noise=0.2)
    flags = np.zeros((16, 128), np.uint32)
    flags[:4] = dq.REFERENCE_PIXEL
    decaying = DetectorTruth(**{**vars(plain), "dq": flags, "decay": 40.0, "decay_time": 23.0})
    difference = read_out(decaying, 0.0).astype(float) - read_out(plain, 0.0)
    assert (difference[:, :4] == 0).all()
    left = after_reset(decaying, TABLE, 16)
    np.testing.assert_allclose(difference[:, 4:].mean(axis=2), left[:, 4:], atol=0.6)
    assert left[0, 0] == pytest.approx(40.0, rel=0.08)
    assert left[-1, 0] < 0.003 * left[0, 0]
