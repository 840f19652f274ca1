from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aqueduct.core.config import StepConfig
from aqueduct.instrument import MATable, ma_table
from aqueduct.simulate.detector import DetectorConfig, integral_nonlinearity
from aqueduct.simulate.signatures import Band, Frame
from aqueduct.simulate.signatures.converter import average, inl, planes


def test_calibration_undoes_the_integral_nonlinearity(frame_of: Callable[..., Frame]) -> None:
    curves = integral_nonlinearity(DetectorConfig(), np.random.default_rng(1))
    frame = frame_of((1, 256), inl=curves)
    value = np.linspace(1000, 60_000, 44 * 256).reshape(1, 44, 256).astype(np.float32)
    band = Band(0, value.copy())
    inl(frame, StepConfig(), np.random.default_rng(0)).apply(band)
    channel = np.arange(256) // 128
    code = np.floor(band.signal).astype(int)
    restored = code + curves[channel, code]
    assert np.abs(restored - value + 0.5).max() < 2.5
    assert np.abs(np.mean(restored - value + 0.5)) < 0.05
    assert np.abs(band.signal - value).std() > 0.5
    assert inl(frame_of((1, 256)), StepConfig(), np.random.default_rng(0)) is None


def test_curves_have_neither_mean_nor_slope() -> None:
    curves = integral_nonlinearity(DetectorConfig(), np.random.default_rng(2)).astype(float)
    assert np.abs(curves.mean(axis=1)).max() < 1e-3
    slope = [np.polyfit(np.arange(65536), curve, 1)[0] for curve in curves[::8]]
    assert np.abs(slope).max() * 65536 < 1e-2
    assert 1.0 < curves.std() < 4.0


def test_resultants_are_rounded_down_twice() -> None:
    table = ma_table(4)
    reads = np.arange(1, 45)
    value = np.random.default_rng(5).uniform(-20, 70_000, (3, 44, 77)).astype(np.float32)
    out = np.empty((3, 9, 77), np.uint16)
    average(value, *planes(table, reads), -1.0, out)
    codes = np.floor(np.clip(value, 0, 65535)).astype(np.int64)
    for k, pattern in enumerate(table.read_pattern):
        part = codes[:, [read - 1 for read in pattern]]
        np.testing.assert_array_equal(out[:, k], part.sum(axis=1) // len(pattern))


def test_reference_read_and_gaps() -> None:
    table = MATable(0, "gaps", 3.0, ((1,), (3, 4, 5)))
    value = np.random.default_rng(6).uniform(4000, 6000, (2, 6, 50)).astype(np.float32)
    out = np.empty((2, 2, 50), np.uint16)
    average(value, *planes(table, np.arange(6)), 4000.0, out)
    codes = np.floor(value).astype(np.int64)
    np.testing.assert_array_equal(out[:, 0], codes[:, 1] - codes[:, 0] + 4000)
    mean = (codes[:, 3:6] - codes[:, :1] + 4000).sum(axis=1) // 3
    np.testing.assert_array_equal(out[:, 1], mean)
