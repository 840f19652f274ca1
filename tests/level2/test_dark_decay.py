"""The decay after the reset, against the exponential at every read."""

from __future__ import annotations

import numpy as np
import pytest

from aqueduct.instrument.readout import read_times
from aqueduct.level2.dark_decay import DarkDecayConfig, dark_decay
from aqueduct.products import Ramp, Window
from aqueduct.products.references import DarkDecayReference

READS = ((1,), (2, 3), (7, 8, 9))
FRAME_TIME = 3.16247
WINDOW = Window(300, 120, 6, 16)
META = {
    "exposure": {
        "type": "WFI_IMAGE",
        "frame_time": FRAME_TIME,
        "read_pattern": READS,
        "start_time": None,
    },
    "instrument": {"detector": "WFI05", "optical_element": "F158"},
}


def decayed(scale: float) -> Ramp:
    shape = (len(READS), WINDOW.height, WINDOW.width)
    ramp = Ramp(
        np.full(shape, 100, np.float32),
        np.zeros(shape, np.uint8),
        np.zeros(shape[1:], np.uint32),
        META,
        WINDOW,
    )
    reference = DarkDecayReference(amplitude=3.0, time_constant=20.0)
    return dark_decay(ramp, reference, DarkDecayConfig(scale=scale))


def test_each_read_is_corrected_at_its_own_time() -> None:
    pixel = read_times("WFI05", FRAME_TIME, WINDOW.rows, WINDOW.columns)
    for i, reads in enumerate(READS):
        model = [3 * np.exp(-((read - 1.5) * FRAME_TIME + pixel) / 20) for read in reads]
        np.testing.assert_allclose(decayed(1.0).data[i], 100 - np.mean(model, axis=0), rtol=1e-6)


def test_scale_multiplies_the_amplitude() -> None:
    assert (decayed(0.0).data == 100).all()
    np.testing.assert_allclose(100 - decayed(2.0).data, 2 * (100 - decayed(1.0).data), rtol=1e-4)


@pytest.mark.parametrize("detector", ["WFI01", "WFI03"])
def test_read_times_fill_the_frame(detector: str) -> None:
    times = read_times(detector, FRAME_TIME, slice(0, 4096), slice(0, 4096))
    assert times.min() == 0
    # The last pixel is followed by one more guide-window excursion.
    assert 0.98 * FRAME_TIME < times.max() < FRAME_TIME
    first = np.unravel_index(times.argmin(), times.shape)
    assert first[0] == (4095 if detector == "WFI01" else 0)
    # Alternate channels are read in opposite directions.
    row = times[first[0]]
    assert np.sign(row[1] - row[0]) == -np.sign(row[129] - row[128])
