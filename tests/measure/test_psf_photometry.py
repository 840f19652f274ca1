from dataclasses import replace

import numpy as np
import pytest

from aqueduct.core.threads import limited
from aqueduct.measure.apertures import Field
from aqueduct.measure.psf_photometry import (
    FEW_PIXELS,
    MASKED,
    NEGATIVE,
    NOT_CONVERGED,
    PsfConfig,
    fit_psf,
)


def field_of(data, variance):
    return Field(data, variance, np.zeros(data.shape, bool), np.zeros(data.shape, np.int32))


def spread(pulls):
    low, high = np.percentile(pulls, [15.865, 84.135])
    return (high - low) / 2


def test_undersampled_stars_are_unbiased_and_errors_real(stars, sharp_epsf):
    rng = np.random.default_rng(12)
    x, y, flux = stars["x"], stars["y"], stars["flux"]
    start = x + rng.uniform(-0.3, 0.3, x.size), y + rng.uniform(-0.3, 0.3, x.size)
    field = field_of(stars["data"], stars["variance"])
    fits = fit_psf(field, stars["sky"], sharp_epsf, *start, PsfConfig())
    assert (fits.flags == 0).mean() > 0.97
    for found, true, error in (
        (fits.x, x, fits.x_error),
        (fits.y, y, fits.y_error),
        (fits.flux, flux, fits.flux_error),
    ):
        assert 0.9 < spread((found - true) / error) < 1.1
        assert abs(np.median((found - true) / error)) < 0.15
    bright = flux > 100
    assert abs(np.mean(fits.x[bright] - x[bright])) < 0.002
    assert np.median(fits.chi2) == pytest.approx(1, abs=0.1)
    with limited(1):
        alone = fit_psf(field, stars["sky"], sharp_epsf, *start, PsfConfig())
    assert np.array_equal(alone.x, fits.x)


@pytest.mark.parametrize("phase", np.linspace(0, 0.9, 5))
def test_position_has_no_pixel_phase_bias(sharp_epsf, phase):
    data = np.zeros((31, 31), np.float32)
    true = np.array([15 + phase]), np.array([15 - 0.7 * phase])
    sharp_epsf.render(*true, np.array([1000.0]), data)
    variance = np.full_like(data, 1e-2)
    fits = fit_psf(
        field_of(data, variance),
        variance,
        sharp_epsf,
        np.array([15.2]),
        np.array([15.1]),
        PsfConfig(),
    )
    assert (fits.x[0], fits.y[0]) == pytest.approx((true[0][0], true[1][0]), abs=1e-3)
    assert fits.flux[0] == pytest.approx(1000, rel=1e-4)


def test_neighbours_are_fitted_together(sharp_epsf):
    x, y = np.array([20.2, 22.3]), np.array([20.1, 20.9])
    data = np.zeros((41, 41), np.float32)
    sharp_epsf.render(x, y, np.array([1000.0, 100.0]), data)
    variance = np.full_like(data, 1e-2)
    start = x + np.array([0.05, -0.1]), y + np.array([-0.05, 0.1])
    joint = fit_psf(field_of(data, variance), variance, sharp_epsf, *start, PsfConfig(psf_rounds=6))
    alone = fit_psf(
        field_of(data, variance), variance, sharp_epsf, *start, PsfConfig(psf_neighbours=0)
    )
    assert joint.flux == pytest.approx([1000, 100], rel=1e-2)
    assert joint.x == pytest.approx(x, abs=0.01)
    assert abs(alone.flux[1] - 100) > 10 * abs(joint.flux[1] - 100)


def test_rounds_end_where_more_of_them_change_nothing(sharp_epsf):
    """Crowded: a star in every 25 pixels, so that all are neighbours of others."""
    wide = replace(sharp_epsf, psf=sharp_epsf.psf / 4, oversample=2)
    rng = np.random.default_rng(4)
    grid = np.arange(10, 110, 5.0)
    x, y = (axis.ravel() + rng.uniform(-0.7, 0.7, 400) for axis in np.meshgrid(grid, grid))
    data = np.zeros((120, 120), np.float32)
    wide.render(x, y, 10 ** rng.uniform(1, 3, 400), data)
    variance = np.full_like(data, 0.1**2)
    data += 0.1 * rng.normal(size=data.shape).astype(np.float32)
    field = field_of(data, variance)
    few, usual, most = (
        fit_psf(field, variance, wide, x, y, PsfConfig(psf_rounds=rounds)) for rounds in (3, 10, 50)
    )
    off = [np.abs(fits.flux - most.flux) / most.flux_error for fits in (few, usual)]
    assert np.mean(off[0] > 0.1) > 0.01
    assert np.mean(off[1] > 0.1) < 0.005


def test_flags(sharp_epsf):
    data = np.zeros((60, 60), np.float32)
    sharp_epsf.render(np.array([10.0]), np.array([10.0]), np.array([500.0]), data)
    data[39:42, 39:42] = -5
    field = field_of(data, np.ones_like(data))
    field.mask[9, 11] = True
    field.mask[48:53, 48:53] = True
    at = np.array([10.1, 40.0, 50.0, np.nan])
    fits = fit_psf(field, np.ones_like(data), sharp_epsf, at, at, PsfConfig())
    assert fits.flags[0] == MASKED
    assert fits.flux[0] == pytest.approx(500, rel=1e-3)
    assert fits.flags[1] & NEGATIVE
    assert fits.flags[2] == MASKED | FEW_PIXELS
    assert fits.flags[3] == FEW_PIXELS
    assert np.isnan(fits.flux[2:]).all()


def test_a_fit_that_runs_away_keeps_its_place_and_says_so(sharp_epsf):
    data = np.zeros((40, 40), np.float32)
    sharp_epsf.render(np.array([24.5]), np.array([20.0]), np.array([500.0]), data)
    fits = fit_psf(
        field_of(data, np.ones_like(data)), np.ones_like(data), sharp_epsf,
        np.array([21.0]), np.array([20.0]), PsfConfig(),
    )  # fmt: skip
    assert fits.flags[0] & NOT_CONVERGED
    assert (fits.x[0], fits.y[0]) == (21, 20)
