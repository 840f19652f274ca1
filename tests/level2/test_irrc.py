from __future__ import annotations

import numpy as np
import pytest

from aqueduct.level2 import _irrc
from aqueduct.products.window import CHANNEL, FRAME


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def spectrum(seed: int) -> np.ndarray:
    return np.fft.rfft(numbers(seed, _irrc.SAMPLES)).astype(np.complex64)


@pytest.mark.parametrize("limits", [(1 << 20, 1 << 20), (3000, 90_000), (5000, 1), (0, 0)])
def test_the_waveform_is_the_inverse_transform(limits: tuple[int, int]) -> None:
    spectra = tuple(spectrum(seed)[None] for seed in (1, 2, 3))
    weights = tuple(
        (numbers(seed, _irrc.FREQUENCIES) + 1j * numbers(seed + 1, _irrc.FREQUENCIES)) / 4
        for seed in (4, 6, 8)
    )
    for weight, limit in zip(weights, (limits[0], limits[0] // 2, limits[1]), strict=True):
        weight[limit:] = 0
    made = _irrc.waveform(spectra, weights)
    total = sum(a[0].astype(complex) * w for a, w in zip(spectra, weights, strict=True))
    naive = np.fft.irfft(total, _irrc.SAMPLES).reshape(FRAME, _irrc.CLOCKS)
    np.testing.assert_allclose(made[0], naive[:, :CHANNEL], atol=1e-5)


def filled(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Zeros from a mean of neighbours, then the overhead by an apodised spectrum."""
    series = np.zeros((FRAME, _irrc.CLOCKS))
    there = np.zeros_like(series)
    series[:, :CHANNEL], there[:, :CHANNEL] = values * known, known
    kernel = np.sin(np.pi * np.arange(1, 33) / 32)
    flat, mask = series.ravel(), there.ravel()
    total, weight = (np.convolve(each, kernel, "same") for each in (flat, mask))
    mean = np.divide(total, weight, out=np.zeros_like(total), where=weight > 1e-6)
    flat = np.where(mask > 0, flat, mean)
    overhead = np.arange(_irrc.SAMPLES) % _irrc.CLOCKS >= CHANNEL
    apodisation = (1 + np.cos(2 * np.pi * np.arange(_irrc.FREQUENCIES) / _irrc.SAMPLES)) / 2
    for _ in range(3):
        smooth = np.fft.irfft(apodisation * np.fft.rfft(flat), _irrc.SAMPLES)
        flat = np.where(overhead, smooth, flat)
    return flat


def test_the_amplifier_is_interpolated_as_the_official_tools_do() -> None:
    values = numbers(1, FRAME, CHANNEL).cumsum(axis=1, dtype=np.float32)
    known = numbers(2, FRAME, CHANNEL) > -1
    known[1000:1003] = False
    made = _irrc.channel_spectra(values[None], known[None])[0]
    series = np.fft.irfft(made.astype(complex), _irrc.SAMPLES)
    np.testing.assert_allclose(series, filled(values, known), atol=2e-4)


def test_side_columns_stand_for_the_whole_row() -> None:
    columns = numbers(1, 2, FRAME, 4)
    made = _irrc.side_spectra(columns)
    series = np.fft.irfft(made.astype(complex), _irrc.SAMPLES).reshape(2, FRAME, _irrc.CLOCKS)
    np.testing.assert_allclose(series[:, :, :4], columns * 35, atol=2e-4)
    np.testing.assert_allclose(series[:, :, 4:], 0, atol=2e-4)
    level = _irrc.side_spectra(np.ones((1, FRAME, 4), np.float32))
    np.testing.assert_allclose(level[0, 0], _irrc.SAMPLES, rtol=1e-6)


def test_odd_channels_are_read_backwards() -> None:
    pixels = np.arange(CHANNEL)
    assert _irrc.in_order(4, pixels)[0] == 0
    assert _irrc.in_order(5, pixels)[0] == CHANNEL - 1
    clocks = _irrc.clocks(np.arange(FRAME))
    assert clocks[1, 0] - clocks[0, 0] == _irrc.CLOCKS
    assert clocks[0, 1] - clocks[0, 0] == 1
    assert clocks[0, 0] == -(_irrc.SAMPLES - 1) / 2
