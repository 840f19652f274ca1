from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import ConfigError
from aqueduct.psf import OpticalModel, image
from aqueduct.psf.epsf import Epsf, normalised

WIDTHS = np.array([0.9, 1.3])
"""RMS of the Gaussian test PSF along x and y, pixels."""


def gaussian_epsf() -> Epsf:
    at = (np.arange(181) - 90) / 8
    across, along = (np.exp(-0.5 * (at / width) ** 2) for width in WIDTHS)
    stamp = normalised((along[:, None] * across)[None], 8)
    return Epsf(stamp, 8, np.array([2043.5]), np.array([2043.5]), ("optics", "pixel"))


def moments(values: np.ndarray, x: float, y: float) -> np.ndarray:
    rows, columns = np.indices(values.shape)
    dx, dy = columns - x, rows - y
    return np.array([(values * dx * dx).sum(), (values * dx * dy).sum(), (values * dy * dy).sum()])


def test_native_image_is_what_is_rendered() -> None:
    model = gaussian_epsf()
    made = image(model, 700.0, 900.0, size=19, centre=(0.3, -0.2))
    truth = np.zeros((19, 19), np.float32)
    model.render(np.array([9.3]), np.array([8.8]), np.ones(1), truth)
    np.testing.assert_allclose(made.values, truth, atol=1e-6)
    assert (made.x, made.y, made.contents) == (9.3, 8.8, ("optics", "pixel"))


def test_finer_image_has_the_same_light() -> None:
    made = image(gaussian_epsf(), 0, 0, size=61, scale=0.11 / 3)
    assert made.values.sum() == pytest.approx(1, abs=1e-4)
    assert moments(made.values, made.x, made.y) == pytest.approx(
        [9 * WIDTHS[0] ** 2, 0, 9 * WIDTHS[1] ** 2], rel=2e-3, abs=1e-6
    )


@pytest.mark.parametrize("turn", [30.0, 90.0, -135.0])
def test_rotation_runs_from_y_towards_x(turn: float) -> None:
    made = image(gaussian_epsf(), 0, 0, size=41, scale=0.055, rotation=turn)
    angle = np.radians(turn)
    # The image's axes in the frame of the detector.
    x, y = np.array([np.cos(angle), -np.sin(angle)]), np.array([np.sin(angle), np.cos(angle)])
    covariance = 4 * np.diag(WIDTHS**2)
    truth = [x @ covariance @ x, x @ covariance @ y, y @ covariance @ y]
    assert moments(made.values, made.x, made.y) == pytest.approx(truth, rel=3e-3, abs=3e-3)


def test_optical_model_is_asked_the_same_way() -> None:
    model = OpticalModel("WFI01", "F158", wavelengths=3)
    blue, red = (image(model, 100, 200, size=15, spectrum=wave) for wave in (1.4, 1.75))
    assert blue.values.max() > 1.05 * red.values.max()
    still = image(model, 100, 200, size=15, spectrum=1.4, jitter=0.0)
    assert still.values.max() > blue.values.max()
    assert "jitter" in blue.contents
    assert "jitter" not in still.contents


def test_optical_image_agrees_with_its_epsf() -> None:
    model = OpticalModel("WFI01", "F129", wavelengths=3)
    made = image(model, 2043.5, 2043.5, size=21, centre=(0.25, 0.4))
    grid = model.epsf(grid=(2043.5,), whole=False)
    other = image(grid, 2043.5, 2043.5, size=21, centre=(0.25, 0.4))
    # Between 4 samples per pixel the kernel errs by 8e-4 of the peak here, between 8 by less.
    np.testing.assert_allclose(made.values, other.values, atol=1.2e-3 * other.values.max())


def test_image_beyond_what_is_known() -> None:
    with pytest.raises(ConfigError, match="known to 11"):
        image(gaussian_epsf(), 0, 0, size=31)


def test_image_of_nothing() -> None:
    with pytest.raises(ConfigError, match="no image"):
        image(gaussian_epsf(), 0, 0, size=0)
