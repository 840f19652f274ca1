import numpy as np
import pytest

from aqueduct.psf.sampling import first_sample, on_grid, sample_gradient


@pytest.mark.parametrize(("oversample", "side"), [(4, 5), (3, 3)])
def test_a_square_of_pixels_has_the_values_of_each(oversample, side):
    rng = np.random.default_rng(1)
    psf = rng.normal(size=(61, 61)).astype(np.float32)
    lines = np.empty((2, side, (side - 1) * oversample + 6), np.float32)
    shape = np.empty((3, side, side))
    x, y = rng.uniform(-2.5, 0.5, (2, 20))
    for dx, dy in zip(x, y, strict=True):
        left, phase_x = first_sample(61, oversample, dx)
        top, phase_y = first_sample(61, oversample, dy)
        on_grid(psf, oversample, left, top, phase_x, phase_y, lines, shape)
        expected = [
            [sample_gradient(psf, oversample, dx + j, dy + i) for j in range(side)]
            for i in range(side)
        ]
        np.testing.assert_allclose(shape, np.moveaxis(expected, 2, 0), rtol=1e-4, atol=1e-4)
