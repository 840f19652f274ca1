"""Hydrogen between the galaxies: the mean share of a source's light that gets through.

    T(lambda) = exp(-tau),   tau = sum over j: A_j (lambda / lambda_j)^p  +  tau_LC
    tau_LC = x^2.1 [G(1+z) - G(x)] + [H(1+z) - H(x)] - x^-0.3 [K(1+z) - K(x)]

with x = lambda / 911.8 A. A line j of the Lyman series absorbs at lambda_j < lambda <
lambda_j (1 + z), the continuum at 1 < x < 1 + z; A_j and p change with the redshift
lambda / lambda_j - 1 of the absorber. G counts the Lyman alpha forest, H and K the damped
absorbers. Source: Inoue et al. 2014, MNRAS 442, 1805, table 2 and eqs. 20 to 29, of which
tau_LC is the same written as one difference.
"""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LIMIT: Final = 0.09118
"""Lyman limit, micrometre."""
_FOREST: Final = ((0.0, 1.2), (2.2, 3.7), (5.7, 5.5))
"""1 + z of the absorber from which a power of lambda / lambda_j holds: Lyman alpha forest."""
_DAMPED: Final = ((0.0, 2.0), (3.0, 3.0))


@cache
def lines() -> Floats:
    """Wavelength of the Lyman series from alpha on, micrometre, descending: (39,)."""
    return _series()[:, 0] * 1e-4


def transmission(wavelength: Floats, redshift: float) -> Floats:
    """Mean transmission at observed wavelengths in micrometre, for a source at ``redshift``."""
    passed = np.ones(len(wavelength))
    blue = wavelength < lines()[0] * (1 + redshift)
    if redshift <= 0 or not blue.any():
        return passed
    wave = wavelength[blue]
    count = (lines()[:, None] * (1 + redshift) > wave).sum(axis=0)
    power, constant, slope = source_terms(redshift)
    forest, damped, rest = continuum_terms(wave)
    continuum = power * forest + constant - slope * damped + rest
    tau = series_depth(wave)[count, np.arange(len(wave))]
    tau += np.where(wave < LIMIT * (1 + redshift), continuum, 0.0)
    passed[blue] = np.exp(-tau)
    return passed


def series_depth(wavelength: Floats) -> Floats:
    """Optical depth of the first 0, 1, .. 39 lines at observed wavelengths: (40, n)."""
    ratio = wavelength / lines()[:, None]
    factors = _series()[:, 1:]
    depth = np.zeros_like(ratio)
    for first, steps in ((0, _FOREST), (3, _DAMPED)):
        term = np.zeros_like(ratio)
        for column, (start, power) in enumerate(steps):
            value = factors[:, first + column, None] * ratio**power
            term = np.where(ratio >= start, value, term)
        depth += term
    depth[ratio < 1] = 0.0
    return np.concatenate([np.zeros((1, len(wavelength))), np.cumsum(depth, axis=0)])


def continuum_terms(wavelength: Floats) -> tuple[Floats, Floats, Floats]:
    """Parts of tau_LC that depend on wavelength: x^2.1, x^-0.3 and the rest, (n,) each."""
    x = np.maximum(wavelength / LIMIT, 1.0)
    forest, damped = x**2.1, x**-0.3
    return forest, damped, -forest * _forest(x) - _damped(x)[0] + damped * _damped(x)[1]


def source_terms(redshift: float | Floats) -> tuple[Floats, Floats, Floats]:
    """Parts of tau_LC that depend on the source: G, H and K at 1 + z."""
    u = np.asarray(1.0 + redshift)
    return _forest(u), *_damped(u)


def _forest(u: Floats) -> Floats:
    """G, whose constants make it continuous."""
    middle, late = 2.545e-2 * u**1.6 - 0.2496, 5.221e-4 * u**3.4 - 0.0314
    return np.where(u < 2.2, -0.3248 * u**-0.9, np.where(u < 5.7, middle, late))


def _damped(u: Floats) -> tuple[Floats, Floats]:
    """H and K, whose constants make them continuous."""
    h = np.where(u < 3.0, 0.2113 * u**2, 0.04696 * u**3 + 0.6340)
    k = np.where(u < 3.0, 0.07661 * u**2.3, 0.01779 * u**3.3 + 0.2905)
    return h, k


@cache
def _series() -> Floats:
    """Lambda_j (Angstrom), three factors of the forest, two of the damped absorbers: (39, 6)."""
    text = (files("aqueduct.simulate.spectra") / "lyman.toml").read_text()
    return np.array(tomllib.loads(text)["series"], np.float64)
