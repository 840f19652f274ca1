"""The first read of WFI18 against the transient that was put in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.instrument.readout import read_times
from aqueduct.level2.wfi18_transient import (
    MASKED,
    Transient,
    Wfi18TransientConfig,
    _means,
    _row_times,
    wfi18_transient,
)
from aqueduct.products import Raw
from aqueduct.products.meta import updated

READS = [[1], [2], [3, 4], [6, 7, 8], [10, 11, 12, 13]]
FRAME_TIME = 3.16247
TRUE = Transient(60.0, 0.22, -6.0, 0.74)
SCIENCE = np.s_[4:-4, 4:-4]
META = {
    "instrument": {"detector": "WFI18", "optical_element": "F158"},
    "exposure": {
        "type": "WFI_IMAGE",
        "frame_time": FRAME_TIME,
        "read_pattern": READS,
        "start_time": None,
    },
}


def ramps(shared: bool) -> tuple[Raw, np.ndarray]:
    """Sky, noise and drifts of all channels together, and the transient by pixel."""
    rng = np.random.default_rng(8)
    transient = TRUE(read_times("WFI18", FRAME_TIME, slice(0, 4096), slice(0, 4096)))
    transient = transient.astype(np.float32)
    noise = rng.standard_normal((512, 4096), np.float32)
    data = np.empty((5, 4096, 4096), np.uint16)
    amplifier = np.empty((5, 4096, 128), np.uint16)
    row = np.linspace(-1, 1, 4096)[:, None]
    for i, reads in enumerate(READS):
        drift = 2 * np.sin((3 + i) * row + i) + rng.normal(0, 2) * row
        values = np.float32(5000.4) + np.roll(np.tile(noise, (8, 1)), 97 * i, axis=1) * 6
        values[SCIENCE] += np.float32(2.5 * np.mean(reads))
        values += drift.astype(np.float32)
        if i == 0:
            part = np.s_[:, :] if shared else SCIENCE
            values[part] += transient[part]
        data[i] = np.rint(values)
        amplifier[i] = np.rint(3000 + drift + 3 * rng.standard_normal((4096, 128)))
    return Raw(data, amplifier, META), transient


@pytest.mark.parametrize("shared", [True, False])
def test_the_transient_is_removed(shared: bool) -> None:
    raw, transient = ramps(shared)
    made = wfi18_transient(raw, config=Wfi18TransientConfig())
    removed = raw.data[0].astype(np.float32) - made.data[0]
    off = (removed - transient)[SCIENCE]
    # Of 54 DN; a slow transient is hard to tell from a line.
    assert np.abs(off.mean(axis=1)).max() < 3.0
    assert abs(off[:1000].mean()) < 2.0
    assert made.meta["wfi18_transient"]["reference_pixels"] is shared
    assert removed[:2].any() == removed[:, :4].any() == shared
    np.testing.assert_array_equal(made.data[1:], raw.data[1:])


def test_time_of_a_row_is_the_mean_of_its_pixels() -> None:
    every = read_times("WFI18", FRAME_TIME, slice(4, 4092), slice(4, 4092))
    np.testing.assert_allclose(_row_times(FRAME_TIME), every.mean(axis=1), rtol=1e-12)


def test_rows_are_averaged_as_defined() -> None:
    rng = np.random.default_rng(2)
    data = rng.integers(5000, 5040, (5, 3, 400)).astype(np.uint16)
    data[0, 1, 7] = 60000
    flags = np.zeros((5, 3, 400), np.uint8)
    flags[2, 0, 50:100], flags[4, 2] = 1, 1
    found = _means(data, flags, np.arange(400), 0.5, 3.0)
    for row in range(2):
        good = ~flags[:, row].any(axis=0)
        r = data[:, row, good].astype(float)
        residual = r[0] - r[1] + 0.5 * (r[2] - r[1])
        weak = residual[r[4] - r[3] <= np.median(r[4] - r[3])]
        middle = np.median(weak)
        kept = np.abs(weak - middle) <= 3 * 1.4826 * np.median(np.abs(weak - middle))
        assert found[row] == pytest.approx(weak[kept].mean())
    assert np.isnan(found[2])


def nothing(resultants: int, flags: np.ndarray | None = None) -> Raw:
    data = np.broadcast_to(np.uint16(5000), (resultants, 4096, 4096))
    meta = updated(META, exposure={"read_pattern": READS[:resultants]})
    return Raw(data, np.zeros((resultants, 4096, 128), np.uint16), meta, resultantdq=flags)


def test_rows_are_flagged_where_there_is_no_fit() -> None:
    lost = np.zeros((5, 4096, 4096), np.uint8)
    lost[1] = dq.DROPOUT
    asked = Wfi18TransientConfig(mask_rows=True)
    for raw, config in (
        (nothing(4), Wfi18TransientConfig()),
        (nothing(5), asked),
        (nothing(5, lost), Wfi18TransientConfig()),
    ):
        made = wfi18_transient(raw, config=config)
        assert made.data is raw.data
        assert made.meta["wfi18_transient"] == {"masked_rows": MASKED}
        flags = made.resultantdq
        assert (flags[0, :MASKED] == dq.DO_NOT_USE | dq.WFI18_TRANSIENT).all()
        assert not flags[0, MASKED:].any()
        assert (flags[1:] == (0 if raw.resultantdq is None else raw.resultantdq[1:])).all()


def test_other_detectors_are_handed_on() -> None:
    raw = nothing(5)
    raw = replace(raw, meta=updated(raw.meta, instrument={"detector": "WFI17"}))
    made = wfi18_transient(raw, config=Wfi18TransientConfig(mask_rows=True))
    assert made.data is raw.data and made.resultantdq is None
    assert made.meta["cal_step"] == {"wfi18_transient": "N/A"}
