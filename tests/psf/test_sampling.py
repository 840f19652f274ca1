import numpy as np
import pytest

from aqueduct.psf.sampling import first_sample, on_grid, sample

STEP = 1e-3


def naive(psf, oversample, dx, dy):
    """Value, and its slopes by central differences."""

    def at(x, y):
        return sample(psf, oversample, x, y)

    by_x = (at(dx + STEP, dy) - at(dx - STEP, dy)) / 2 / STEP
    return at(dx, dy), by_x, (at(dx, dy + STEP) - at(dx, dy - STEP)) / 2 / STEP


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
        expected = np.moveaxis(
            [[naive(psf, oversample, dx + j, dy + i) for j in range(side)] for i in range(side)],
            2,
            0,
        )
        np.testing.assert_allclose(shape[0], expected[0], rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(shape[1:], expected[1:], rtol=1e-3, atol=2e-3)
