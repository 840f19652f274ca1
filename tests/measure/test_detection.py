import numpy as np
import pytest
from scipy.ndimage import label, uniform_filter
from scipy.signal import correlate2d
from scipy.spatial import cKDTree

from aqueduct.core.threads import limited
from aqueduct.measure.detection import (
    DetectionConfig,
    gaussian,
    grown,
    islands,
    matched,
    segments,
    significance,
)


def ones(data):
    return np.ones(data.shape, np.float32)


def whole(data):
    return np.zeros(data.shape, bool)


def test_the_filter_is_the_stated_sum():
    rng = np.random.default_rng(2)
    data = rng.normal(size=(40, 70)).astype(np.float32)
    variance = rng.uniform(0.5, 2, data.shape).astype(np.float32)
    mask = rng.random(data.shape) < 0.1
    template = rng.random((5, 7)).astype(np.float32)
    weight = np.where(mask, 0, 1 / variance)
    above = correlate2d(weight * data, template, "same")
    below = correlate2d(weight**2 * variance, template**2, "same")
    found, depth = matched(data, variance, mask, template)
    np.testing.assert_allclose(depth, below, rtol=1e-5)
    np.testing.assert_allclose(found, above / np.sqrt(below), atol=1e-4)


def test_significance_has_unit_scatter_in_white_and_in_shared_noise():
    noise = np.random.default_rng(3).normal(size=(400, 400))
    variance = np.ones(noise.shape, np.float32)
    for field in (noise, uniform_filter(noise, 3)):
        layer = (field.astype(np.float32), variance, whole(field))
        snr = significance([layer], [gaussian(2.5)])
        assert snr.std() == pytest.approx(1, rel=0.05)


def test_two_equal_images_are_deeper_by_root_two():
    rng = np.random.default_rng(4)
    source = np.zeros((200, 200))
    source[100, 100] = 60
    source = correlate2d(source, gaussian(2.5), "same")
    variance = np.ones(source.shape, np.float32)
    layers = [
        ((source + rng.normal(size=source.shape)).astype(np.float32), variance, whole(source))
        for _ in range(2)
    ]
    one, both = (significance(some, [gaussian(2.5)])[100, 100] for some in (layers[:1], layers))
    expected = 60 * np.sqrt((gaussian(2.5) ** 2).sum())
    assert one == pytest.approx(expected, abs=3)
    assert both == pytest.approx(np.sqrt(2) * expected, abs=3)


def test_without_blending_segments_are_connected_components():
    snr = np.random.default_rng(5).normal(size=(120, 120)).astype(np.float32)
    snr = 4 * uniform_filter(snr, 3)
    config = DetectionConfig(threshold=3, extent=1.5, minimum_area=4, prominence=1e6)
    expected, count = label(snr > 1.5, np.ones((3, 3)))
    wanted = [
        k for k in range(1, count + 1)
        if snr[expected == k].max() >= 3 and (expected == k).sum() >= 4
    ]  # fmt: skip
    found = segments(snr, ones(snr), whole(snr), config)
    assert found.max() == len(wanted) > 5
    assert np.array_equal(found > 0, np.isin(expected, wanted))
    for k in wanted:
        assert len(np.unique(found[expected == k])) == 1


@pytest.mark.parametrize(("distance", "expected"), [(3.0, 1), (8.0, 2)])
def test_two_peaks_are_parted_where_they_stand_out(distance, expected):
    x = np.arange(60.0)
    line = np.exp(-0.5 * ((x - 25) / 2) ** 2) + 0.5 * np.exp(-0.5 * ((x - 25 - distance) / 2) ** 2)
    snr = (50 * line * np.exp(-0.5 * ((x[:, None] - 30) / 2) ** 2)).astype(np.float32)
    found = segments(snr, ones(snr), whole(snr), DetectionConfig())
    assert found.max() == expected


def test_the_noise_of_its_own_light_does_not_part_a_galaxy():
    rng = np.random.default_rng(6)
    y, x = np.mgrid[:600, :600] - 300
    light = 10 * np.exp(-0.5 * ((x / 50) ** 2 + (y / 40) ** 2))
    sky, variance = 0.006, 0.006 + 0.004 * light
    data = (light + rng.normal(size=light.shape) * np.sqrt(variance)).astype(np.float32)
    layer = (data, np.full_like(data, sky), whole(data))
    snr = significance([layer], [gaussian(1.6)])
    noise = np.sqrt(variance / sky).astype(np.float32)
    assert segments(snr, ones(snr), whole(snr), DetectionConfig()).max() > 1
    assert segments(snr, noise, whole(snr), DetectionConfig()).max() == 1


def test_masked_pixels_carry_no_label_and_nan_is_no_source():
    snr = np.zeros((30, 30), np.float32)
    snr[10:15, 10:15] = 9
    snr[20, 20] = np.nan
    mask = whole(snr)
    mask[12, :] = True
    found = segments(snr, ones(snr), mask, DetectionConfig())
    assert found.max() == 1
    assert (found > 0).sum() == 20
    assert not found[12].any()


def test_growing_reaches_exactly_so_far():
    labels = np.zeros((21, 21), np.int32)
    labels[10, 10] = 1
    y, x = np.mgrid[:21, :21] - 10
    assert np.array_equal(grown(labels, 4), x * x + y * y <= 16)


def test_stars_are_found_to_the_limit_and_threads_change_nothing(stars):
    mask = whole(stars["data"])
    template = gaussian(1.4)
    layer = (stars["data"], stars["sky"], mask)
    snr = significance([layer], [template])
    labels = segments(snr, ones(snr), mask, DetectionConfig())
    with limited(1):
        assert np.array_equal(significance([layer], [template]), snr)
    rows, columns = np.nonzero(labels)
    away, _ = cKDTree(np.stack([columns, rows], 1)).query(np.stack([stars["x"], stars["y"]], 1))
    depth = stars["flux"] * np.sqrt((template**2).sum()) / 0.05
    assert (away[depth > 10] < 1).mean() > 0.99
    assert labels.max() < 1.01 * len(stars["x"]) + 3


def test_islands_are_the_segments_before_they_are_parted(stars):
    snr = significance([(stars["data"], stars["sky"], whole(stars["data"]))], [gaussian(1.4)])
    config = DetectionConfig(minimum_area=1)
    found = segments(snr, ones(snr), whole(snr), config) > 0
    marked = islands(snr, config)
    # A blended peak below the threshold is part of an island, and no source.
    assert not (found & ~marked).any()
    assert (marked & ~found).mean() < 1e-3
    connected, _ = label(snr > config.extent, np.ones((3, 3)))
    assert np.array_equal(marked, np.isin(connected, np.unique(connected[snr >= config.threshold])))
