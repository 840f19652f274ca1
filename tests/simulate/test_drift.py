from __future__ import annotations

import numpy as np
import pytest

from aqueduct.instrument import ma_table
from aqueduct.simulate.drift import DriftConfig, _pink, draw_drift, reference_amplifier

TABLE = ma_table(4)
READS = np.array([len(reads) for reads in TABLE.read_pattern])


def test_pink_noise() -> None:
    series = _pink((50, 20), np.random.default_rng(1))
    assert series.var() == pytest.approx(1.0, rel=0.05)
    power = (np.abs(np.fft.rfft(series)) ** 2).mean(axis=(0, 1))
    low, high = power[8:16].mean(), power[512:1024].mean()
    assert low / high == pytest.approx(64, rel=0.15)


def test_drift_falls_with_the_number_of_reads() -> None:
    config = DriftConfig(slope=0, common=0, own=0, offset=10)
    drawn = [draw_drift(TABLE, config, np.random.default_rng(k)) for k in range(20)]
    scatter = np.std(np.stack(drawn)[..., 0], axis=(0, 2))
    np.testing.assert_allclose(scatter, 10 / np.sqrt(READS), rtol=0.15)


def test_common_noise_is_seen_by_the_reference_amplifier() -> None:
    config = DriftConfig(offset=0, slope=0, own=0, common=30)
    rng = np.random.default_rng(2)
    drift = draw_drift(TABLE, config, rng)
    amp33 = reference_amplifier(TABLE, drift, 5000.0, config, rng)
    assert amp33.shape == (len(READS), 4096, 128)
    np.testing.assert_allclose(amp33[0].mean(axis=1) - 5000 + 0.5, drift[0, 3], atol=2.0)


def test_channels_share_only_the_common_part() -> None:
    drift = draw_drift(TABLE, DriftConfig(common=0), np.random.default_rng(3))
    assert abs(np.corrcoef(drift[0, 0], drift[0, 1])[0, 1]) < 0.9
    assert not np.array_equal(drift[0, 0], drift[0, 1])
