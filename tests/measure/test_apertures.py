import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqueduct.measure.apertures import Field, Noise, annuli, circular, elliptical, noise


def flat(shape=(80, 80), value=1.0):
    data = np.full(shape, value, np.float32)
    return Field(data, data * 0 + 1, np.zeros(shape, bool), np.zeros(shape, np.int32))


def inside(size, x, y, a, b, theta, fine=60):
    """Share of each pixel of a square image within an ellipse, by sub-pixels."""
    axis = (np.arange(size * fine) + 0.5) / fine - 0.5
    dx, dy = axis[None, :] - x, axis[:, None] - y
    u = dx * np.cos(theta) + dy * np.sin(theta)
    v = dy * np.cos(theta) - dx * np.sin(theta)
    within = (u / a) ** 2 + (v / b) ** 2 <= 1
    return within.reshape(size, fine, size, fine).mean(axis=(1, 3))


@settings(deadline=None)  # the first call compiles
@given(
    st.floats(20, 60), st.floats(20, 60), st.floats(0.05, 15), st.floats(0.05, 1), st.floats(0, 3.2)
)
def test_the_area_is_exact(x, y, a, ratio, theta):
    one = np.array([1.0])
    found = elliptical(
        flat(), np.zeros(1, np.int32), one * x, one * y, one * a, one * a * ratio, one * theta
    )
    assert found.flux[0, 0] == pytest.approx(np.pi * a * a * ratio, rel=1e-9)
    assert found.lost[0, 0] == 0


def test_sums_are_those_over_sub_pixels():
    rng = np.random.default_rng(6)
    data, variance = (rng.uniform(1, 2, (24, 24)).astype(np.float32) for _ in range(2))
    field = Field(data, variance, np.zeros(data.shape, bool), np.zeros(data.shape, np.int32))
    place = np.array([11.3]), np.array([10.8])
    circle = circular(field, *place, [0.7, 4.2])
    for n, radius in enumerate((0.7, 4.2)):
        share = inside(24, 11.3, 10.8, radius, radius, 0)
        assert circle.flux[0, n] == pytest.approx((share * data).sum(), rel=2e-3)
        assert circle.variance[0, n] == pytest.approx((share**2 * variance).sum(), rel=4e-3)
    tilted = elliptical(
        field, np.zeros(1, np.int32), *place, np.array([6.0]), np.array([2.0]), np.array([0.6])
    )
    share = inside(24, 11.3, 10.8, 6, 2, 0.6)
    assert tilted.flux[0, 0] == pytest.approx((share * data).sum(), rel=2e-3)


def test_bad_pixels_and_neighbours_are_replaced_by_those_opposite():
    y, x = np.mgrid[:41, :41]
    data = np.exp(-0.5 * ((x - 20) ** 2 + (y - 20) ** 2) / 9).astype(np.float32)
    labels = np.zeros(data.shape, np.int32)
    labels[20, 20] = 1
    clean = Field(data, data, np.zeros(data.shape, bool), labels)
    centre = np.array([20.0])
    size = np.array([6.0])
    own = np.array([1], np.int32)
    expected = elliptical(clean, own, centre, centre, size, size, centre * 0)
    spoilt, mask, others = data.copy(), clean.mask.copy(), labels.copy()
    spoilt[18:20, 23], mask[18:20, 23] = 1e5, True
    spoilt[24, 18:22], others[24, 18:22] = 1e5, 2
    found = elliptical(
        Field(spoilt, data, mask, others), own, centre, centre, size, size, centre * 0
    )
    assert found.flux[0, 0] == pytest.approx(expected.flux[0, 0], rel=1e-6)
    assert found.lost[0, 0] == 6
    circle = circular(Field(spoilt, data, mask, others), centre, centre, [6.0])
    assert circle.flux[0, 0] > 3e5


def test_an_annulus_leaves_out_sources_and_gives_the_error_of_a_median():
    rng = np.random.default_rng(7)
    field = flat((400, 400))
    data = rng.normal(3, 2, field.data.shape).astype(np.float32)
    labels = np.zeros(data.shape, np.int32)
    labels[::9, ::9] = 1
    data[labels > 0] = 1e4
    y, x = (axis.ravel() for axis in np.mgrid[30:370:34.0, 30:370:34.0])
    level, error, count = annuli(Field(data, field.variance, field.mask, labels), x, y, 10, 14)
    assert level.mean() == pytest.approx(3, abs=0.05)
    assert ((level - 3) / error).std() == pytest.approx(1, abs=0.25)
    assert count.max() < np.pi * (14**2 - 10**2)


@pytest.mark.parametrize("block", [1, 2])
def test_noise_is_that_of_empty_apertures(block):
    rng = np.random.default_rng(8)
    white = rng.normal(size=(600 // block,) * 2)
    data = np.kron(white, np.ones((block, block))).astype(np.float32)
    field = Field(
        data, np.ones_like(data), np.zeros(data.shape, bool), np.zeros(data.shape, np.int32)
    )
    found = noise(field, [2.0, 5.0, 12.0], 5.0)
    # Pixels that share their noise in squares of b x b: b times that of independent ones.
    assert found.factors[1:] == pytest.approx(block, rel=0.08)
    assert found.sky == 1
    area = np.pi * 5.0**2
    assert found.variance(np.array(area), area) == pytest.approx(block**2 * area, rel=0.16)


def test_background_error_adds_the_same_to_faint_and_bright():
    known = Noise(np.array([2.0, 12.0]), np.array([1.5, 2.5]), sky=4.0, shared_radius=2.0)
    area = np.pi * 144
    own = np.array([4 * area, 400 * area])
    added = known.variance(own, area) - 1.5**2 * own
    assert added == pytest.approx((2.5**2 - 1.5**2) * 4 * area)
    assert known.shared(area) == 1.5


def test_an_uneven_background_raises_the_noise_of_large_apertures():
    rng = np.random.default_rng(9)
    waves = rng.normal(size=(20, 20)).repeat(30, 0).repeat(30, 1) * 0.3
    data = (rng.normal(size=(600, 600)) + waves).astype(np.float32)
    whole = np.zeros(data.shape, bool)
    found = noise(Field(data, np.ones_like(data), whole, whole.astype(np.int32)), [0.6, 9.0], 0.6)
    assert found.factors[0] == pytest.approx(1, abs=0.1)
    assert found.factors[1] > 2


def test_with_no_room_for_empty_apertures_the_factor_is_one():
    field = flat((20, 20))
    assert noise(field, [5.0], 5.0).factors.tolist() == [1.0]
