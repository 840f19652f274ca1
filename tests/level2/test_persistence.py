from __future__ import annotations

import numpy as np
import pytest
from astropy.time import Time, TimeDelta

from aqueduct.core import dq
from aqueduct.instrument.noise import FULL_WELL
from aqueduct.instrument.noise import persistence as measured
from aqueduct.instrument.persistence import decay, response
from aqueduct.level2.persistence import PersistenceConfig, persistence
from aqueduct.products import Image
from aqueduct.products.image import PLANES
from aqueduct.products.references import GainReference, HistoryReference, PastExposure
from aqueduct.products.window import FRAME, SCIENCE

START = Time("2027-03-01T01:00:00")
GAIN = GainReference(data=np.full((FRAME, FRAME), 2.0, np.float32))
ERR = 0.01
PATTERN = [[1], [2, 3], [4, 5, 6]]


def image() -> Image:
    planes = {name: np.zeros((SCIENCE, SCIENCE), kind) for name, kind in PLANES.items()}
    planes["err"][:] = ERR
    meta = {
        "instrument": {"detector": "WFI04", "optical_element": "F158"},
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": 3.0,
            "read_pattern": PATTERN,
            "start_time": START,
        },
    }
    return Image(meta=meta, **planes)


def past(before: float, *, seconds: float = 100.0) -> PastExposure:
    """An exposure that ended ``before`` seconds ago: a ramp of rates along each row."""
    rate = np.zeros((SCIENCE, SCIENCE), np.float32)
    rate[10] = np.linspace(0, 2000, SCIENCE)
    flags = np.zeros((SCIENCE, SCIENCE), np.uint32)
    rate[20], flags[20] = np.nan, dq.SATURATED | dq.DO_NOT_USE
    end = (START - TimeDelta(before, format="sec")).mjd
    return PastExposure(f"past{before:.0f}", rate, flags, float(end), seconds)


def flagged(*exposures: PastExposure, threshold: float = 0.5) -> Image:
    history = HistoryReference(exposures=exposures)
    return persistence(image(), history, GAIN, PersistenceConfig(threshold=threshold))


def test_pixels_above_the_threshold_are_flagged() -> None:
    made = flagged(past(60.0))
    model = measured("WFI04")
    electrons = np.linspace(0, 2000, SCIENCE) * 100 * 2
    expected = response(electrons) * decay(model, 60.0 + 9.0) / 2
    np.testing.assert_array_equal((made.dq[10] & dq.PERSISTENCE) != 0, expected > 0.5 * ERR)
    assert 0 < (made.dq[10] != 0).sum() < SCIENCE
    assert not made.dq[11].any()
    assert made.meta["persistence"] == {"exposures": ["past60"]}


def test_a_saturated_pixel_was_full() -> None:
    expected = response(np.array([FULL_WELL])) * decay(measured("WFI04"), 69.0) / 2
    for factor, found in ((0.99, True), (1.01, False)):
        made = flagged(past(60.0), threshold=float(expected[0] * factor / np.float16(ERR)))
        assert bool((made.dq[20] & dq.PERSISTENCE).all()) is found


def test_exposures_add_up() -> None:
    one, other = (flagged(past(when), threshold=3.0).dq[10] != 0 for when in (60.0, 600.0))
    both = flagged(past(60.0), past(600.0), threshold=3.0).dq[10] != 0
    assert (both >= (one | other)).all() and both.sum() > one.sum()


@pytest.mark.parametrize("before", [-10.0, 3700.0])
def test_later_and_long_past_exposures_leave_nothing(before: float) -> None:
    made = flagged(past(before))
    assert not made.dq.any() and "persistence" not in made.meta
