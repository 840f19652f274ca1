"""Dust: how much light is lost at each wavelength.

    f = f_0 10^(-0.4 k(lambda) E(B-V)),     k = A(lambda) / E(B-V)

Starburst galaxies: Calzetti et al. 2000, ApJ 533, 682, eq. 4, R_V = 4.05. The Milky Way:
Cardelli, Clayton & Mathis 1989, ApJ 345, 245, eqs. 2 to 5, R_V = 3.1.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

R_CALZETTI: Final = 4.05
R_MILKY_WAY: Final = 3.1
_BLUEST: Final = 0.12
"""Micrometre: the Calzetti curve is measured above; below it goes on with its slope there."""


def calzetti(wavelength: Floats) -> Floats:
    """A / E(B-V) of starburst galaxies at wavelengths in micrometre, at least zero."""
    wave = np.maximum(wavelength, _BLUEST)
    blue = _polynomial(1 / wave, (-2.156, 1.509, -0.198, 0.011))
    k = 2.659 * np.where(wave < 0.63, blue, -1.857 + 1.040 / wave) + R_CALZETTI
    slope = 2.659 * (-1.509 / _BLUEST**2 + 2 * 0.198 / _BLUEST**3 - 3 * 0.011 / _BLUEST**4)
    return np.maximum(k + slope * np.minimum(wavelength - _BLUEST, 0.0), 0.0)


def milky_way(wavelength: Floats) -> Floats:
    """A / E(B-V) in the diffuse Milky Way at wavelengths in micrometre.

    The power law of the infrared goes on beyond 3.3 micrometre, the value at 0.1 below it.
    """
    x = np.minimum(1 / np.asarray(wavelength, np.float64), 10.0)
    curves = [curve(x) for curve in (_infrared, _optical, _ultraviolet, _far_ultraviolet)]
    ranges = [x < 1.1, x < 3.3, x < 8.0, x <= 10.0]
    a, b = (np.select(ranges, [curve[part] for curve in curves]) for part in (0, 1))
    return np.asarray(R_MILKY_WAY * a + b)


def _infrared(x: Floats) -> tuple[Floats, Floats]:
    return 0.574 * x**1.61, -0.527 * x**1.61


def _optical(x: Floats) -> tuple[Floats, Floats]:
    y = x - 1.82
    a = (1, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999)
    b = (0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002)
    return _polynomial(y, a), _polynomial(y, b)


def _ultraviolet(x: Floats) -> tuple[Floats, Floats]:
    y = np.maximum(x - 5.9, 0.0)
    a = 1.752 - 0.316 * x - 0.104 / ((x - 4.67) ** 2 + 0.341) - 0.04473 * y**2 - 0.009779 * y**3
    b = -3.090 + 1.825 * x + 1.206 / ((x - 4.62) ** 2 + 0.263) + 0.2130 * y**2 + 0.1207 * y**3
    return a, b


def _far_ultraviolet(x: Floats) -> tuple[Floats, Floats]:
    a, b = (-1.073, -0.628, 0.137, -0.070), (13.670, 4.257, -0.420, 0.374)
    return _polynomial(x - 8.0, a), _polynomial(x - 8.0, b)


def _polynomial(x: Floats, coefficients: tuple[float, ...]) -> Floats:
    """Value of a polynomial, constant term first."""
    return np.asarray(np.polynomial.polynomial.polyval(x, coefficients), np.float64)
