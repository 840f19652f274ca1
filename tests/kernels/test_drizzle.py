from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.geometry.footprint import area, clip
from aqueduct.kernels.drizzle import drizzle


def corners(to_output, n):
    edges = np.arange(n + 1) - 0.5
    x, y = to_output(*np.meshgrid(edges, edges))
    return np.ascontiguousarray(x, float), np.ascontiguousarray(y, float)


def run(to_output, data, weight, variance, size, pixfrac=1.0):
    sums = np.zeros((4, size, size))
    drizzle(*corners(to_output, len(data)), data, weight, variance, 2 * variance, pixfrac, sums)
    return sums


def distorted(x, y):
    """Rotation, twofold magnification, and a distortion ten times that of the instrument."""
    c, s = 2 * np.cos(0.3), 2 * np.sin(0.3)
    return c * x - s * y + 45 + 2e-5 * x * x, s * x + c * y + 8 - 1e-5 * x * y


@pytest.fixture
def planes():
    rng = np.random.default_rng(1)
    n = 48
    data = rng.normal(10, 1, (n, n)).astype(np.float32)
    weight = rng.uniform(0.5, 1.5, (n, n)).astype(np.float32)
    weight[rng.random((n, n)) < 0.05] = 0
    variance = rng.uniform(1, 2, (n, n)).astype(np.float32)
    return data, weight, variance


@pytest.mark.parametrize("pixfrac", [1.0, 0.6])
def test_agrees_with_the_drizzle_package(planes, pixfrac):
    from drizzle.resample import Drizzle

    data, weight, variance = planes
    size = 160
    sums = run(distorted, data, weight, variance, size, pixfrac)
    pixmap = np.dstack(distorted(*np.meshgrid(np.arange(48.0), np.arange(48.0))))
    peer = Drizzle(kernel="square", out_shape=(size, size), fillval="nan")
    peer.add_image(data, 1.0, pixmap, weight_map=weight, pixfrac=pixfrac, data2=variance)

    assert np.array_equal(sums[1] > 0, peer.out_ctx[0] != 0)
    np.testing.assert_allclose(sums[1], peer.out_wht, atol=1e-5)
    solid = peer.out_wht > 1e-2
    total, weights, squares = (plane[solid] for plane in sums[:3])
    np.testing.assert_allclose(total / weights, peer.out_img[solid], rtol=1e-4)
    np.testing.assert_allclose(squares / weights**2, peer.out_img2[0][solid], rtol=1e-3)
    np.testing.assert_allclose(sums[3], 2 * sums[2], rtol=1e-12)


angles = st.floats(0, 2 * np.pi)
scales = st.floats(0.3, 3.0)
offsets = st.floats(4.0, 6.0)


@given(angle=angles, scale=scales, dx=offsets, dy=offsets, shear=st.floats(-0.5, 0.5))
def test_shares_are_the_areas_of_overlap(angle, scale, dx, dy, shear):
    c, s = scale * np.cos(angle), scale * np.sin(angle)

    def place(x, y):
        return c * x - s * y + shear * y + dx, s * x + c * y + dy

    one = np.ones((1, 1), np.float32)
    shares = run(place, one, one, one, 12)[1]
    x, y = corners(place, 1)
    quad = np.array([(x[k], y[k]) for k in ((0, 0), (0, 1), (1, 1), (1, 0))])
    expected = np.zeros((12, 12))
    for row in range(12):
        for column in range(12):
            pixel = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
            expected[row, column] = area(clip(quad, pixel + np.array([column, row]))) / area(quad)
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    assert shares.sum() == pytest.approx(1.0, abs=1e-6)


def test_aligned_grids_copy_pixels_exactly(planes):
    data, _, variance = planes
    sums = run(lambda x, y: (x, y), data, np.ones_like(data), variance, 48)
    assert np.array_equal(sums[0], data.astype(float))
    assert np.array_equal(sums[1], np.ones((48, 48)))


def test_mirrored_grid_has_positive_weights(planes):
    data, weight, variance = planes
    sums = run(lambda x, y: (47 - x, y), data, weight, variance, 48)
    np.testing.assert_allclose(sums[1], weight[:, ::-1], atol=1e-12)


def test_excluded_pixels_leave_no_trace():
    data = np.full((2, 2), np.nan, np.float32)
    sums = run(lambda x, y: (x, y), data, np.zeros_like(data), data, 2)
    assert not sums.any()
