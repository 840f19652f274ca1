"""The Sersic profile and its Fourier transform.

    I(r) = exp(-b r^(1/n)),    b such that half of the light is within r = 1
    F(k) = integral I(r) J0(k r) r dr / integral I(r) r dr

with r in half-light radii and k in radians per half-light radius. Where k < 1 the integral
is done as it stands. Beyond, for n >= 1, it is done along the imaginary axis,

    F(k) ~ -(2 / pi) Im integral exp(-b (i s)^(1/n)) K0(k s) s ds

where it decays instead of oscillating; for n < 1, where the first factor would grow, at the
zeros of J0 (Ogata 2005, Publ. RIMS 41, 949). F is tabulated once, in log n and sqrt(k).
Source of the profile: Graham & Driver 2005, PASA 22, 118.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline
from scipy.special import gamma, gammaincc, gammaincinv, j0, j1, jn_zeros, k0, y0

from aqueduct.core.errors import InputError
from aqueduct.core.threads import over

Floats = NDArray[np.float64]

INDICES: Final = (0.3, 6.2)
"""Range of the index n."""
ROOT: Final = 32.0
"""Largest sqrt(k) of the table; the transform counts as zero beyond."""
SAMPLES: Final = 4096
"""Steps of the table in sqrt(k)."""
_KNOTS: Final = 512
"""Steps in sqrt(k) at which the integral is done; splines lie between."""
_NODES: Final = 160
"""Points of the integral along the imaginary axis."""
_ROWS: Final = 64
_LOWEST: Final = np.log(0.28)
_STEP: Final = (np.log(6.6) - _LOWEST) / (_ROWS - 1)
_FAINTEST: Final = 32.0
"""Profiles are cut where they are exp(-32) of their middle and 2 n more."""


def light_beyond(radius: ArrayLike, index: ArrayLike) -> Floats:
    """Share of the light outside ``radius``, in half-light radii."""
    n = np.asarray(index, np.float64)
    return np.asarray(gammaincc(2 * n, _scale(n) * np.asarray(radius) ** (1 / n)))


def transforms(index: Floats) -> NDArray[np.float32]:
    """Rows (source, sample) of F at sqrt(k) = sample * ROOT / SAMPLES.

    Parameters
    ----------
    index : ndarray, (source,)
        Sersic indices.

    Raises
    ------
    InputError
        If an index is out of range.
    """
    low, high = INDICES
    if not ((index >= low) & (index <= high)).all():
        raise InputError(
            f"Sersic indices from {index.min():g} to {index.max():g}",
            hint=f"those from {low} to {high} can be drawn",
        )
    at = (np.log(index) - _LOWEST) / _STEP
    first = np.clip(at.astype(int), 1, _ROWS - 3)
    t = (at - first).astype(np.float32)[:, None]
    a, b, c, d = (table()[first + step] for step in (-1, 0, 1, 2))
    # Cubic through four rows (Lagrange).
    return np.asarray(
        -t * (t - 1) * (t - 2) / 6 * a
        + (t + 1) * (t - 1) * (t - 2) / 2 * b
        - (t + 1) * t * (t - 2) / 2 * c
        + (t + 1) * t * (t - 1) / 6 * d,
        np.float32,
    )


@cache
def table() -> NDArray[np.float32]:
    """F in steps of log n (rows) and of sqrt(k)."""
    knots, samples = np.linspace(0, ROOT, _KNOTS + 1), np.linspace(0, ROOT, SAMPLES + 1)
    indices = np.exp(_LOWEST + _STEP * np.arange(_ROWS))

    def row(n: float) -> NDArray[np.float32]:
        return np.asarray(CubicSpline(knots, transform(knots**2, n))(samples), np.float32)

    return np.stack(over(row, [float(n) for n in indices]))


def transform(k: Floats, n: float) -> Floats:
    """F at ``k`` (any shape (m,)), by quadrature, to 1e-6."""
    small = k < 1
    result = np.empty_like(k)
    result[small] = _direct(k[small], n)
    result[~small] = (_rotated if n >= 1 else _at_zeros)(k[~small], n)
    return result


def _scale(n: Floats | float) -> Floats:
    """The b of the profile."""
    return np.asarray(gammaincinv(2 * np.asarray(n), 0.5))


def _total(n: float) -> float:
    """Integral of I(r) r dr."""
    return float(n * _scale(n) ** (-2 * n) * gamma(2 * n))


def _direct(k: Floats, n: float) -> Floats:
    """Gauss-Legendre quadrature over s, r = s^m with m = n where the profile has a cusp."""
    power = max(n, 1.0)
    edge = ((_FAINTEST + 2 * n) / float(_scale(n))) ** (n / power)
    node, weight = _legendre()
    s = (node + 1) / 2 * edge
    light = np.exp(-_scale(n) * s ** (power / n)) * power * s ** (2 * power - 1)
    shares = weight * edge / 2 * light / _total(n)
    return np.asarray(j0(k[:, None] * s**power) @ shares)


@cache
def _legendre() -> tuple[Floats, Floats]:
    """Nodes and weights on [-1, 1]."""
    return np.polynomial.legendre.leggauss(256)


def _rotated(k: Floats, n: float) -> Floats:
    """Trapezoidal rule in log s of the integral along the imaginary axis; u = k s."""
    log_u = np.linspace(np.log(1e-7), np.log(40.0), _NODES)
    u = np.exp(log_u)
    exponent = float(_scale(n)) * k[:, None] ** (-1 / n) * u ** (1 / n)
    decay, turn = np.cos(np.pi / (2 * n)), np.sin(np.pi / (2 * n))
    light = np.exp(-decay * exponent) * np.sin(turn * exponent)
    shares = 2 / np.pi * k0(u) * u**2 * (log_u[1] - log_u[0])
    return np.asarray((light @ shares) / k**2 / _total(n))


def _at_zeros(k: Floats, n: float) -> Floats:
    """Ogata's double exponential rule; x = k r."""
    x, shares = _ogata()
    light = np.exp(-float(_scale(n)) * k[:, None] ** (-1 / n) * x ** (1 / n))
    return np.asarray((light @ shares) / k**2 / _total(n))


@cache
def _ogata() -> tuple[Floats, Floats]:
    """Nodes x, and weights of an integral of f(x) J0(x) x dx."""
    step, zeros = 0.005, jn_zeros(0, 1200)
    t = step * zeros / np.pi
    sinh = np.minimum(np.pi / 2 * np.sinh(t), 300)
    psi = t * np.tanh(sinh)
    slope = np.tanh(sinh) + t * np.pi / 2 * np.cosh(t) / np.cosh(sinh) ** 2
    x = np.pi / step * psi
    return x, np.pi * y0(zeros) / j1(zeros) * j0(x) * slope * x
