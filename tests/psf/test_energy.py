from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import ConfigError
from aqueduct.psf.energy import effective_pixels, encircled_energy, fwhm
from aqueduct.psf.epsf import Epsf, normalised

WIDTH = 0.8


@pytest.fixture
def gaussian() -> Epsf:
    at = (np.arange(121) - 60) / 4
    one = np.exp(-0.5 * (at / WIDTH) ** 2)
    return Epsf(normalised((one[:, None] * one)[None], 4), 4, np.zeros(1), np.zeros(1))


def test_energy_of_a_gaussian(gaussian: Epsf) -> None:
    radii = np.array([0.0, 0.02, 0.1, 0.2, 0.5])
    truth = 1 - np.exp(-((radii / 0.11) ** 2) / 2 / WIDTH**2)
    np.testing.assert_allclose(encircled_energy(gaussian, radii), truth, atol=1.5e-4)


def test_energy_beyond_the_stamp(gaussian: Epsf) -> None:
    with pytest.raises(ConfigError, match="possible with this stamp"):
        encircled_energy(gaussian, [5.0])


def test_width_of_a_gaussian(gaussian: Epsf) -> None:
    assert fwhm(gaussian) == pytest.approx(WIDTH * 2.354820 * 0.11, rel=1e-5)


def test_effective_pixels_of_a_gaussian(gaussian: Epsf) -> None:
    native = gaussian.psf[0, ::4, ::4].astype(float)
    assert effective_pixels(native) == pytest.approx(4 * np.pi * WIDTH**2, rel=1e-2)
