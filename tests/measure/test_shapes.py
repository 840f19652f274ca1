import numpy as np
import pytest

from aqueduct.core.threads import limited
from aqueduct.measure.apertures import Field, elliptical
from aqueduct.measure.shapes import (
    NARROWEST,
    boxes,
    half_light,
    kron,
    moments,
    touching,
    windowed,
)


def galaxy(x=41.3, y=38.6, a=5.0, b=3.0, theta=0.5, size=81):
    rows, columns = np.mgrid[:size, :size]
    dx, dy = columns - x, rows - y
    u, v = dx * np.cos(theta) + dy * np.sin(theta), dy * np.cos(theta) - dx * np.sin(theta)
    data = np.exp(-0.5 * ((u / a) ** 2 + (v / b) ** 2)).astype(np.float32)
    whole = np.ones(data.shape, np.int32)
    return Field(data, np.full_like(data, 1e-6), np.zeros(data.shape, bool), whole)


OWN = np.array([1], np.int32)


def test_moments_of_a_gaussian_are_its_parameters():
    field = galaxy()
    found = moments(field, boxes(field.labels))
    a, b, theta = found.ellipse()
    assert (found.x[0], found.y[0]) == pytest.approx((41.3, 38.6), abs=1e-4)
    assert (a[0], b[0], theta[0]) == pytest.approx((5, 3, 0.5), rel=1e-3)
    assert found.flux[0] == pytest.approx(2 * np.pi * 15, rel=1e-5)
    assert found.variance[0] == pytest.approx(1e-6 * field.data.size, rel=1e-5)


def test_a_source_of_one_pixel_is_as_wide_as_a_pixel():
    data = np.zeros((9, 9), np.float32)
    data[4, 5] = 3
    field = Field(data, data + 1, np.zeros(data.shape, bool), (data > 0).astype(np.int32))
    a, b, _ = moments(field, boxes(field.labels)).ellipse()
    assert (a[0], b[0]) == pytest.approx((12**-0.5, 12**-0.5))


def test_boxes_and_contacts():
    labels = np.zeros((12, 12), np.int32)
    labels[1:4, 2:5], labels[4, 5], labels[8:11, 8] = 1, 2, 3
    assert boxes(labels).tolist() == [[1, 3, 2, 4], [4, 4, 5, 5], [8, 10, 8, 8]]
    assert touching(labels, boxes(labels)).tolist() == [True, True, False]
    assert boxes(np.zeros((4, 4), np.int32)).shape == (0, 4)


def test_centroid_errors_are_their_scatter():
    rng = np.random.default_rng(10)
    clean = galaxy(a=2.5, b=2.0, size=41, x=20.4, y=19.7).data * 100
    variance = 0.5 + 0.05 * clean
    labels = (clean > 3).astype(np.int32)
    isophotal, window = [], []
    for _ in range(150):
        data = (clean + rng.normal(size=clean.shape) * np.sqrt(variance)).astype(np.float32)
        field = Field(data, variance, np.zeros(clean.shape, bool), labels)
        found = moments(field, boxes(labels))
        isophotal.append((found.x[0] - 20.4) / np.sqrt(found.x_variance[0]))
        x, _, xv, _, ok = windowed(field, OWN, found.x, found.y, np.array([2.4]))
        window.append((x[0] - 20.4) / np.sqrt(xv[0]))
        assert ok[0]
    assert np.std(isophotal) == pytest.approx(1, abs=0.2)
    assert np.std(window) == pytest.approx(1, abs=0.2)
    assert abs(np.mean(window)) < 0.3


def test_a_neighbour_and_a_bad_pixel_leave_the_windowed_centroid_in_place():
    field = galaxy(a=2.0, b=2.0)
    data, mask, labels = field.data.copy(), field.mask.copy(), field.labels.copy()
    data[36:40, 46:50], labels[36:40, 46:50] = 50, 2
    data[38, 40], mask[38, 40] = 1e4, True
    spoilt = Field(data, field.variance, mask, labels)
    start = np.array([41.0]), np.array([39.0]), np.array([2.0])
    x, y, _, _, found = windowed(spoilt, OWN, *start)
    assert found[0]
    assert (x[0], y[0]) == pytest.approx((41.3, 38.6), abs=0.03)


def test_a_window_without_light_is_not_found():
    data = np.full((31, 31), -1, np.float32)
    field = Field(data, -data, np.zeros(data.shape, bool), np.ones(data.shape, np.int32))
    x, _, _, _, found = windowed(field, OWN, *(np.array([15.0]),) * 2, np.array([NARROWEST]))
    assert not found[0]
    assert x[0] == 15


def test_kron_and_half_light_of_a_gaussian():
    field = galaxy()
    place = np.array([41.3]), np.array([38.6])
    shape = np.array([5.0]), np.array([3.0]), np.array([0.5])
    # The mean of r exp(-r^2 / 2) is sqrt(pi / 2) = 1.25, below the least that is taken.
    assert kron(field, OWN, *place, *shape)[0] == pytest.approx(1.4)
    broad = Field(field.data**0.25, field.variance, field.mask, field.labels)
    assert kron(broad, OWN, *place, *shape)[0] == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.1)
    round_ = galaxy(a=4, b=4)
    wide = np.array([30.0])
    total = elliptical(round_, OWN, *place, wide, wide, wide * 0).flux[:, 0]
    half = half_light(round_, OWN, *place, total, wide)
    assert half[0] == pytest.approx(4 * np.sqrt(2 * np.log(2)), rel=5e-3)
    assert np.isnan(half_light(round_, OWN, *place, -total, wide)[0])
    assert np.isnan(half_light(round_, OWN, *place, total, np.array([2.0]))[0])


def test_threads_change_nothing():
    labels = np.arange(1, 401, dtype=np.int32).reshape(20, 20).repeat(4, 0).repeat(4, 1)
    data = np.random.default_rng(11).uniform(1, 2, labels.shape).astype(np.float32)
    field = Field(data, data, np.zeros(data.shape, bool), labels)
    many = moments(field, boxes(labels))
    with limited(1):
        one = moments(field, boxes(labels))
    assert np.array_equal(many.xx, one.xx)


def test_a_half_light_radius_below_the_least_is_not_looked_for():
    field = galaxy(a=4, b=4)
    place, wide = (np.array([41.3]), np.array([38.6])), np.array([30.0])
    total = elliptical(field, OWN, *place, wide, wide, wide * 0).flux[:, 0]
    free = half_light(field, OWN, *place, total, wide)[0]
    assert half_light(field, OWN, *place, total, wide, least=6.0)[0] == 6
    assert half_light(field, OWN, *place, total, wide, least=2.0)[0] == free
