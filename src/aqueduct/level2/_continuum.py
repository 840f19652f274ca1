"""Nonlinearity of ramps that rise slowly: the reads of a resultant as a continuum.

Where a ramp R_i stays within ``REACH`` DN of R_0, F needs one expansion at R_0:

    R' = F(R_0 + d) + f_2 h^2 var(r),   d = R_i - R_0 + e,   f_2 = F''(R_0) / 2

for reads r that are h DN apart. With s the scatter of single reads, the N reads of a resultant
fill, in no order that is known, an interval of the width that has their variance; e is the
mean of the table over its codes, from the sums C of all entries below:

    w^2 = (N h)^2 + 12 s^2 (1 - 1/N),   e = (C(R_i + w/2) - C(R_i - w/2)) / w

and of a single read, which is known, it is interpolated in the table. Pixels with anything
unusual (saturation, jumps, levels near the table's ends, coefficients that can't be used or
bend more than ``TOLERANCE``) are left to :mod:`aqueduct.level2._reads`.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import dq
from aqueduct.kernels.compile import jit
from aqueduct.level2._read_rule import Rule

Plane = NDArray[np.float32]
Table = NDArray[np.float64]
Flags = NDArray[np.uint8]

REACH: Final = np.float32(500)
"""DN from the first resultant to the others, and between the reads of one."""

TOLERANCE: Final = np.float32(1e-3)
"""DN; the cubic term of the expansion, which is left out."""

LOWEST: Final = np.float32(1100)
HIGHEST: Final = np.float32(64400)
"""DN; from here no read of a slow ramp can leave the table."""

_CHUNK: Final = 1024


@jit
def correct(
    values: Plane,
    given: Flags,
    forward: Plane,
    inverse: Plane,
    bad: NDArray[np.bool_],
    table: Table,
    cumulated: Table,
    place: NDArray[np.int32],
    integral: bool,
    scatter: float,
    rule: Rule,
    out: Plane,
) -> NDArray[np.bool_]:
    """Fill in ``out`` (resultant, pixel) where ramps rise slowly; tell where they do.

    ``cumulated`` is C, and ``place`` (pixel,) where a pixel's channel begins in it and in
    ``table``; ``scatter`` s, DN.
    """
    resultants, pixels = values.shape
    slow = np.empty(pixels, np.bool_)
    for start in range(0, pixels, _CHUNK):
        part = slice(start, min(start + _CHUNK, pixels))
        size = part.stop - start
        f, scratch = np.empty((4, size), np.float32), np.empty((4, size), np.float32)
        rate, error, below, above = scratch[0], scratch[1], scratch[2], scratch[3]
        codes = np.empty((2, size), np.int32)
        bottom, fine = values[0, part], slow[part]
        _expand(forward, part, bottom, f)
        _sound(bad[part], inverse, part, forward[1, part], bottom, error, fine)
        _within_reach(values, given, part, f[3], fine, error)
        last = max(resultants - 2, 1)
        _step(values[last, part], bottom, f, rule.middle[last], rule.widths.max(), rate, fine)
        for i in range(resultants):
            value = values[i, part]
            if not integral:
                error.fill(0)
            elif rule.widths[i] > 0:
                reads = rule.starts[i + 1] - rule.starts[i]
                least = 3 * scatter * scatter * (1 - 1 / reads)
                _ends(value, rate, rule.widths[i], least, place[part], codes, below, above)
                _mean(cumulated, codes, below, above, error)
            else:
                _start(value, place[part], codes[0], below)
                _at(table, codes[0], below, error)
            _finish(value, bottom, error, rate, rule.variances[i], f, out[i, part])
    return slow


@jit
def _expand(coeffs: Plane, part: slice, x: Plane, f: Plane) -> None:
    """Taylor coefficients 0 to 3 at ``x`` of a polynomial less the identity."""
    f.fill(0)
    for power in range(coeffs.shape[0] - 1, -1, -1):
        _horner(coeffs[power, part], np.float32(power == 1), x, f[0], f[1], f[2], f[3])


@jit
def _horner(
    coeff: Plane, one: np.float32, x: Plane, f0: Plane, f1: Plane, f2: Plane, f3: Plane
) -> None:
    for c in range(x.size):
        f3[c] = f3[c] * x[c] + f2[c]
        f2[c] = f2[c] * x[c] + f1[c]
        f1[c] = f1[c] * x[c] + f0[c]
        f0[c] = f0[c] * x[c] + (coeff[c] - one)


@jit
def _sound(
    bad: NDArray[np.bool_], inverse: Plane, part: slice, linear: Plane, bottom: Plane,
    total: Plane, fine: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Both polynomials can be used, as far as that is not seen in their values."""
    total.fill(0)
    for power in range(inverse.shape[0]):
        _add(total, inverse[power, part])
    back = inverse[1, part]
    for c in range(bottom.size):
        usable = (not bad[c]) & (linear[c] != 0) & (back[c] != 0)
        fine[c] = usable & (abs(total[c]) < np.inf)
    for c in range(bottom.size):
        fine[c] &= (bottom[c] > LOWEST) & (bottom[c] < HIGHEST)


@jit
def _add(total: Plane, term: Plane) -> None:
    for c in range(total.size):
        total[c] += term[c]


@jit
def _within_reach(
    values: Plane, given: Flags, part: slice, cubic: Plane, fine: NDArray[np.bool_],
    farthest: Plane,
) -> None:  # fmt: skip
    """No resultant is saturated, or too far from the first."""
    farthest.fill(0)
    for i in range(values.shape[0]):
        _near(values[i, part], values[0, part], given[i, part], fine, farthest)
    for c in range(cubic.size):
        fine[c] &= abs(cubic[c]) * farthest[c] * farthest[c] * farthest[c] <= TOLERANCE


@jit
def _near(
    value: Plane, bottom: Plane, flags: Flags, fine: NDArray[np.bool_], farthest: Plane
) -> None:
    for c in range(value.size):
        away = abs(value[c] - bottom[c])
        farthest[c] = away if away > farthest[c] else farthest[c]
        fine[c] &= (away <= REACH) & ((flags[c] & np.uint8(dq.SATURATED)) == 0)


@jit
def _step(
    top: Plane, bottom: Plane, f: Plane, reads: float, widest: float, rate: Plane,
    fine: NDArray[np.bool_],
) -> None:  # fmt: skip
    """``rate`` in linear DN per read, and whether the polynomial is tame."""
    f0, f1, f2 = f[0], f[1], f[2]
    count, limit = np.float32(reads), np.float32(widest)
    tame = np.float32(0.5)
    for c in range(top.size):
        rise = top[c] - bottom[c]
        rate[c] = (rise + rise * (f1[c] + rise * f2[c])) / count
        bent = abs(f1[c]) + np.float32(2) * REACH * abs(f2[c])
        fine[c] &= (bent < tame) & (abs(f0[c]) < HIGHEST) & (abs(rate[c]) * limit <= REACH)
    for c in range(top.size):
        observed = rate[c] / (np.float32(1) + f1[c])
        rate[c] = observed if fine[c] else np.float32(0)


@jit
def _ends(
    value: Plane, rate: Plane, width: float, scatter: float, place: NDArray[np.int32],
    codes: NDArray[np.int32], below: Plane, above: Plane,
) -> None:  # fmt: skip
    """First and last code of the interval, and the fractions of them outside and inside it."""
    half, least = np.float32(width) / np.float32(2), np.float32(scatter)
    first, last = codes[0], codes[1]
    for c in range(value.size):
        reach = half * rate[c]
        reach = np.sqrt(reach * reach + least)
        inside = value[c] if value[c] > LOWEST - REACH else LOWEST - REACH
        centre = (inside if inside < HIGHEST + REACH else HIGHEST + REACH) + np.float32(0.5)
        low, high = centre - reach, centre + reach
        start, stop = np.int32(low), np.int32(high)
        below[c], above[c] = low - np.float32(start), high - np.float32(stop)
        first[c], last[c] = place[c] + start, place[c] + stop


@jit
def _mean(
    cumulated: Table, codes: NDArray[np.int32], below: Plane, above: Plane, out: Plane
) -> None:
    """Mean of the table between the ends."""
    first, last = codes[0], codes[1]
    for c in range(out.size):
        a, b = np.uint32(first[c]), np.uint32(last[c])
        left, right = cumulated[a], cumulated[b]
        lower = np.float32(cumulated[a + np.uint32(1)] - left)
        upper = np.float32(cumulated[b + np.uint32(1)] - right)
        part = above[c] * upper - below[c] * lower
        length = np.float32(last[c] - first[c]) + (above[c] - below[c])
        out[c] = (np.float32(right - left) + part) / length


@jit
def _start(
    value: Plane, place: NDArray[np.int32], code: NDArray[np.int32], fraction: Plane
) -> None:  # fmt: skip
    for c in range(value.size):
        inside = value[c] if value[c] > LOWEST - REACH else LOWEST - REACH
        inside = inside if inside < HIGHEST + REACH else HIGHEST + REACH
        below = np.int32(inside)
        fraction[c] = inside - np.float32(below)
        code[c] = place[c] + below


@jit
def _at(table: Table, code: NDArray[np.int32], fraction: Plane, out: Plane) -> None:
    for c in range(out.size):
        k = np.uint32(code[c])
        below = np.float32(table[k])
        out[c] = below + fraction[c] * (np.float32(table[k + np.uint32(1)]) - below)


@jit
def _finish(
    value: Plane, bottom: Plane, error: Plane, rate: Plane, variance: float, f: Plane, out: Plane
) -> None:
    """R' from the differences that it is the sum of."""
    f0, f1, f2 = f[0], f[1], f[2]
    spread = np.float32(variance)
    for c in range(value.size):
        d = (value[c] - bottom[c]) + error[c]
        bent = f0[c] + d * (f1[c] + d * f2[c]) + spread * rate[c] * rate[c] * f2[c]
        out[c] = value[c] + (error[c] + bent)
