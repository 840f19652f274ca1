import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqueduct.core.threads import limited
from aqueduct.measure.background import CLIP, ascending, background, clipped


def naive(values, clip):
    values = np.sort(values.astype(float))
    while True:
        middle, spread = np.median(values), values.std()
        kept = values[np.abs(values - middle) <= clip * spread]
        if len(kept) == len(values) or len(kept) < 2:
            return middle, values.mean(), spread, len(values)
        values = kept


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 2**32 - 1), st.integers(2, 400), st.floats(-1e4, 1e4))
def test_clipping_is_that_of_repeated_sigma_clipping(seed, size, level):
    rng = np.random.default_rng(seed)
    values = (level + rng.standard_t(3, size)).astype(np.float32)
    expected = naive(values, CLIP)
    found = clipped(values.copy(), CLIP)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-3)


def test_a_smooth_level_is_recovered_under_sources_and_masked_pixels():
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:512, :512]
    level = 3 + 1e-3 * x - 5e-4 * y + 2e-6 * (x - 256) ** 2
    data = (level + rng.normal(scale=0.2, size=level.shape)).astype(np.float32)
    for row, column in rng.integers(20, 490, (60, 2)):
        data[row - 2 : row + 3, column - 2 : column + 3] += 50
    mask = rng.random(data.shape) < 0.05
    data[mask] = 1e6
    found = background(data, mask, 64)
    inner = (slice(32, -32),) * 2
    assert np.abs(found.level - level)[inner].max() < 0.05
    assert found.level[inner].mean() == pytest.approx(level[inner].mean(), abs=0.005)
    assert found.rms.mean() == pytest.approx(0.2, rel=0.02)


def test_empty_boxes_take_the_nearest_and_no_data_gives_zero_and_nan():
    data = np.full((256, 256), 7, np.float32)
    mask = np.zeros(data.shape, bool)
    mask[:, :128] = True
    assert background(data, mask, 64).level == pytest.approx(7)
    nothing = background(data, np.ones_like(mask), 64)
    assert not nothing.level.any()
    assert np.isnan(nothing.rms).all()


def test_an_image_smaller_than_a_box_and_one_thread_are_no_exception():
    data = np.random.default_rng(0).normal(5, 1, (300, 40)).astype(np.float32)
    mask = np.zeros(data.shape, bool)
    whole = background(data, mask, 64)
    with limited(1):
        assert np.array_equal(background(data, mask, 64).level, whole.level)
    assert whole.level.shape == data.shape


def test_a_quarter_of_the_pixels_gives_the_same_level_within_its_error():
    data = np.random.default_rng(3).normal(5, 1, (512, 512)).astype(np.float32)
    mask = np.zeros(data.shape, bool)
    whole, first = (background(data, mask, 128, stride) for stride in (1, 2))
    assert first.level == pytest.approx(whole.level, abs=0.15)
    assert not np.array_equal(first.level, whole.level)
    assert np.array_equal(whole.band(100, 130), whole.level[100:130])


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3000), st.floats(0, 3))
def test_values_are_sorted_whatever_their_distribution(seed, size, power):
    rng = np.random.default_rng(seed)
    values = (rng.standard_t(1, size) ** 3 * 10**power).astype(np.float32)
    values[rng.random(size) < 0.2] = 7
    expected = np.sort(values)
    ascending(values)
    assert np.array_equal(values, expected)
