from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.core.errors import InputError, MissingReferenceError
from aqueduct.core.threads import limited, over
from aqueduct.level2 import _irrc
from aqueduct.level2.dq_init import DqInitConfig, dq_init
from aqueduct.level2.refpix import Drift, RefpixConfig, measure_drift, refpix
from aqueduct.products import Ramp, Raw, Window
from aqueduct.products.references import MaskReference, RefpixReference, cut
from aqueduct.products.window import FRAME

RESULTANTS = 3
EDGES = (slice(None, 4), slice(-4, None))


def mask() -> MaskReference:
    return MaskReference(dq=np.zeros((FRAME, FRAME), np.uint32))


def raw(data: np.ndarray) -> Raw:
    return Raw(data, np.zeros((RESULTANTS, FRAME, 128), np.uint16), {"instrument": {}})


def line(drift: Drift, resultant: int, channel: int) -> np.ndarray:
    """What is subtracted from a channel, (row, column)."""
    return drift.values(channel, slice(None))[resultant]


@pytest.fixture
def pedestal() -> np.ndarray:
    """A frame whose pixels have values of their own, the same in all resultants."""
    rng = np.random.default_rng(4)
    return np.broadcast_to(rng.integers(4000, 6000, (FRAME, FRAME), np.uint16), (3, FRAME, FRAME))


def corrected(frame: Raw, drift: Drift, window: Window) -> np.ndarray:
    static = cut(mask(), window)
    ramp = dq_init(frame.cut(window), static, DqInitConfig())
    return refpix(ramp, static, None, drift, RefpixConfig()).data


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
    assert np.abs(line(drift, 0, 2)).max() > 39
    assert not drift.values(3, slice(None)).any()


@pytest.mark.parametrize("channel", [1, 2])
def test_the_line_is_that_of_least_squares_in_time(channel: int) -> None:
    rng = np.random.default_rng(5)
    data = np.zeros((RESULTANTS, FRAME, FRAME), np.uint16)
    for edge in EDGES:
        data[:, edge] = rng.integers(4900, 5100, (RESULTANTS, 4, FRAME))
    drift = measure_drift(raw(data), RefpixConfig(), mask())
    level = measure_drift(raw(data), RefpixConfig(trend="mean"), mask())
    rows, columns = np.r_[0:4, FRAME - 4 : FRAME], slice(channel * 128, channel * 128 + 128)
    time = np.arange(FRAME)[:, None] * 140 + np.arange(128)[:: -1 if channel % 2 else 1]
    values = data[:, rows, columns].astype(float)
    values -= values.mean(axis=0)
    for resultant in range(RESULTANTS):
        fit = np.polyfit(time[rows].ravel(), values[resultant].ravel(), 1)
        made = line(drift, resultant, channel)
        np.testing.assert_allclose(made, np.polyval(fit, time), atol=1e-4)
        mean = line(level, resultant, channel)
        np.testing.assert_allclose(mean, values[resultant].mean(), atol=1e-4)


def test_a_cosmic_ray_in_a_reference_pixel_moves_nothing(pedestal: np.ndarray) -> None:
    rng = np.random.default_rng(9)
    noisy = pedestal + np.rint(rng.normal(0, 5, (3, 1, FRAME)))
    struck = noisy.copy()
    struck[1:, 2, 300] += 4000
    clean, hit = (measure_drift(raw(each.astype(np.uint16)), RefpixConfig(), mask())
                  for each in (noisy, struck))  # fmt: skip
    assert np.abs(line(hit, 1, 2) - line(clean, 1, 2)).max() < 0.1
    kept = measure_drift(raw(struck.astype(np.uint16)), RefpixConfig(clip=0), mask())
    assert np.abs(line(kept, 1, 2) - line(clean, 1, 2)).max() > 1


def test_bad_and_dead_reference_pixels_are_left_out(pedestal: np.ndarray) -> None:
    frame = pedestal.astype(np.int32)
    frame[1, :, :128] += 10
    frame[1, :2, :64] += 3000
    frame[:, -1, :] = 0
    static = mask()
    static.dq[:2, :64] = dq.BAD_REF_PIXEL
    drift = measure_drift(raw(frame.astype(np.uint16)), RefpixConfig(), static)
    np.testing.assert_allclose(line(drift, 1, 0), 20 / 3, atol=1e-4)


def test_rows_at_one_end_make_no_slope(pedestal: np.ndarray) -> None:
    rng = np.random.default_rng(8)
    frame = pedestal.astype(np.int32)
    frame[1, :4] += np.rint(10 + rng.normal(0, 3, (4, FRAME))).astype(int)
    drift = line(measure_drift(raw(frame.astype(np.uint16)), RefpixConfig(), mask()), 1, 5)
    np.testing.assert_allclose(drift, drift[0, 0], rtol=1e-6)


def test_a_simulated_frame_without_reference_pixels_is_left_alone() -> None:
    rng = np.random.default_rng(6)
    data = np.zeros((RESULTANTS, FRAME, FRAME), np.uint16)
    data[:, 4:-4, 4:132] = rng.integers(4000, 6000, (RESULTANTS, FRAME - 8, 128))
    frame = raw(data)
    drift = measure_drift(frame, RefpixConfig(), mask(), weights())
    assert not drift.values(0, slice(None)).any()
    window = Window(64, 0, 64, 128)
    np.testing.assert_array_equal(corrected(frame, drift, window), frame.cut(window).data)


def weights(alpha: float = 0.5) -> RefpixReference:
    """Channel 2 has weight on the amplifier, 4 on the left and 6 on the right columns."""
    made = {name: np.zeros((32, _irrc.FREQUENCIES), np.complex64) for name in ("gamma", "zeta")}
    made["gamma"][4, :2048], made["zeta"][6, :2048] = alpha, alpha
    full = np.zeros_like(made["gamma"])
    full[2, :2048] = alpha
    return RefpixReference(alpha=full, **made)


@pytest.fixture(scope="module")
def wavy() -> Raw:
    """A frame whose amplifier and side columns swing with the rows, each in its way."""
    rng = np.random.default_rng(7)
    rows = np.arange(FRAME)
    swing = np.stack([np.sin(2 * np.pi * count * rows / FRAME) for count in (40, 30, 20)])
    swing[:, :8] = swing[:, -8:] = 0  # none in the rows that the lines are made from
    data = np.full((RESULTANTS, FRAME, FRAME), 5000, np.int32)
    data[:, :, :4] += np.rint(100 * swing[1])[:, None].astype(int) * _SIGN
    data[:, :, -4:] += np.rint(100 * swing[2])[:, None].astype(int) * _SIGN
    amplifier = 5000 + np.rint(100 * swing[0])[:, None] * _SIGN
    amplifier = np.broadcast_to(amplifier, (RESULTANTS, FRAME, 128))
    for edge in EDGES:
        data[:, edge] += np.rint(rng.normal(0, 2, data[:, edge].shape)).astype(int)
    return Raw(data.astype(np.uint16), amplifier.astype(np.uint16), {"instrument": {}})


_SIGN = np.array([1, 0, -1])[:, None, None]


@pytest.mark.parametrize(("channel", "count"), [(2, 40), (4, 30), (6, 20)])
def test_each_weight_brings_its_own_reference_pixels(wavy: Raw, channel: int, count: int) -> None:
    drift = measure_drift(wavy, RefpixConfig(), mask(), weights())
    plain = measure_drift(wavy, RefpixConfig(method="amplifier"), mask(), weights())
    made = line(drift, 0, channel) - line(plain, 0, channel)
    rows = np.arange(FRAME)
    wave = 50 * np.sin(2 * np.pi * count * rows / FRAME)
    inside = slice(200, -200)
    np.testing.assert_allclose(made.mean(axis=1)[inside], wave[inside], atol=2.5)
    assert not (line(drift, 0, 8) - line(plain, 0, 8)).any()
    assert np.abs(drift.values(channel, slice(None)).sum(axis=0)).max() < 1e-2


def test_threads_and_order_change_nothing(wavy: Raw) -> None:
    with limited(1):
        drift = measure_drift(wavy, RefpixConfig(), mask(), weights())
        forwards = [drift.values(channel, slice(64, 128)).copy() for channel in range(8)]
        backwards = [drift.values(channel, slice(64, 128)) for channel in range(8)[::-1]]
    with limited(3):
        spread = over(lambda channel: drift.values(channel, slice(64, 128)), list(range(8)) * 2)
    for one, two, three in zip(forwards, backwards[::-1], spread[:8], strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, three)


def test_weights_are_asked_for_only_where_needed(wavy: Raw) -> None:
    with pytest.raises(MissingReferenceError, match="refpix"):
        measure_drift(wavy, RefpixConfig(method="irrc"), mask())
    assert measure_drift(wavy, RefpixConfig(), mask()).weights is None
    assert refpix.unused(RefpixConfig(method="amplifier")) == ("weights",)
    assert not refpix.unused(RefpixConfig())


def test_a_ramp_that_lost_the_amplifier_is_refused(wavy: Raw) -> None:
    flags = np.zeros((1, 1, 1), np.uint8)
    ramp = Ramp(wavy.data.astype(np.float32), flags, flags[0], wavy.meta)
    with pytest.raises(InputError, match="amplifier"):
        measure_drift(ramp, RefpixConfig(), mask(), weights())
