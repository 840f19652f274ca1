from __future__ import annotations

import numpy as np
import pytest
from level3_frames import DEC, RA, make_cell, make_image, make_wcs, stars, with_meta

from aqueduct.core import dq
from aqueduct.core.threads import limited
from aqueduct.level3.outlier_detection import (
    OutlierDetectionConfig,
    _combine,
    _exceeding,
    outlier_detection,
)

N = 128
SIGMA = 0.1
DITHERS = ((0.0, 0.0), (0.37, -0.53), (-0.81, 0.29), (1.13, 0.71))
FLAGGED = dq.DO_NOT_USE | dq.OUTLIER
CONFIG = OutlierDetectionConfig()


@pytest.fixture
def sky(rng):
    """Stars as (ra, dec, flux), from faint to 3000 sigma at the peak."""
    ra = RA + rng.uniform(-5, 5, 60) / 3600 / np.cos(np.radians(DEC))
    dec = DEC + rng.uniform(-5, 5, 60) / 3600
    return np.stack([ra, dec, 10 ** rng.uniform(0, 2.8, 60)], axis=1)


def exposures(sky, rng, count, level=0.0):
    images = []
    for k, (dx, dy) in enumerate(DITHERS[:count]):
        wcs = make_wcs(N, dx, dy, roll=20.0 + 0.01 * k)
        truth = level + stars(wcs, N, sky)
        variance = 0.005 + 5e-4 * np.maximum(truth - level, 0)
        data = rng.normal(truth, np.sqrt(variance + 0.005))
        images.append(make_image(data, wcs, k + 1, var_poisson=variance, var_rnoise=0.005))
    return images


def hit(image, rng, count=25):
    """Cosmic rays of 20 to 200 sigma in single pixels; returns where."""
    rows, columns = rng.integers(20, N - 20, (2, count))
    image.data[rows, columns] += rng.uniform(20, 200, count) * SIGMA
    mask = np.zeros(image.data.shape, bool)
    mask[rows, columns] = True
    return mask


@pytest.mark.parametrize("count", [2, 3, 4])
def test_star_cores_are_kept(sky, rng, count):
    for image in outlier_detection(exposures(sky, rng, count), make_cell(), CONFIG):
        assert np.count_nonzero(image.dq) <= 2  # of 16384 pixels, 60 stars


@pytest.mark.parametrize("count", [2, 3, 4])
def test_cosmic_rays_are_flagged_in_the_exposure_they_hit(rng, count):
    images = exposures(np.array([(RA, DEC, 1e-3)]), rng, count)
    struck = hit(images[0], rng)
    found = outlier_detection(images, make_cell(), CONFIG)
    flagged = found[0].dq == FLAGGED
    assert np.all(flagged[struck])
    assert np.count_nonzero(flagged & ~struck) <= 3
    assert all(np.count_nonzero(image.dq) <= 2 for image in found[1:])
    assert found[0].meta["outlier_detection"]["outliers"] == np.count_nonzero(flagged)


def test_different_skies_are_allowed_for(rng):
    images = exposures(np.array([(RA, DEC, 1e-3)]), rng, 2)
    images[1] = make_image(images[1].data + 3.0, images[1].wcs, 2)
    images[1] = with_meta(images[1], background={"level": 3.0, "subtracted": False})
    for image in outlier_detection(images, make_cell(), CONFIG):
        assert np.count_nonzero(image.dq) <= 2


def test_bad_pixels_neither_harm_nor_are_reported(rng):
    images = exposures(np.array([(RA, DEC, 1e-3)]), rng, 3)
    images[0].data[40:44, 50:54] = 1e4
    images[0].dq[40:44, 50:54] = dq.DO_NOT_USE | dq.HOT
    images[0].data[70, 70] = np.nan
    found = outlier_detection(images, make_cell(), CONFIG)
    assert np.all(found[0].dq[40:44, 50:54] == dq.DO_NOT_USE | dq.HOT)
    assert sum(np.count_nonzero(image.dq & dq.OUTLIER) for image in found) <= 3


def test_detectors_of_one_exposure_are_one(rng):
    images = [
        make_image(rng.normal(0, SIGMA, (N, N)), detector="WFI01"),
        make_image(rng.normal(0, SIGMA, (N, N)), make_wcs(N, dx=16.0), detector="WFI02"),
    ]
    found = outlier_detection(images, make_cell(), CONFIG)
    assert found[0].meta["outlier_detection"]["exposures"] == 1


def test_one_exposure_is_told_that_nothing_was_compared(rng):
    image = make_image(rng.normal(0, SIGMA, (N, N)))
    off = make_image(rng.normal(0, SIGMA, (N, N)), make_wcs(N, dx=4000.0), exposure=2)
    for found in outlier_detection([image, off], make_cell(), CONFIG):
        assert not found.dq.any()
        assert found.meta["outlier_detection"]["exposures"] == 1
        assert found.meta["cal_step"]["outlier_detection"] == "SKIPPED"


def test_inputs_are_kept_and_threads_do_not_matter(sky, rng):
    images = exposures(sky, rng, 3)
    hit(images[1], rng)
    results = []
    for threads in (1, 3):
        with limited(threads):
            results.append(outlier_detection(images, make_cell(), CONFIG))
    assert all(np.array_equal(a.dq, b.dq) for a, b in zip(*results, strict=True))
    assert not any(image.dq.any() for image in images)


def test_robust_mean():
    nan = np.nan
    columns = [  # values, expected with a threshold of 4 sqrt(0.02) = 0.57
        ((1.0, 1.2, nan, nan), 1.1),
        ((1.0, nan, 9.0, nan), 1.0),
        ((nan, nan, 3.0, nan), nan),
        ((nan, nan, nan, nan), nan),
        ((5.0, 1.0, 2.0, nan), 2.0),
        ((9.0, 1.0, 2.0, 1.5), 1.75),
    ]
    values = np.array([each for each, _ in columns], np.float32).T[:, None, :].copy()
    out = np.full(values.shape[1:], nan, np.float32)
    _combine(values, np.full_like(values, 0.01), 4.0, out)
    np.testing.assert_allclose(out[0], [expected for _, expected in columns], rtol=1e-6)


def test_threshold_follows_the_gradient_of_the_blot():
    data, err, blot = (np.zeros((3, 4), np.float32) for _ in range(3))
    blot[1, 1] = 10.0
    data[1, 1] = 10.0 + 12.9
    data[0, 3] = 4.9
    data[2, 3] = 5.1
    err += 1.0
    found = _exceeding(data, err, blot, 0.8, 5.0)
    expected = np.zeros((3, 4), bool)
    expected[2, 3] = True
    assert np.array_equal(found, expected)
    err[2, 3] = np.nan
    data[1, 1] = 10.0 + 13.1
    found = _exceeding(data, err, blot, 0.8, 5.0)
    assert np.argwhere(found).tolist() == [[1, 1]]
