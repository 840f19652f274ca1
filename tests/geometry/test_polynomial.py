import numpy as np
import pytest

from aqueduct.geometry.polynomial import chebyshev_grid, evaluate, fit


@pytest.mark.parametrize("size", [1e-3, 1.0, 2000.0])
def test_fit_finds_the_polynomial_it_is_given(size):
    true = np.zeros((2, 4, 4))
    rng = np.random.default_rng(1)
    for i in range(4):
        for j in range(4 - i):
            true[:, i, j] = rng.normal(size=2) / size ** (i + j)
    at = size * chebyshev_grid(8)
    np.testing.assert_allclose(fit(at, evaluate(true, *at), 3), true, atol=0, rtol=1e-9)
