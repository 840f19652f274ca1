import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry.alignment import find_offset, fit_rigid, match

TURN = 1e-4
ROTATION = np.array([[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]])
SHIFT = np.array([0.7, -1.3])


def stars(count=60, noise=0.005, seed=1):
    rng = np.random.default_rng(seed)
    source = rng.uniform(-200, 200, (count, 2))
    return source, source @ ROTATION.T + SHIFT + rng.normal(0, noise, (count, 2))


def test_exact_maps_are_found():
    made = fit_rigid(*stars(noise=0.0), turn=True)
    np.testing.assert_allclose(made.matrix, ROTATION, atol=1e-12)
    np.testing.assert_allclose(made.shift, SHIFT, atol=1e-9)


def test_without_turn_only_the_mean_is_taken_off():
    source, target = stars()
    made = fit_rigid(source, target, turn=False)
    np.testing.assert_array_equal(made.matrix, np.eye(2))
    np.testing.assert_allclose(made.shift, SHIFT, atol=0.01)


def test_outliers_do_no_harm():
    source, target = stars()
    target[:8] += (0.5, 0.3)
    np.testing.assert_allclose(fit_rigid(source, target, turn=True).shift, SHIFT, atol=0.003)


def test_one_pair_gives_a_shift():
    made = fit_rigid(np.array([[1.0, 2.0]]), np.array([[3.0, 5.0]]), turn=True)
    np.testing.assert_array_equal(made(np.zeros((1, 2))), [[2.0, 3.0]])


def test_offset_among_strangers():
    rng = np.random.default_rng(3)
    source, target = stars(count=40)
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
