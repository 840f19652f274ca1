from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import fftconvolve

from aqueduct.core.errors import ConfigError
from aqueduct.psf.matching import matching_kernel
from aqueduct.psf.model import PsfImage

SIZE = 61


def gaussian(width: float, total: float = 1.0) -> PsfImage:
    at = np.arange(SIZE) - SIZE // 2
    one = np.exp(-0.5 * (at / width) ** 2)
    values = one[:, None] * one
    return PsfImage(values * (total / values.sum()), 0.11, SIZE // 2, SIZE // 2, ("optics",))


def test_kernel_between_gaussians_is_a_gaussian() -> None:
    made = matching_kernel(gaussian(1.5), gaussian(2.5), regularisation=1e-8)
    np.testing.assert_allclose(made.kernel, gaussian(2.0).values, atol=1e-4)
    assert made.noise_gain == pytest.approx(1 / np.sqrt(4 * np.pi * 2.0**2), rel=1e-3)
    assert made.energy_difference < 1e-6


def test_residual_is_what_the_kernel_leaves() -> None:
    source, target = gaussian(1.5), gaussian(2.2)
    made = matching_kernel(source, target, regularisation=1e-2)
    seen = fftconvolve(source.values, made.kernel, mode="same") - target.values
    np.testing.assert_allclose(made.residual, seen, atol=1e-6)
    inside = np.cumsum(np.bincount(
        sum((axis - SIZE // 2) ** 2 for axis in np.indices(seen.shape)).ravel(),
        weights=seen.ravel(),
    ))  # fmt: skip
    assert made.energy_difference == pytest.approx(np.abs(inside).max(), rel=1e-2)
    assert made.energy_difference > 1e-3


def test_regularisation_trades_match_for_noise() -> None:
    # Sharpening: the narrower PSF is the target.
    strict, mild = (
        matching_kernel(gaussian(2.0), gaussian(1.5), regularisation=r) for r in (1e-6, 1e-2)
    )
    assert strict.noise_gain > 2 * mild.noise_gain
    assert strict.energy_difference < mild.energy_difference / 5


def test_light_that_is_missing_stays_so() -> None:
    made = matching_kernel(gaussian(1.5, 0.98), gaussian(2.5, 0.95))
    assert made.kernel.sum() == pytest.approx(0.95 / 0.98, rel=1e-9)


@pytest.mark.parametrize("change", [{"scale": 0.055}, {"values": np.ones((59, 59))}])
def test_unlike_images(change: dict) -> None:
    with pytest.raises(ConfigError, match="same size and scale"):
        matching_kernel(gaussian(1.5), replace(gaussian(2.0), **change))


def test_star_off_the_middle() -> None:
    with pytest.raises(ConfigError, match="middle"):
        matching_kernel(gaussian(1.5), replace(gaussian(2.0), x=30.2))
