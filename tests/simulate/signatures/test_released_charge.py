from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aqueduct.instrument.detectors import DETECTORS
from aqueduct.instrument.noise import persistence as measured
from aqueduct.instrument.persistence import decay, response
from aqueduct.instrument.technical import table
from aqueduct.simulate.signatures import Band, Fluence, Frame
from aqueduct.simulate.signatures.persistence import PersistenceConfig, persistence


@pytest.mark.parametrize("number", [1, 4, 10, 18])
def test_decay_is_the_measured_one(number: int) -> None:
    rows = table("WideFieldInstrument/FPSPerformance/WFI_Persistence_summary.ecsv")
    model = measured(DETECTORS[number - 1])
    found = decay(model, np.array(rows["time"]))
    assert np.abs(found - rows[f"SCU {number}"]).max() < 0.03 * max(rows[f"SCU {number}"])


def test_response_to_fluence() -> None:
    x = np.array([0.0, 1e4, 5e4, 159e3, 1e6], np.float32)
    made = response(x)
    assert made[0] == 0 and made[3] == pytest.approx(1.0)
    assert made[1] / made[2] == pytest.approx(0.2)
    assert 1.0 < made[4] < 1.3


def test_released_electrons(frame_of: Callable[..., Frame]) -> None:
    model = measured("WFI04")
    first, second = np.zeros((64, 256), np.float32), np.zeros((64, 256), np.float32)
    first[:, 100:150], second[:, 120:130] = 159e3, 159e3
    earlier = (Fluence(60.0, first), Fluence(300.0, second))
    frame = frame_of((64, 256), earlier=earlier, persistence=model)
    act = persistence(frame, PersistenceConfig(), np.random.default_rng(1))
    band = Band(0, np.zeros((64, 44, 256), np.float32))
    act.apply(band)
    t = np.linspace(0, 44 * 3.16247, 2001)
    one, two = (np.trapezoid(decay(model, start + t), t) for start in (60.0, 300.0))
    last = band.signal[:, -1].mean(axis=0)
    assert (last[:100] == 0).all() and (last[150:] == 0).all()
    alone = np.concatenate([last[100:120], last[130:150]])
    assert alone.mean() == pytest.approx(one, abs=4 * np.sqrt(one / (64 * 40)))
    both = last[120:130].mean()
    assert both == pytest.approx(one + two, abs=4 * np.sqrt((one + two) / 640))
    part = Band(30, np.zeros((10, 44, 256), np.float32))
    act.apply(part)
    np.testing.assert_array_equal(part.signal, band.signal[30:40])


def test_nothing_to_release(frame_of: Callable[..., Frame]) -> None:
    faint = (Fluence(60.0, np.full((8, 8), 10.0, np.float32)),)
    given = {"earlier": faint, "persistence": measured("WFI01")}
    config, rng = PersistenceConfig(), np.random.default_rng(1)
    assert persistence(frame_of((8, 8), **given), config, rng) is None
    assert persistence(frame_of((8, 8)), config, rng) is None
