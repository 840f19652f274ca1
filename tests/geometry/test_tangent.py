import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.core.threads import limited
from aqueduct.geometry.tangent import BAND, TangentPlane, direction, separation, vector

ra = st.floats(0, 360, exclude_max=True)
dec = st.floats(-90, 90)


@given(ra, dec, st.sampled_from([1, -1]), st.floats(-3e5, 3e5), st.floats(-3e5, 3e5))
def test_pixels_return_to_themselves(ra0, dec0, parity, x, y):
    plane = TangentPlane(ra0, dec0, 10.0, -20.0, 0.055 / 3600, parity)
    sky = plane.to_sky(x, y)
    assert 0 <= sky[0] < 360
    np.testing.assert_allclose(plane.to_pixel(*sky), (x, y), atol=2e-6)


@pytest.mark.parametrize("parity", [1, -1])
@pytest.mark.parametrize("dec0", [-90.0, -31.0, 0.0, 66.0, 89.9])
def test_agrees_with_wcslib(parity, dec0):
    fits = WCS(naxis=2)
    fits.wcs.ctype = "RA---TAN", "DEC--TAN"
    fits.wcs.crval, fits.wcs.crpix = (33.0, dec0), (101.0, 51.0)
    fits.wcs.cdelt = (parity * 1e-4, 1e-4)
    x, y = np.random.default_rng(1).uniform(-4000, 4000, (2, 100))
    plane = TangentPlane(33.0, dec0, 100.0, 50.0, 1e-4, parity)
    found = plane.to_sky(x, y)
    expected = fits.all_pix2world(x, y, 0)
    assert separation(*found, *expected).max() < 1e-12
    np.testing.assert_allclose(plane.to_pixel(*expected), (x, y), atol=1e-7)


def test_far_hemisphere_has_no_pixel():
    assert np.isnan(TangentPlane(10.0, 20.0).to_pixel(190.0, -20.0)).all()


def test_threads_change_nothing():
    x, y = np.random.default_rng(2).uniform(0, 5000, (2, 2 * BAND + 17))
    plane = TangentPlane(10.0, -45.0, scale=1e-5)
    with limited(1):
        one = plane.to_sky(x, y)
    with limited(3):
        three = plane.to_sky(x, y)
    assert (one[0] == three[0]).all() and (one[1] == three[1]).all()


def test_shapes_are_kept_and_broadcast():
    found = TangentPlane(10.0, -45.0, scale=1e-5).to_sky(np.zeros((3, 1)), np.arange(4.0))
    assert found[0].shape == (3, 4)


@given(ra, dec)
def test_directions_return_to_themselves(a, d):
    assert separation(*direction(vector(a, d)), a, d) < 1e-13


def test_separation_is_exact_for_small_and_large_angles():
    np.testing.assert_allclose(separation(10.0, 0.0, 10.0, 1e-9), 1e-9, rtol=1e-6)
    np.testing.assert_allclose(separation(0.0, 0.0, 180.0, 1e-7), 180 - 1e-7, rtol=1e-15)
