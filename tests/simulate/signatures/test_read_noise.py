from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aqueduct.core.config import StepConfig
from aqueduct.instrument import MATable, detector_noise
from aqueduct.instrument.detectors import DETECTORS
from aqueduct.simulate.detector import Pink, Telegraph, slow_noise
from aqueduct.simulate.signatures import Band, Frame
from aqueduct.simulate.signatures.read_noise import TelegraphConfig, read_noise, telegraph

DARKS = MATable(0, "darks", 3.16247, tuple((read,) for read in range(1, 56)))


def noise(frame: Frame) -> np.ndarray:
    shape = (frame.shape[0], len(frame.reads), frame.shape[1])
    band = Band(0, np.zeros(shape, np.float32))
    read_noise(frame, StepConfig(), np.random.default_rng(4)).apply(band)
    return band.signal


@pytest.mark.parametrize("detector", ["WFI01", "WFI09"])
def test_published_noise_comes_out(frame_of: Callable[..., Frame], detector: str) -> None:
    known = detector_noise(detector)
    frame = frame_of(
        (16, 1024),
        table=DARKS,
        detector=detector,
        read_noise=known.read,
        pink=Pink(pixel=slow_noise(known)),
    )
    reads = noise(frame)
    # The slow noise adds less than one in a thousand to the difference of two reads.
    assert np.diff(reads, axis=1).std() == pytest.approx(2**0.5 * known.read, rel=3e-3)
    lever = np.arange(55) - 27.0
    slope = np.einsum("r,yrx->yx", lever / (lever**2).sum(), reads) * 54
    photon = 1.2 * known.dark * 170
    assert np.sqrt(slope.var() + photon) == pytest.approx(known.total, rel=0.02)


def test_all_detectors_have_slow_noise() -> None:
    amplitudes = [slow_noise(detector_noise(name)) for name in DETECTORS]
    assert 0.9 < min(amplitudes) < max(amplitudes) < 1.3


def test_white_noise_is_white(frame_of: Callable[..., Frame]) -> None:
    reads = noise(frame_of((32, 512), read_noise=5.0))
    assert reads.std() == pytest.approx(5.0, rel=5e-3)
    series = reads.transpose(1, 0, 2).reshape(44, -1)
    correlation = np.corrcoef(series) - np.eye(44)
    assert np.abs(correlation).max() < 5 / np.sqrt(series.shape[1])


def test_telegraph_pixels_have_two_levels(frame_of: Callable[..., Frame]) -> None:
    pixel = np.array([5, 250, 701], np.int64)
    truth = Telegraph(pixel, np.array([10.0, -20.0, 30.0], np.float32))
    frame = frame_of((8, 100), telegraph=truth)
    act = telegraph(frame, TelegraphConfig(chance=0.3), np.random.default_rng(1))
    band = Band(2, np.zeros((4, 44, 100), np.float32))
    act.apply(band)
    changed = np.unique(np.argwhere(band.signal != 0)[:, [0, 2]], axis=0)
    np.testing.assert_array_equal(changed, [[0, 50]])
    series = band.signal[0, :, 50]
    assert set(np.unique(series)) == {-20.0, 0.0}
    assert 5 <= np.count_nonzero(np.diff(series)) <= 23
