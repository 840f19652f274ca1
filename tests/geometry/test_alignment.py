import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry.alignment import GEOMETRIES, find_offset, fit, match

TURN = 1e-4
MAPS = {
    "shift": np.eye(2),
    "rshift": np.array([[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]]),
    "rscale": 1.0002 * np.array([[1, -TURN], [TURN, 1]]),
    "general": np.array([[1.0002, 3e-4], [-1e-4, 0.9999]]),
}
SHIFT = np.array([0.7, -1.3])


def stars(count=60, noise=0.005, kind="rshift", seed=1):
    rng = np.random.default_rng(seed)
    source = rng.uniform(-200, 200, (count, 2))
    target = source @ MAPS[kind].T + SHIFT + rng.normal(0, noise, (count, 2))
    return source, target, np.full((count, 2), max(noise, 1e-6))


@pytest.mark.parametrize("kind", GEOMETRIES)
def test_exact_maps_are_found(kind):
    source, target, sigma = stars(noise=0.0, kind=kind)
    made = fit(source, target, sigma, kind, 3.0)
    np.testing.assert_allclose(made.matrix, MAPS[kind], atol=1e-10)
    np.testing.assert_allclose(made.shift, SHIFT, atol=1e-7)


@pytest.mark.parametrize("kind", GEOMETRIES)
def test_the_simplest_map_that_fits_is_chosen(kind):
    assert fit(*stars(kind=kind), None, 3.0).geometry == kind


def test_expected_error_is_the_scatter_over_trials():
    errors, expected = [], []
    for seed in range(200):
        source, target, sigma = stars(seed=seed)
        made = fit(source, target, sigma, "rshift", 5.0)
        off = made(source) - (source @ MAPS["rshift"].T + SHIFT)
        errors.append(np.mean(np.sum(off**2, axis=1)))
        expected.append(made.error**2)
    # chi-square with 3 x 200 degrees of freedom, and inflation of half the trials
    assert np.mean(errors) / np.mean(expected) == pytest.approx(0.95, abs=0.15)
    assert np.mean(errors) == pytest.approx(3 * 0.005**2 / 60, rel=0.2)


def test_outliers_are_left_out():
    source, target, sigma = stars()
    target[:8] += 0.3
    made = fit(source, target, sigma, "rshift", 3.0)
    assert not made.used[:8].any() and made.used[8:].mean() > 0.9


def test_weights_favour_the_better_stars():
    source, target, sigma = stars(kind="shift")
    target[:30] += (0.02, 0.0)
    sigma[:30] = 0.5
    np.testing.assert_allclose(fit(source, target, sigma, "shift", 9.0).shift, SHIFT, atol=0.004)


def test_too_few_pairs():
    with pytest.raises(InputError, match="too few"):
        fit(*stars(count=2), "general", 3.0)


def test_offset_among_strangers():
    rng = np.random.default_rng(3)
    source, target, _ = stars(count=40)
    source = np.concatenate([source, rng.uniform(-200, 200, (200, 2))])
    target = np.concatenate([target, rng.uniform(-200, 200, (200, 2))])
    found = find_offset(source, target, search=6.0, tolerance=0.7, least=5)
    np.testing.assert_allclose(found, SHIFT, atol=0.05)


def test_no_offset_where_nothing_matches():
    source, target = np.random.default_rng(4).uniform(-200, 200, (2, 300, 2))
    with pytest.raises(InputError, match="chance"):
        find_offset(source, target, search=6.0, tolerance=0.7, least=5)


def test_matches_are_mutual():
    source = np.array([[0.0, 0.0], [0.3, 0.0], [9.0, 9.0]])
    target = np.array([[0.25, 0.0], [5.0, 5.0]])
    i, j = match(source, target, 0.7)
    assert i.tolist() == [1] and j.tolist() == [0]
