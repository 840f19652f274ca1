from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.level2.dq_init import DqInitConfig, dq_init
from aqueduct.level2.refpix import Drift, RefpixConfig, measure_drift, refpix
from aqueduct.products import Raw, Window
from aqueduct.products.references import MaskReference, cut
from aqueduct.products.window import FRAME

RESULTANTS = 3
EDGES = (slice(None, 4), slice(-4, None))


def mask() -> MaskReference:
    return MaskReference(dq=np.zeros((FRAME, FRAME), np.uint32))


def raw(data: np.ndarray) -> Raw:
    return Raw(data, np.zeros((RESULTANTS, 1, 1), np.uint16), {"instrument": {}})


@pytest.fixture
def pedestal() -> np.ndarray:
    """A frame whose pixels have values of their own, the same in all resultants."""
    rng = np.random.default_rng(4)
    return np.broadcast_to(rng.integers(4000, 6000, (FRAME, FRAME), np.uint16), (3, FRAME, FRAME))


def corrected(frame: Raw, drift: Drift, window: Window) -> np.ndarray:
    static = cut(mask(), window)
    ramp = dq_init(frame.cut(window), static, DqInitConfig())
    return refpix(ramp, static, drift, RefpixConfig()).data


def test_a_drift_along_the_rows_is_removed_and_means_are_kept(pedestal: np.ndarray) -> None:
    # Whole numbers that sum to zero over the resultants: -40 to 40 DN along the rows.
    wave = np.round(np.linspace(-40, 40, FRAME)).astype(int)
    frame = pedestal.astype(np.int32)
    frame[0, :, 256:384] += wave[:, None]
    frame[2, :, 256:384] -= wave[:, None]
    frame = raw(frame.astype(np.uint16))
    drift = measure_drift(frame, RefpixConfig(), mask())
    window = Window(2000, 240, 64, 160)
    made = corrected(frame, drift, window)
    truth = pedestal[:, window.rows, window.columns]
    np.testing.assert_allclose(made, truth, atol=0.6)
    np.testing.assert_allclose(made.mean(axis=0), truth.mean(axis=0), atol=1e-3)
    assert np.abs(drift.values[0, 2]).max() > 39
    assert np.all(drift.values[:, 3] == 0)


def test_the_line_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(5)
    data = np.zeros((RESULTANTS, FRAME, FRAME), np.uint16)
    for edge in EDGES:
        data[:, edge] = rng.integers(4900, 5100, (RESULTANTS, 4, FRAME))
    drift = measure_drift(raw(data), RefpixConfig(), mask()).values
    rows = np.r_[0:4, FRAME - 4 : FRAME]
    values = data[:, rows, 128:256].astype(float)
    values -= values.mean(axis=0)
    for resultant in range(RESULTANTS):
        line = np.polyfit(np.repeat(rows, 128), values[resultant].ravel(), 1)
        np.testing.assert_allclose(
            drift[resultant, 1], np.polyval(line, np.arange(FRAME)), atol=1e-4
        )
    level = measure_drift(raw(data), RefpixConfig(trend="mean"), mask()).values
    np.testing.assert_allclose(
        level[:, 1], np.broadcast_to(values.mean(axis=(1, 2))[:, None], (3, FRAME)), atol=1e-5
    )


def test_bad_and_dead_reference_pixels_are_left_out(pedestal: np.ndarray) -> None:
    frame = pedestal.astype(np.int32)
    frame[1, :, :128] += 10
    frame[1, :2, :64] += 3000
    frame[:, -1, :] = 0
    static = mask()
    static.dq[:2, :64] = dq.BAD_REF_PIXEL
    drift = measure_drift(raw(frame.astype(np.uint16)), RefpixConfig(), static)
    np.testing.assert_allclose(drift.values[1, 0], 20 / 3, atol=1e-4)


def test_a_simulated_frame_without_reference_pixels_is_left_alone() -> None:
    rng = np.random.default_rng(6)
    data = np.zeros((RESULTANTS, FRAME, FRAME), np.uint16)
    data[:, 4:-4, 4:132] = rng.integers(4000, 6000, (RESULTANTS, FRAME - 8, 128))
    frame = raw(data)
    drift = measure_drift(frame, RefpixConfig(side_smoothing=11), mask())
    assert not drift.values.any()
    window = Window(64, 0, 64, 128)
    np.testing.assert_array_equal(corrected(frame, drift, window), frame.cut(window).data)


def test_side_columns_follow_what_the_line_can_not(pedestal: np.ndarray) -> None:
    bump = np.zeros(FRAME, int)
    bump[1000:1400] = 30
    frame = pedestal.astype(np.int32)
    frame[0] += bump[:, None]
    frame[2] -= bump[:, None]
    frame = raw(frame.astype(np.uint16))
    window = Window(1100, 1920, 64, 128)
    truth = pedestal[:, window.rows, window.columns]
    without = measure_drift(frame, RefpixConfig(), mask())
    assert np.abs(corrected(frame, without, window) - truth).max() > 29
    sides = measure_drift(frame, RefpixConfig(side_smoothing=15), mask())
    np.testing.assert_allclose(corrected(frame, sides, window), truth, atol=1e-2)
