import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.core.errors import InputError
from aqueduct.geometry.footprint import (
    area,
    clip,
    contains,
    outline,
    overlap,
    parse_s_region,
    s_region,
)
from aqueduct.geometry.tangent import TangentPlane

SQUARE = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]])


def sky_square(ra, dec, half):
    return TangentPlane(ra, dec).to_sky([-half, half, half, -half], [-half, -half, half, half])


def test_s_region_returns_to_itself():
    polygon = sky_square(359.99, -45.0, 0.1)
    found = parse_s_region(s_region(*polygon))
    np.testing.assert_allclose(found, polygon, atol=6e-10)


@pytest.mark.parametrize(
    "text", ["", "CIRCLE ICRS 1 2 3", "POLYGON ICRS 1 2 3 4", "POLYGON ICRS a"]
)
def test_what_is_no_polygon_is_refused(text):
    with pytest.raises(InputError, match="S_REGION"):
        parse_s_region(text)


def test_s_region_needs_finite_corners():
    with pytest.raises(InputError):
        s_region([1, 2, np.nan], [1, 2, 3])


def test_outline_runs_along_the_outer_pixel_edges():
    plane = TangentPlane(10.0, 20.0, 50.0, 40.0, 1e-4)
    ra, dec = outline(plane.to_sky, (80, 100), per_edge=2)
    x, y = plane.to_pixel(ra, dec)
    np.testing.assert_allclose(x, [-0.5, -0.5, -0.5, 49.5, 99.5, 99.5, 99.5, 49.5], atol=1e-7)
    np.testing.assert_allclose(y, [-0.5, 39.5, 79.5, 79.5, 79.5, 39.5, -0.5, -0.5], atol=1e-7)


@pytest.mark.parametrize("where", [(0.0, 0.0), (359.999, 60.0), (12.0, 90.0)])
def test_contains(where):
    polygon, plane = sky_square(*where, 0.2), TangentPlane(*where)
    x, y = np.random.default_rng(1).uniform(-0.4, 0.4, (2, 500))
    expected = (np.abs(x) < 0.2) & (np.abs(y) < 0.2)
    np.testing.assert_array_equal(contains(*polygon, *plane.to_sky(x, y)), expected)
    assert not contains(*polygon, where[0] + 180.0, -where[1])


def test_contains_respects_a_notch():
    x, y = np.array([0, 4, 4, 2, 0.0]), np.array([0, 0, 4, 1, 4.0])
    plane = TangentPlane(30.0, 10.0)
    polygon = plane.to_sky(x, y)
    assert contains(*polygon, *plane.to_sky([2.0, 2.0], [0.5, 2.0])).tolist() == [True, False]


def test_overlap_of_shifted_squares():
    plane = TangentPlane(200.0, -30.0)
    corners = np.array([-0.1, 0.1, 0.1, -0.1]), np.array([-0.1, -0.1, 0.1, 0.1])
    first = plane.to_sky(*corners)
    beside = plane.to_sky(corners[0] + 0.15, corners[1])
    np.testing.assert_allclose(overlap(*first, *beside), 0.05 * 0.2, rtol=1e-4)
    assert overlap(*first, *plane.to_sky(corners[0] + 0.3, corners[1])) == 0
    assert overlap(*first, 20.0 + corners[0], 30.0 + corners[1]) == 0


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_clip_of_squares_is_a_rectangle(dx, dy):
    expected = max(0, 2 - abs(dx)) * max(0, 2 - abs(dy))
    for window in (SQUARE, SQUARE[::-1]):
        assert area(clip(SQUARE + np.array([dx, dy]), window)) == pytest.approx(expected, abs=1e-12)


def test_a_hemisphere_is_no_polygon():
    with pytest.raises(InputError, match="hemisphere"):
        contains([0, 120, 240], [0, 0, 0], 10, 10)
