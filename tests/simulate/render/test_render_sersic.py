from __future__ import annotations

import galsim
import numpy as np
import pytest
from scipy.special import gammaincinv

from aqueduct.core.errors import InputError
from aqueduct.simulate.render.sersic import (
    ROOT,
    SAMPLES,
    light_beyond,
    table,
    transform,
    transforms,
)


def at(k: np.ndarray, n: float) -> np.ndarray:
    """The table's value."""
    place = np.sqrt(k) * SAMPLES / ROOT
    return np.interp(place, np.arange(SAMPLES + 1), transforms(np.array([n]))[0])


def test_index_one_half_is_a_gaussian() -> None:
    k = np.linspace(0, 10, 50)
    np.testing.assert_allclose(transform(k, 0.5), np.exp(-(k**2) / 4 / np.log(2)), atol=1e-9)


def test_index_one_is_an_exponential() -> None:
    k, b = np.linspace(0, 1000, 500), gammaincinv(2, 0.5)
    exact = (1 + (k / b) ** 2) ** -1.5
    np.testing.assert_allclose(transform(k, 1.0), exact, atol=1e-9)
    np.testing.assert_allclose(at(k, 1.0), exact, atol=3e-5)


@pytest.mark.parametrize("n", [0.3, 0.77, 1.4, 2.9, 4.0, 5.0])
def test_table_against_galsim(n: float) -> None:
    tight = galsim.GSParams(
        kvalue_accuracy=1e-7,
        integration_relerr=1e-8,
        integration_abserr=1e-10,
        folding_threshold=1e-4,
    )
    profile = galsim.Sersic(n, half_light_radius=1.0, gsparams=tight)
    k = np.concatenate([np.linspace(0.01, 1, 20), np.geomspace(1, 300, 60)])
    expected = np.array([profile.kValue(value, 0).real for value in k])
    np.testing.assert_allclose(transform(k, n), expected, atol=2e-5)
    np.testing.assert_allclose(at(k, n), expected, atol=5e-5)


def test_the_table_is_one_at_zero() -> None:
    np.testing.assert_allclose(table()[:, 0], 1, atol=1e-6)


def test_light_beyond() -> None:
    np.testing.assert_allclose(light_beyond(1.0, np.array([0.5, 1, 4])), 0.5)
    b = gammaincinv(2, 0.5)
    assert light_beyond(3.0, 1.0) == pytest.approx((1 + 3 * b) * np.exp(-3 * b))


@pytest.mark.parametrize("n", [0.2, 7.0, np.nan])
def test_indices_out_of_range(n: float) -> None:
    with pytest.raises(InputError, match="Sersic"):
        transforms(np.array([1.0, n]))
