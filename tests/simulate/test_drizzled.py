from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.threads import limited
from aqueduct.kernels.drizzle import drizzle as drizzled
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.simulate.drizzled import Drizzle

SIZE = 200
"""Output pixels."""


def gaussian_epsf(sigma: float = 0.8, oversample: int = 4) -> Epsf:
    at = (np.arange(161) - 80) / oversample
    one = np.exp(-0.5 * (at / sigma) ** 2)
    stamp = normalised((one[:, None] * one)[None], oversample)
    return Epsf(stamp, oversample, np.array([2043.5]), np.array([2043.5]))


def corners(drizzle: Drizzle, shift: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Corners of detector pixels on the output grid, the middle of both at ``shift``."""
    edge = np.arange(pixels + 1) - pixels / 2
    x, y = np.meshgrid(edge + shift[0], edge + shift[1])
    inverse = np.linalg.inv(np.reshape(drizzle.matrix, (2, 2)))
    middle = (SIZE - 1) / 2
    return (
        inverse[0, 0] * x + inverse[0, 1] * y + middle,
        inverse[1, 0] * x + inverse[1, 1] * y + middle,
    )


def coadded(drizzle: Drizzle, dithers: int, draw) -> np.ndarray:
    """Sums of the drizzle kernel itself over dithers x dithers exposures that fill a pixel."""
    rng, sums, pixels = np.random.default_rng(8), np.zeros((4, SIZE, SIZE)), 170
    for place in np.ndindex(dithers, dithers):
        shift = (np.array(place) + 0.37) / dithers
        x, y = corners(drizzle, shift, pixels)
        one = np.ones((pixels, pixels), np.float32)
        data = draw(rng, shift, pixels).astype(np.float32)
        drizzled(x, y, data, one, one, one, drizzle.pixfrac, sums)
    return sums


@pytest.mark.parametrize(("angle", "pixfrac"), [(0.0, 1.0), (30.0, 1.0), (30.0, 0.7)])
def test_noise_is_that_of_drizzled_white_noise(angle: float, pixfrac: float) -> None:
    drizzle = Drizzle.turned(0.5, angle, pixfrac)
    sums = coadded(drizzle, 5, lambda rng, shift, n: rng.standard_normal((n, n)))
    inside = (slice(40, -40), slice(40, -40))
    mean, variance = (sums[0] / sums[1])[inside], (sums[2] / sums[1] ** 2)[inside]
    assert 25 * variance.mean() == pytest.approx(drizzle.variance, rel=0.03)
    made = drizzle.noise((1000, 1000), np.random.default_rng(2))
    assert made.std() == pytest.approx(1, abs=0.01)
    for lag in (1, 2, 3):
        expected = (mean[:, lag:] * mean[:, :-lag]).mean() / mean.var()
        assert (made[:, lag:] * made[:, :-lag]).mean() == pytest.approx(expected, abs=0.035)


def test_variance_of_an_aligned_grid_is_known() -> None:
    """One axis: K is a trapezoid of 1 and 3 pixels; the integral of its square over r is 5/6."""
    assert Drizzle.turned(0.5, 0.0).variance == pytest.approx(25 / 36, rel=1e-4)
    assert Drizzle.turned(0.5, 0.0).share == pytest.approx(0.25)


def test_noise_is_the_same_at_any_number_of_threads() -> None:
    drizzle = Drizzle.turned(0.5, 20.0)
    with limited(1):
        one = drizzle.noise((300, 200), np.random.default_rng(4))
    with limited(3):
        three = drizzle.noise((300, 200), np.random.default_rng(4))
    np.testing.assert_array_equal(one, three)


@pytest.mark.parametrize("angle", [0.0, 37.0])
def test_epsf_is_that_of_a_drizzled_star(angle: float) -> None:
    drizzle, sigma = Drizzle.turned(0.5, angle), 0.8

    def star(rng: np.random.Generator, shift: np.ndarray, pixels: int) -> np.ndarray:
        middle = np.arange(pixels) - pixels / 2 + 0.5
        x, y = middle + shift[0], middle + shift[1]
        return np.exp(-0.5 * (y[:, None] ** 2 + x**2) / sigma**2) / (2 * np.pi * sigma**2)

    sums = coadded(drizzle, 8, star)
    expected = sums[0] / sums[1] * drizzle.share
    seen = drizzle.epsf(gaussian_epsf(sigma), 2043.5, 2043.5)
    image = np.zeros((SIZE, SIZE), np.float32)
    middle = np.array([(SIZE - 1) / 2])
    seen.render(middle, middle, np.ones(1), image)
    assert image.sum() == pytest.approx(1, abs=1e-3)
    assert np.abs(image - expected)[60:-60, 60:-60].max() < 0.005 * image.max()


def test_an_elongated_epsf_turns_with_the_detector() -> None:
    """Long along the detector's +y, at position angle 90: long along the grid's +x."""
    at = (np.arange(161) - 80) / 4
    stamp = np.exp(-0.5 * (at[:, None] / 1.6) ** 2 - 0.5 * (at / 0.7) ** 2)
    epsf = Epsf(normalised(stamp[None], 4), 4, np.zeros(1), np.zeros(1))
    seen = Drizzle.turned(0.5, 90.0).epsf(epsf, 0.0, 0.0).psf[0]
    offset = np.arange(len(seen)) - len(seen) // 2
    wide = [(seen.sum(axis=axis) * offset**2).sum() / seen.sum() for axis in (0, 1)]
    # Output pixels of half a detector pixel, two samples each; both boxes add 1/12 each.
    assert wide[0] / 4 == pytest.approx(4 * 1.6**2 + 4 / 12 + 1 / 12, rel=0.01)
    assert wide[1] / 4 == pytest.approx(4 * 0.7**2 + 4 / 12 + 1 / 12, rel=0.01)
