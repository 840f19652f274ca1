from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.instrument.readout import read_times
from aqueduct.simulate.detector import Transient
from aqueduct.simulate.signatures import Band, Frame
from aqueduct.simulate.signatures.reset import dark_decay, wfi18_transient

RNG = np.random.default_rng(0)
PERIOD = 3.16247


def empty(frame: Frame) -> Band:
    shape = (frame.shape[0], len(frame.reads), frame.shape[1])
    return Band(0, np.zeros(shape, np.float32))


def test_decay_falls_from_the_middle_of_the_first_read(frame_of: Callable[..., Frame]) -> None:
    flags = np.zeros((6, 300), np.uint32)
    flags[0] = dq.REFERENCE_PIXEL
    frame = frame_of((6, 300), decay=40.0, decay_time=23.0, dq=flags)
    band = empty(frame)
    dark_decay(frame, StepConfig(), RNG).apply(band)
    when = read_times("WFI01", PERIOD, slice(0, 6), slice(0, 300))
    for read in (1, 2, 30):
        expected = 40 * np.exp(-((read - 1.5) * PERIOD + when) / 23)
        np.testing.assert_allclose(band.signal[1:, read - 1], expected[1:], rtol=1e-4)
    assert (band.signal[0] == 0).all()
    assert dark_decay(frame_of((6, 300)), StepConfig(), RNG) is None


def test_transient_is_of_the_first_read(frame_of: Callable[..., Frame]) -> None:
    model = Transient(60.0, 0.22, -6.0, 0.74)
    frame = frame_of((40, 300), detector="WFI18", transient=model)
    band = empty(frame)
    wfi18_transient(frame, StepConfig(), RNG).apply(band)
    t = read_times("WFI18", PERIOD, slice(0, 40), slice(0, 300))
    expected = 60 * np.exp(-t / 0.22) - 6 * np.exp(-t / 0.74)
    np.testing.assert_allclose(band.signal[:, 0], expected, rtol=1e-5)
    assert np.abs(band.signal[:, 3:]).max() < 1e-3
    assert band.signal[0, 0, 0] == pytest.approx(54.0, rel=1e-3)
    assert wfi18_transient(frame_of((4, 4)), StepConfig(), RNG) is None
