from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aqueduct.core.threads import limited
from aqueduct.instrument import MATable, ma_table
from aqueduct.instrument.noise import IPC
from aqueduct.simulate.detector import DetectorTruth, Pink, Telegraph
from aqueduct.simulate.signatures import Readout, ReadoutConfig, SignaturesConfig, read_out

TABLE = ma_table(4)
QUIET = SignaturesConfig(order=("photons", "gain", "nonlinearity", "read_noise"))
COUPLED = SignaturesConfig(order=("photons", "ipc", "gain", "nonlinearity", "read_noise"))


def taken(
    truth: DetectorTruth,
    rate: float,
    table: MATable = TABLE,
    config: SignaturesConfig = QUIET,
    readout: ReadoutConfig | None = None,
    seed: int = 1,
    band_rows: int = 0,
) -> Readout:
    plane = np.full(truth.dark.shape, rate, np.float32)
    readout = readout or ReadoutConfig()
    return read_out(plane, truth, table, config, readout, seed, band_rows=band_rows)


def covariance(rate: float, gain: float, noise: float, table: MATable) -> np.ndarray:
    """Analytic covariance of resultants, DN^2: photons shared by reads, and read noise."""
    times = [np.array(reads) * table.frame_time for reads in table.read_pattern]
    photon = [[np.minimum.outer(a, b).mean() for b in times] for a in times]
    read = [(noise**2 + 1 / 12) / n + (1 - 1 / n**2) / 12 for n in map(len, times)]
    return rate / gain**2 * np.array(photon) + np.diag(read)


@pytest.mark.parametrize("rate", [0.4, 12.0])
def test_mean_and_covariance_are_the_analytic_ones(uniform: Callable, rate: float) -> None:
    data = taken(uniform((256, 1024)), rate).data.reshape(9, -1).astype(np.float64)
    number = data.shape[1]
    length = np.array([len(reads) for reads in TABLE.read_pattern])
    times = np.array([np.mean(reads) for reads in TABLE.read_pattern]) * TABLE.frame_time
    mean = 5000 + rate * times / 1.8 - 0.5 - (length - 1) / (2 * length)
    expected = covariance(rate, 1.8, 7.0, TABLE)
    assert np.abs((data.mean(axis=1) - mean) / np.sqrt(np.diag(expected) / number)).max() < 4
    diagonal = np.diag(expected)
    scatter = np.sqrt((expected**2 + np.outer(diagonal, diagonal)) / number)
    assert (np.abs(np.cov(data) - expected) < 4.5 * scatter).all()


def test_capacitance_lowers_the_variance_of_photons(uniform: Callable) -> None:
    truth = uniform((512, 512), read_noise=0.01)
    last = [taken(truth, 30.0, config=config).data[-1, 1:-1, 1:-1] for config in (QUIET, COUPLED)]
    assert last[0].mean() == pytest.approx(last[1].mean(), abs=0.3)
    slope = [(image.var() - 1 / 6) / (image.mean() + 0.5 - 5000) for image in last]
    assert slope[0] == pytest.approx(1 / 1.8, rel=0.01)
    assert slope[1] == pytest.approx((IPC**2).sum() / 1.8, rel=0.01)


def test_kernel_is_recovered_from_hot_pixels(uniform: Callable) -> None:
    truth = uniform((64, 256), pedestal=1000.0)
    rate = np.zeros((64, 256), np.float32)
    rate[8::8, 8:248:8] = 300.0
    data = read_out(rate, truth, TABLE, COUPLED, ReadoutConfig(), 3).data
    step = data[-1].astype(float) - data[0]
    rows, columns = np.nonzero(rate)
    stamp = np.mean(
        [step[y - 1 : y + 2, x - 1 : x + 2] for y, x in zip(rows, columns, strict=True)], axis=0
    )
    np.testing.assert_allclose(stamp / stamp.sum(), IPC, atol=1e-4)


def test_same_seed_same_frame_for_any_threads_and_bands(uniform: Callable) -> None:
    noise = Pink(common=1.0, own=0.2, wander=5.0, pixel=0.6, amplifier=3.0)
    spots = Telegraph(np.array([300, 20_000]), np.array([30.0, -30.0], np.float32))
    truth = uniform((96, 256), pink=noise, decay=0.4, decay_time=23.0, telegraph=spots)
    config, readout = SignaturesConfig(), ReadoutConfig(reference_read=True)
    config = config.model_copy(update={"order": ("photons", "brighter_fatter", *config.order[1:])})
    with limited(1):
        one = taken(truth, 3.0, config=config, readout=readout)
    with limited(4):
        many = taken(truth, 3.0, config=config, readout=readout, band_rows=7)
    for name in ("data", "amp33", "saturated", "reference_read", "reference_amp33"):
        np.testing.assert_array_equal(getattr(one, name), getattr(many, name), err_msg=name)
    other = taken(truth, 3.0, config=config, readout=readout, seed=2)
    assert (one.data != other.data).mean() > 0.9
    assert (one.amp33 != other.amp33).mean() > 0.6


def test_nonlinearity_and_saturation(uniform: Callable) -> None:
    s, rate = 8e-7, 3000.0
    truth = uniform((8, 8), nonlinearity=s, full_well=55_000, read_noise=0.01)
    table = ma_table(110)
    sent = taken(truth, rate, table)
    times = np.array([np.mean(reads) for reads in table.read_pattern]) * table.frame_time
    linear = 5000 + rate * times / 1.8
    seen = linear - s * linear**2
    early = seen < 40_000
    np.testing.assert_allclose(sent.data[early].mean(axis=(1, 2)), seen[early], rtol=4e-3)
    assert np.isin(sent.data[-1], [54_999, 55_000]).all()  # rounded down, after the noise
    assert sent.saturated.all()
    assert not taken(truth, 1.0, table).saturated.any()


def test_values_stay_within_the_converter(uniform: Callable) -> None:
    low = taken(uniform((4, 128), pedestal=3.0), 0.0).data
    high = taken(uniform((4, 128), pedestal=65_530.0, full_well=65_535), 0.0).data
    assert low.min() == 0
    assert high.max() == 65_535


def test_a_reference_read_is_subtracted_and_sent(uniform: Callable) -> None:
    truth = uniform((32, 128), pink=Pink(amplifier=3.0))
    readout = ReadoutConfig(reference_read=True, encoding_offset=4000)
    sent = taken(truth, 5.0, readout=readout)
    restored = sent.data.astype(float) + sent.reference_read - 4000
    times = np.array([np.mean(reads) for reads in TABLE.read_pattern]) * TABLE.frame_time
    np.testing.assert_allclose(restored.mean(axis=(1, 2)), 5000 + 5 * times / 1.8, atol=1.5)
    amplifier = sent.amp33.astype(float) + sent.reference_amp33 - 4000
    assert amplifier.mean() == pytest.approx(5000, abs=1.5)
    # The noise of the reference read is in all resultants; added back, it goes out again.
    dark = taken(truth, 0.0, readout=readout)
    assert dark.data[7].std() == pytest.approx(7 * 1.1**0.5, rel=0.05)
    again = dark.data[7].astype(float) + dark.reference_read
    assert again.std() == pytest.approx(7 * 0.1**0.5, rel=0.05)
