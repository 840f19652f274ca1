from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aqueduct.instrument import ma_table
from aqueduct.simulate.detector import DetectorTruth, Pink
from aqueduct.simulate.signatures import ReadoutConfig, SignaturesConfig, read_out
from aqueduct.simulate.signatures.pink import draw_drift, series_1f

TABLE = ma_table(4).truncated(4)


def test_power_falls_as_one_over_frequency() -> None:
    series = series_1f((400,), 4096, np.random.default_rng(1))
    assert series.var() == pytest.approx(1.0, rel=0.03)
    power = (np.abs(np.fft.rfft(series)) ** 2).mean(axis=0)
    frequency = np.arange(1, 2049)
    slope = np.polyfit(np.log(frequency), np.log(power[1:]), 1)[0]
    assert slope == pytest.approx(-1.0, abs=0.02)


def test_bands_join_at_the_frame_rate(uniform: Callable) -> None:
    """Means of frames and the noise within them lie on one power law."""
    truth = uniform((64, 128), pink=Pink(common=1.0))
    slow, fast = [], []
    for seed in range(40):
        drift = draw_drift(truth, 64, 64, np.random.default_rng(seed))
        means = drift.level.mean(axis=0)[:, 0]
        slow.append(np.abs(np.fft.rfft(means * np.hanning(64))) ** 2)
        fast.append(drift.common.var())
    octave = np.mean(fast) / np.log2(64 * 142 / 2)
    assert np.mean(fast) == pytest.approx(1.0, rel=0.1)
    # Power of the means from 1/16 to 1/8 of the frame rate, one octave; hanning keeps 3/8.
    kept = np.mean(slow, axis=0)[4:8].sum() * 2 / 64**2 / (3 / 8)
    assert kept == pytest.approx(octave, rel=0.3)


def test_all_channels_and_the_amplifier_see_the_common_noise(uniform: Callable) -> None:
    coupling = tuple(np.linspace(0.8, 1.2, 33))
    noise = Pink(common=50.0, coupling=coupling)
    truth: DetectorTruth = uniform((32, 512), read_noise=0.0, pink=noise)
    config = SignaturesConfig(order=("gain", "pink"))
    signal = np.zeros((32, 512), np.float32)
    sent = read_out(signal, truth, TABLE, config, ReadoutConfig(), 3)
    amplifier = (sent.amp33[0] - 5000.0) / coupling[32]
    for channel in range(4):
        seen = (sent.data[0][:, channel * 128 : channel * 128 + 128] - 5000.0) / coupling[channel]
        in_time = seen[:, ::-1] if channel % 2 else seen
        np.testing.assert_allclose(in_time, amplifier, atol=4.0)


def test_offsets_wander_from_read_to_read(uniform: Callable) -> None:
    truth = uniform((32, 128), pink=Pink(wander=5.0))
    drawn = [draw_drift(truth, 44, 32, np.random.default_rng(k)).level for k in range(20)]
    assert np.std(np.stack(drawn)) == pytest.approx(5.0, rel=0.1)
    step = np.diff(drawn[0][16], axis=0)
    assert 0.5 < step.std() < 5.0
    # The end of a read is where the next begins.
    jump = drawn[0][-1, 1:] - drawn[0][0, :-1]  # WFI01 is read from the last row
    assert np.abs(jump).max() < 0.1 * np.abs(step).max()


def test_own_noise_is_of_each_channel(uniform: Callable) -> None:
    truth = uniform((512, 128), pink=Pink(own=2.0))
    level = draw_drift(truth, 10, 512, np.random.default_rng(3)).level
    assert level.std() == pytest.approx(2.0, rel=0.05)
    correlation = np.corrcoef(level[:, 0].T) - np.eye(33)
    assert np.abs(correlation).max() < 0.95
    assert np.abs(correlation).mean() < 0.35
