from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.signal import convolve

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.instrument.noise import IPC
from aqueduct.simulate.signatures import Act, Band, Frame
from aqueduct.simulate.signatures.capacitance import BrighterFatterConfig, brighter_fatter, ipc

RNG = np.random.default_rng(0)


def applied(act: Act, signal: np.ndarray, first: int = 0) -> Band:
    band = Band(first, signal.copy())
    act.apply(band)
    return band


def some(rows: int, reads: int, columns: int) -> np.ndarray:
    signal = np.random.default_rng(3).uniform(0, 1000, (rows, reads, columns))
    return np.cumsum(signal, axis=1).astype(np.float32)


def test_ipc_is_a_convolution(frame_of: Callable[..., Frame]) -> None:
    signal = some(20, 3, 50)
    made = applied(ipc(frame_of((20, 50)), StepConfig(), RNG), signal).signal
    for read in range(3):
        expected = convolve(signal[:, read], IPC, mode="same")
        np.testing.assert_allclose(made[1:-1, read, 1:-1], expected[1:-1, 1:-1], rtol=1e-5)


def test_a_hot_pixel_shows_the_kernel(frame_of: Callable[..., Frame]) -> None:
    signal = np.zeros((9, 1, 9), np.float32)
    signal[4, 0, 4] = 1e5
    made = applied(ipc(frame_of((9, 9)), StepConfig(), RNG), signal).signal[:, 0]
    np.testing.assert_allclose(made[3:6, 3:6] / 1e5, IPC, rtol=1e-5)
    assert made.sum() == pytest.approx(1e5)


def test_reference_pixels_take_no_part(frame_of: Callable[..., Frame]) -> None:
    flags = np.full((16, 16), dq.REFERENCE_PIXEL, np.uint32)
    flags[4:-4, 4:-4] = 0
    signal = np.full((16, 2, 16), 100.0, np.float32)
    signal[4:-4, :, 4:-4] = 5000.0
    act = ipc(frame_of((16, 16), dq=flags), StepConfig(), RNG)
    np.testing.assert_allclose(applied(act, signal).signal, signal, rtol=1e-6)


@pytest.mark.parametrize("effect", ["ipc", "brighter_fatter"])
def test_a_band_with_its_halo_gives_what_the_frame_gives(
    frame_of: Callable[..., Frame], effect: str
) -> None:
    frame, signal = frame_of((30, 40)), some(30, 4, 40)
    act = {
        "ipc": ipc(frame, StepConfig(), RNG),
        "brighter_fatter": brighter_fatter(frame, BrighterFatterConfig(), RNG),
    }[effect]
    whole = applied(act, signal).signal
    band = applied(act, signal[9:21], first=9)
    assert act.halo == 1 and band.first == 10
    np.testing.assert_array_equal(band.signal, whole[10:20])
    np.testing.assert_array_equal(applied(act, signal[:8]).signal, whole[:7])


def test_brighter_fatter_moves_new_charge_away(frame_of: Callable[..., Frame]) -> None:
    config = BrighterFatterConfig(edge=3e-6, corner=1e-6)
    signal = some(12, 5, 12)
    act = brighter_fatter(frame_of((12, 12)), config, RNG)
    made = applied(act, signal).signal
    new = np.diff(signal, axis=1)
    area = [convolve(signal[:, k], config.kernel(), mode="same") for k in range(4)]
    expected = signal[:, :1] + np.cumsum(new * (1 + np.stack(area, axis=1)), axis=1)
    np.testing.assert_allclose(made[1:-1, 1:, 1:-1], expected[1:-1, :, 1:-1], rtol=1e-5)
    flat = np.repeat(np.linspace(0, 9e4, 5, dtype=np.float32)[None, :, None], 12, 0)
    flat = np.ascontiguousarray(np.repeat(flat, 12, 2))
    np.testing.assert_allclose(applied(act, flat).signal, flat, rtol=1e-6)
