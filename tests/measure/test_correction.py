import numpy as np
import pytest

from aqueduct.measure.apertures import Field, circular
from aqueduct.measure.correction import (
    LARGEST_ERROR,
    Correction,
    aperture_correction,
    enclosed,
    isolated,
)


def stars(count, ratio, scatter, seed=1):
    """PSF fluxes, aperture fluxes with their errors, and shares."""
    rng = np.random.default_rng(seed)
    fit, share = rng.uniform(1e3, 1e4, count), rng.uniform(0.85, 0.9, count)
    error = scatter * fit
    return fit, ratio * share * fit + error * share * rng.normal(size=count), error * share, share


def test_the_ratio_is_found_within_its_error_despite_neighbours():
    fit, aperture, error, share = stars(300, 1.004, 0.003)
    aperture[::20] *= 1.2
    found = aperture_correction(fit, aperture, error, share)
    assert found.good
    assert 250 < found.stars <= 285
    assert found.error == pytest.approx(np.hypot(0.003, 0.002) / np.sqrt(285), rel=0.1)
    assert abs(found.ratio - 1.004) < 3 * found.error


def test_errors_are_those_of_many_frames():
    found = [aperture_correction(*stars(40, 0.99, 0.005, seed)) for seed in range(300)]
    pulls = [(each.ratio - 0.99) / each.error for each in found]
    assert 0.8 < np.std(pulls) < 1.1
    assert abs(np.mean(pulls)) < 0.2


def test_few_or_noisy_stars_are_not_good():
    assert not aperture_correction(*stars(9, 1.0, 1e-4)).good
    noisy = aperture_correction(*stars(30, 1.0, 0.02))
    assert noisy.error > LARGEST_ERROR
    assert not noisy.good
    none = aperture_correction(*(np.zeros(0) for _ in range(4)))
    assert (none.ratio, none.stars, none.good) == (1.0, 0, False)
    assert not Correction(1.0, np.nan, 50).good


def test_who_is_isolated():
    x = np.array([10.0, 100.0, 106.0, 200.0, 215.0, 300.0, 315.0, np.nan])
    flux = np.array([1e4, 1e4, 10.0, 1e4, 50.0, 1e4, 500.0, 1e4])
    bright = flux == 1e4
    alone = isolated(x, np.full(8, 50.0), flux, bright, 7.0)
    # The second has a neighbour in its circle, the sixth too bright a one beside it.
    assert np.flatnonzero(alone).tolist() == [0, 3]
    assert not isolated(x, x, flux, bright & (x < 0), 7.0).any()


def test_shares_are_those_of_rendered_stars(sharp_epsf):
    rng = np.random.default_rng(3)
    x, y = np.array([15.0, 45.0, 75.0]) + rng.uniform(-0.5, 0.5, (2, 3))
    radius = np.array([1.0, 2.5, 7.3])
    image = np.zeros((91, 91), np.float32)
    sharp_epsf.render(x, y, np.ones(3), image)
    field = Field(image, image, np.zeros(image.shape, bool), np.zeros(image.shape, np.int32))
    expected = circular(field, x, y, radius[:, None]).flux[:, 0]
    assert enclosed(sharp_epsf, x, y, radius) == pytest.approx(expected, rel=1e-5)
    assert enclosed(sharp_epsf, x[:0], y[:0], radius[:0]).shape == (0,)
