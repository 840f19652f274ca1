"""Random numbers by their place: one stream for each effect and row of the frame.

Number n of a stream with key k is SplitMix64 (Steele, Lea & Flood 2014),

    z = k + n * 0x9E3779B97F4A7C15,   mixed,

so that any part of a frame can be drawn by itself: a frame is the same for any number of
threads and height of the bands. Normal numbers come from Box & Muller (1958), two from the
64 bits of one number, with polynomials in single precision: correct to 2e-7 up to the
largest possible, 6.66 sigma, and without branches, so that loops over columns vectorise.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit

Plane = NDArray[Any]

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


def row_keys(rng: np.random.Generator, rows: int) -> NDArray[np.uint64]:
    """A key for each row."""
    return np.asarray(rng.integers(0, 2**64, rows, dtype=np.uint64))


@jit
def bits(key: np.uint64, number: np.uint64) -> np.uint64:
    """The 64 bits of a number of a stream."""
    z = key + number * GOLDEN
    z = (z ^ (z >> _S30)) * _MIX_1
    z = (z ^ (z >> _S27)) * _MIX_2
    return np.uint64(z ^ (z >> _S31))


@jit
def uniform(state: Plane) -> float:
    """A number in (0, 1); advances the key ``state[0]``."""
    state[0] += GOLDEN
    return (float(bits(state[0], np.uint64(0)) >> np.uint64(11)) + 0.5) * 2.0**-53


@jit
def normal_pair(z: np.uint64) -> tuple[np.float32, np.float32]:
    """Two standard normal numbers from 64 random bits."""
    first, second = np.uint32(z >> _S32), np.uint32(z)
    # -ln(u), u = (first + 1/2) / 2^32, from the exponent and mantissa of the float.
    u = np.float32(first) + np.float32(0.5)
    word = np.float32(u).view(np.int32)
    # Numba widens sums of small integers; the casts keep them, and the loop, narrow.
    exponent = np.int32(np.int32(word - np.int32(0x3F3504F3)) >> np.int32(23))
    mantissa = np.int32(word - np.int32(exponent << np.int32(23)))
    m = np.int32(mantissa).view(np.float32) - np.float32(1.0)
    series = np.float32(7.0376836292e-2)
    series = series * m + np.float32(-1.1514610310e-1)
    series = series * m + np.float32(1.1676998740e-1)
    series = series * m + np.float32(-1.2420140846e-1)
    series = series * m + np.float32(1.4249322787e-1)
    series = series * m + np.float32(-1.6668057665e-1)
    series = series * m + np.float32(2.0000714765e-1)
    series = series * m + np.float32(-2.4999993993e-1)
    series = series * m + np.float32(3.3333331174e-1)
    square = m * m
    log = m * square * series - np.float32(0.5) * square + m
    log += np.float32(np.int32(exponent - np.int32(32))) * np.float32(0.69314718056)
    radius = np.sqrt(np.float32(-2.0) * min(log, np.float32(0.0)))
    # A turn by a random number of quarters of an angle within -pi/4 .. pi/4.
    angle = np.float32(np.int32(np.uint32(second << np.uint32(2)))) * np.float32(
        math.pi / 4 * 2.0**-31
    )
    q = angle * angle
    sine = angle * (
        np.float32(1.0)
        + q
        * (
            np.float32(-1.6666654611e-1)
            + q * (np.float32(8.3321608736e-3) + q * np.float32(-1.9515295891e-4))
        )
    )
    cosine = (
        np.float32(1.0)
        - np.float32(0.5) * q
        + q
        * q
        * (
            np.float32(4.166664568298827e-2)
            + q * (np.float32(-1.388731625493765e-3) + q * np.float32(2.443315711809948e-5))
        )
    )
    swap = (second & np.uint32(0x80000000)) != np.uint32(0)
    sign = np.float32(1.0) if (second & np.uint32(0x40000000)) != np.uint32(0) else np.float32(-1.0)
    one, two = (sine, cosine) if swap else (cosine, sine)
    return radius * sign * one, radius * sign * two


@jit
def poisson(mean: float, state: Plane) -> float:
    """A Poisson number: by inversion below a mean of 10, above by PTRS (Hormann 1993)."""
    if mean >= 10.0:
        return poisson_large(mean, state)
    u, count, term = uniform(state), 0.0, math.exp(-mean)
    # For u within rounding of 1 the terms vanish before the sum reaches it.
    while u > term and count < 100.0:
        u -= term
        count += 1.0
        term *= mean / count
    return count


@jit
def poisson_large(mean: float, state: Plane) -> float:
    """A Poisson number of mean 10 or more: PTRS."""
    root = math.sqrt(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    ratio = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, v = uniform(state) - 0.5, uniform(state)
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= ratio:
            return k
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        accept = math.log(v * (1.1239 + 1.1328 / (b - 3.4)) / (a / (us * us) + b))
        if accept <= k * math.log(mean) - mean - math.lgamma(k + 1.0):
            return k
