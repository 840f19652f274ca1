from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import ConfigError
from aqueduct.instrument.noise import IPC
from aqueduct.psf import blur
from aqueduct.psf.blur import Jitter


def star(size: int = 65) -> np.ndarray:
    image = np.zeros((size, size))
    image[size // 2, size // 2] = 1
    return image


def moments(image: np.ndarray, oversample: int) -> np.ndarray:
    """Covariance by (x, y), pixel^2."""
    y, x = (np.indices(image.shape) - image.shape[0] // 2) / oversample
    return np.array([[(image * x * x).sum(), (image * x * y).sum()],
                     [(image * x * y).sum(), (image * y * y).sum()]])  # fmt: skip


def test_angle_runs_from_y_towards_x() -> None:
    assert Jitter(110, 0, 0).covariance == pytest.approx(np.diag([0, 1]), abs=1e-12)
    assert Jitter(110, 0, 90).covariance == pytest.approx(np.diag([1, 0]), abs=1e-12)
    assert Jitter(110, 0, 45).covariance == pytest.approx(np.full((2, 2), 0.5))


def test_full_width_is_2_355_rms() -> None:
    assert Jitter.from_fwhm(8).major == pytest.approx(8 / 2.354820045)
    assert Jitter.from_fwhm(8, 4, 30).minor == pytest.approx(4 / 2.354820045)
    assert Jitter.from_fwhm(8, 4, 30).angle == 30


def test_minor_axis_is_the_smaller() -> None:
    with pytest.raises(ConfigError, match="major >= minor"):
        Jitter(3, 5)


def test_gaussian_has_its_covariance() -> None:
    covariance = np.array([[0.5, 0.2], [0.2, 0.9]])
    seen = blur.convolved(star(), blur.gaussian_transfer((65, 65), 4, covariance))
    np.testing.assert_allclose(moments(seen, 4), covariance, rtol=1e-6)


def test_pixel_is_applied_once_if_named() -> None:
    wide = np.eye(2) * 0.6
    without, within = (
        blur.convolved(star(), blur.transfer((65, 65), 4, wide, names))
        for names in ((), (blur.PIXEL,))
    )
    np.testing.assert_allclose(moments(within - without, 4), np.eye(2) / 12, atol=1e-6)


def test_capacitance_is_the_measured_kernel() -> None:
    seen = blur.convolved(star(), blur.transfer((65, 65), 4, np.zeros((2, 2)), (blur.CAPACITANCE,)))
    np.testing.assert_allclose(seen[28:37:4, 28:37:4], IPC, atol=1e-12)
    assert np.abs(seen).sum() == pytest.approx(1)


def test_interpolation_is_exact_for_what_the_samples_hold() -> None:
    def wave(at: np.ndarray) -> np.ndarray:
        angle = 2 * np.pi * at / 31
        return np.cos(3 * angle) + 0.5 * np.sin(7 * angle) + 2

    image = wave(np.arange(31))[:, None] * wave(np.arange(31))
    at = 15 + (np.arange(41) - 20) * 0.37
    seen = blur.interpolated(image, np.ones((31, 16)), 0.37, 41)
    np.testing.assert_allclose(seen, wave(at)[:, None] * wave(at), atol=1e-12)
