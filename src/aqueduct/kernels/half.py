"""Half precision, as Level 2 files hold their error planes, at the speed of memory.

numpy converts one value at a time, ten times slower than the vector instructions that these
loops become.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit

_SMALLEST_NORMAL = np.uint32(113 << 23)
"""Bits of 2^-14 in single precision; below it, half precision has fixed steps of 2^-24."""
_LARGEST = np.uint32(0x477FE000)
"""Bits of 65504, the largest finite value."""
_INFINITY = np.uint32(255 << 23)


def narrowed(values: NDArray[Any]) -> NDArray[np.float16]:
    """``values`` rounded to nearest, ties to even; held within +-65504, infinities too.

    Parameters
    ----------
    values : ndarray of float32 or float64

    Returns
    -------
    ndarray of float16
        Of the same shape. NaN stays NaN.
    """
    single = np.ascontiguousarray(values, np.float32)
    bits = np.empty(single.size, np.uint16)
    _narrow(single.reshape(-1).view(np.uint32), single.reshape(-1), bits)
    return bits.view(np.float16).reshape(values.shape)


def widened(values: NDArray[np.float16]) -> NDArray[np.float32]:
    """``values`` in single precision, exactly."""
    bits = np.ascontiguousarray(values).view(np.uint16).reshape(-1)
    out = np.empty(bits.size, np.float32)
    _look_up(_singles(), bits, out)
    return out.reshape(values.shape)


@cache
def _singles() -> NDArray[np.float32]:
    """Every half-precision number, by its bits."""
    return np.arange(1 << 16, dtype=np.uint16).view(np.float16).astype(np.float32)


@jit
def _look_up(
    table: NDArray[np.float32], bits: NDArray[np.uint16], out: NDArray[np.float32]
) -> None:
    for k in range(bits.size):
        out[k] = table[bits[k]]


@jit
def _narrow(bits: NDArray[np.uint32], values: NDArray[np.float32], out: NDArray[np.uint16]) -> None:
    """``values``, whose bits are ``bits``, to the bits of half precision."""
    for k in range(bits.size):
        size = bits[k] & np.uint32(0x7FFFFFFF)
        held = min(size, _LARGEST)
        # Exponent moved to its new bias, and half a unit less a tie that is even already.
        odd = (held >> np.uint32(13)) & np.uint32(1)
        normal = (held - np.uint32(112 << 23) + np.uint32(0xFFF) + odd) >> np.uint32(13)
        steps = min(abs(values[k]), np.float32(1)) * np.float32(1 << 24)
        small = np.uint32(np.int32(np.rint(steps)))
        half = small if size < _SMALLEST_NORMAL else normal
        half = np.uint32(0x7E00) if size > _INFINITY else half
        sign = (bits[k] >> np.uint32(16)) & np.uint32(0x8000)
        out[k] = np.uint16(half | sign)
