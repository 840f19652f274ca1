from __future__ import annotations

from collections.abc import Callable

import numpy as np

from aqueduct.core.config import StepConfig
from aqueduct.simulate.signatures import Band, Frame
from aqueduct.simulate.signatures.amplifier import gain, nonlinearity

RNG = np.random.default_rng(0)


def test_gain_nonlinearity_and_saturation(frame_of: Callable[..., Frame]) -> None:
    s = 8e-7
    frame = frame_of((2, 5), nonlinearity=s, full_well=55_000)
    electrons = np.array([0.0, 1e4, 8e4, 1.2e5, 5e6], np.float32)
    band = Band(0, np.broadcast_to(electrons, (2, 44, 5)).copy())
    gain(frame, StepConfig(), RNG).apply(band)
    linear = electrons.astype(float) / 1.8 + 5000
    np.testing.assert_allclose(band.signal[1, 7], linear, rtol=1e-6)
    nonlinearity(frame, StepConfig(), RNG).apply(band)
    seen = np.minimum(linear - s * linear**2, 55_000)
    seen[-1] = 55_000
    np.testing.assert_allclose(band.signal[0, 3], seen, rtol=1e-6)
    np.testing.assert_array_equal(frame.saturated[1], seen >= 55_000)
