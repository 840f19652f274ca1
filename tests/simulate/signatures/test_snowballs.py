from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aqueduct.simulate.signatures import Band, Frame
from aqueduct.simulate.signatures.snowballs import SnowballConfig, draw_snowballs, snowballs


def test_a_snowball_is_round_with_a_full_core(frame_of: Callable[..., Frame]) -> None:
    config = SnowballConfig(flux=0.13, smallest=4.999, largest=5.0, core=4e5, halo=1000.0)
    frame = frame_of((256, 256))
    for seed in range(20):
        act = snowballs(frame, config, np.random.default_rng(seed))
        if act is not None:
            break
    band = Band(0, np.zeros((256, 44, 256), np.float32))
    act.apply(band)
    last = band.signal[:, -1]
    core = np.argwhere(last >= 4e5)
    row, column = core.mean(axis=0)
    if 40 < row < 216 and 40 < column < 216:
        assert 60 < len(core) < 100
    y, x = np.indices(last.shape)
    distance = np.hypot(y - row, x - column)
    assert last[distance < 3].min() >= 4e5
    assert 100 < last[(distance > 6.5) & (distance < 8)].mean() < 1000
    start = np.count_nonzero(band.signal[core[0][0], :, core[0][1]] == 0)
    assert (band.signal[:, :start] == 0).all()
    assert (band.signal[:, start:] == last[:, None]).all()


def test_rate_of_snowballs(frame_of: Callable[..., Frame]) -> None:
    frame = frame_of((2048, 2048))
    config = SnowballConfig(flux=0.05, smallest=2.999, largest=3.0, core=1.0, halo=0.0)
    hits = draw_snowballs(frame, config, np.random.default_rng(1))
    expected = 0.05 * 2.048**2 * 3.16247 * 44
    found = hits["electrons"].sum() / (np.pi * 3**2)
    assert found == pytest.approx(expected, abs=4 * expected**0.5)
