"""Nonlinearity of the pixels and of the A/D converters.

The linear signal is L = h(s F) / s with h(u) = (1 - sqrt(1 - 4u)) / 2 (see
:mod:`aqueduct.simulate.detector`); with h(u) ~ sum_k a_k u^k fitted once, the linearity
coefficients of a pixel are c_k = a_k s^(k-1). The error is that of s: noise of a pixel's
own, from the photons of the flats, and a smooth part from the drift of the lamp.

The correction of an A/D converter comes from the statistics of its codes; its error is
correlated over 64 codes.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from aqueduct.products.references import (
    IntegralNonlinearityReference,
    InverseLinearityReference,
    LinearityReference,
)
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.references.config import ReferenceConfig
from aqueduct.simulate.references.errors import estimated

_DEGREE: Final = 6
_LARGEST: Final = 0.075
"""Largest s F of the fit to h; the default detector stays below 0.055."""
_CODES: Final = 64
"""Full width, in codes, over which errors of the A/D correction are correlated."""


@cache
def _series() -> NDArray[np.float64]:
    """a_k, k = 0 .. 6, of h(u) on [0, 0.075], with a_0 = 0 and a_1 = 1."""
    u = _LARGEST * (1 - np.cos(np.pi * (np.arange(400) + 0.5) / 400)) / 2
    rest = (1 - np.sqrt(1 - 4 * u)) / 2 - u
    powers = u[:, None] ** np.arange(2, _DEGREE + 1)
    scale = np.abs(powers).max(axis=0)
    fitted = np.linalg.lstsq(powers / scale, rest, rcond=None)[0] / scale
    return np.concatenate([[0.0, 1.0], fitted])


def linearity(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> tuple[LinearityReference, InverseLinearityReference]:
    """Polynomials from observed to linear signal, and back, of one estimate of s."""
    s = estimated(truth.nonlinearity, config.linearity, rng, config.lamp)
    coeffs = np.zeros((_DEGREE + 1, *s.shape), np.float32)
    power = np.ones_like(s)
    for k, a in enumerate(_series()[1:], start=1):
        coeffs[k] = a * power
        power *= s
    inverse = np.zeros((3, *s.shape), np.float32)
    inverse[1], inverse[2] = 1, -s
    flags = np.zeros(s.shape, np.uint32)
    return (
        LinearityReference(coeffs=coeffs, dq=flags),
        InverseLinearityReference(coeffs=inverse, dq=flags),
    )


def integral_nonlinearity(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> IntegralNonlinearityReference:
    """The A/D correction of each channel."""
    sigma = _CODES / np.sqrt(8 * np.log(2))
    noise = gaussian_filter1d(rng.standard_normal(truth.inl.shape), sigma, axis=1, mode="wrap")
    # White noise through a Gaussian of width sigma keeps 1 / (2 sqrt(pi) sigma) of its variance.
    noise *= config.integral * np.sqrt(2 * np.sqrt(np.pi) * sigma)
    return IntegralNonlinearityReference(
        value=np.arange(truth.inl.shape[1], dtype=np.uint16), correction=truth.inl + noise
    )
