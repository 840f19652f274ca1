"""Nonlinearity at every read: the kernels of :mod:`aqueduct.level2.linearity`.

Some ``CHUNK`` pixels are worked on at a time: about forty arrays of so many stay in the core's
cache. Each loop over them is a function of its own, so that it becomes vector instructions.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import dq
from aqueduct.kernels.compile import jit
from aqueduct.level2._read_rule import NODES, Rule

CODES: Final = 65536
"""Number of values of the 16-bit A/D converter."""

LARGEST: Final = 1e6
"""DN; more than this is no measurement, whatever the polynomial says."""

CHUNK: Final = 1024

Plane = NDArray[np.float32]
Table = NDArray[np.float64]
Flags = NDArray[np.uint8]


@jit
def correct(
    values: Plane,
    given: Flags,
    chosen: NDArray[np.int64],
    forward: Plane,
    inverse: Plane,
    table: Table,
    place: NDArray[np.int32],
    integral: bool,
    rule: Rule,
    out: Plane,
    flags: Flags,
    unusable: NDArray[np.bool_],
) -> None:
    """Fill in ``out`` (resultant, pixel), ``flags`` and ``unusable`` for the pixels ``chosen``.

    ``unusable`` tells of the pixels without a correction, and is told where a polynomial can't
    be used; ``place`` (pixel,) is where a pixel's channel begins in ``table``.
    """
    resultants = values.shape[0]
    for start in range(0, chosen.size, CHUNK):
        some = chosen[start : start + CHUNK]
        count = some.size
        data, groups = (
            np.empty((resultants, count), np.float32),
            np.empty((resultants, count), np.uint8),
        )
        _gather(values, some, data)
        _gather(given, some, groups)
        f = np.empty((forward.shape[0], count), np.float32)
        g = np.empty((inverse.shape[0], count), np.float32)
        _gather(forward, some, f)
        _gather(inverse, some, g)
        bad, where = unusable[some], place[some]
        _usable(f, bad)
        _usable(g, bad)
        unusable[some] = bad
        _correct_chunk(data, groups, f, g, table, where, integral, rule)
        _scatter(data, some, out)
        _scatter(groups, some, flags)


@jit
def _correct_chunk(
    data: Plane,
    flags: Flags,
    f: Plane,
    g: Plane,
    table: Table,
    place: NDArray[np.int32],
    integral: bool,
    rule: Rule,
) -> None:
    """Correct ``data`` in place."""
    count = place.size
    away, shift = np.zeros((NODES, count), np.float32), np.zeros((NODES, count), np.float32)
    scratch = np.empty((4, count), np.float32)
    first, rate, work, mean = scratch[0], scratch[1], scratch[2], scratch[3]
    _first_and_rate(data, flags, f, rule.middle, first, rate, work)
    for i in range(data.shape[0]):
        nodes, weights = rule.nodes[i], rule.weights[i]
        _nodes(first, rate, rule.middle[i], nodes, weights, g, work, away)
        if integral:
            reads = rule.basis[rule.starts[i] : rule.starts[i + 1]]
            _shifts(data[i], away, reads, weights, table, place, shift)
        _mean(data[i], away, shift, weights, f, work, mean)
        _finish(data[i], mean, flags[i])


@jit
def _gather(plane: NDArray[Any], chosen: NDArray[np.int64], out: NDArray[Any]) -> None:
    for k in range(plane.shape[0]):
        for c in range(chosen.size):
            out[k, c] = plane[k, chosen[c]]


@jit
def _scatter(plane: NDArray[Any], chosen: NDArray[np.int64], out: NDArray[Any]) -> None:
    for k in range(plane.shape[0]):
        for c in range(chosen.size):
            out[k, chosen[c]] = plane[k, c]


@jit
def _usable(coeffs: Plane, bad: NDArray[np.bool_]) -> None:
    """``coeffs`` (power, pixel) less the identity, in place; 0 where they can't be used."""
    total = np.zeros(bad.size, np.float32)
    for power in range(coeffs.shape[0]):
        _add(total, np.float32(1), coeffs[power])
    for c in range(bad.size):
        # One term that is not finite makes the sum so.
        if bad[c] or not np.isfinite(total[c]) or coeffs[1, c] == 0:
            bad[c] = True
            for power in range(coeffs.shape[0]):
                coeffs[power, c] = np.float32(power == 1)
        coeffs[1, c] -= np.float32(1)


@jit
def _first_and_rate(
    data: Plane, groupdq: Flags, f: Plane, middle: Plane, first: Plane, rate: Plane, work: Plane
) -> None:
    """Step 1: ``first``, F(R_0) in DN, and ``rate`` in DN per read.

    Differences are formed before what F adds to them: the levels themselves are rounded.
    """
    value, saturated = data[0].copy(), groupdq[0].copy()
    last = _last_usable(groupdq)
    _polynomial(f, value, first)
    for c in range(value.size):
        first[c] = np.float32(0) if saturated[c] & dq.SATURATED else first[c]
    for i in range(last.min(), last.max() + 1):
        _choose(value, data[i], last, np.uint8(i))
        _choose(saturated, groupdq[i], last, np.uint8(i))
    _polynomial(f, value, work)
    bottom = data[0]
    for c in range(value.size):
        bent = np.float32(0) if saturated[c] & dq.SATURATED else work[c]
        rate[c] = ((value[c] - bottom[c]) + (bent - first[c])) / middle[last[c]]
    _add(first, np.float32(1), bottom)


@jit
def _last_usable(groupdq: Flags) -> Flags:
    """The last but one unsaturated resultant: the last may be saturated in part."""
    last = np.zeros(groupdq.shape[1], np.uint8)
    for i in range(groupdq.shape[0]):
        _count_unsaturated(last, groupdq[i])
    for c in range(last.size):
        last[c] = max(last[c], np.uint8(3)) - np.uint8(2)
    return last


@jit
def _nodes(
    first: Plane, rate: Plane, middle: float, nodes: Plane, weights: Plane, g: Plane,
    work: Plane, away: Plane,
) -> None:  # fmt: skip
    """Step 2 at the nodes: ``away`` (node, pixel), DN from the mean of the resultant."""
    if weights[1] == 0:  # one read
        away.fill(0)
        return
    mean = np.zeros(first.size, np.float32)
    for j in range(NODES):
        _at(first, middle + nodes[j], rate, work)
        _polynomial(g, work, away[j])
        _add(away[j], nodes[j], rate)
        _add(mean, weights[j], away[j])
    for j in range(NODES):
        _add(away[j], np.float32(-1), mean)


@jit
def _shifts(
    data: Plane,
    away: Plane,
    basis: Plane,
    weights: Plane,
    table: Table,
    place: NDArray[np.int32],
    shift: Plane,
) -> None:
    """Step 3's e_j, (node, pixel): the table at every read."""
    code, value = np.empty(data.size, np.int32), np.empty(data.size, np.float32)
    share = np.zeros_like(basis)
    for j in range(NODES):
        if weights[j] > 0:
            share[:, j] = basis[:, j] / (weights[j] * np.float32(len(basis)))
    shift.fill(0)
    for read in range(basis.shape[0]):
        _entry(data, away[0], away[1], away[2], basis[read], place, code, value)
        _interpolate(table, code, value)
        _share(value, share[read], shift[0], shift[1], shift[2])


@jit
def _mean(
    data: Plane, away: Plane, shift: Plane, weights: Plane, f: Plane, work: Plane, out: Plane
) -> None:
    """What step 3 adds to a resultant: the weighted mean over the nodes."""
    x = np.empty(data.size, np.float32)
    out.fill(0)
    for j in range(NODES):
        if weights[j] > 0:
            _seen(data, away[j], shift[j], x)
            _polynomial(f, x, work)
            _add_both(out, weights[j], work, shift[j])


@jit
def _polynomial(coeffs: Plane, x: Plane, out: Plane) -> None:
    """Each pixel's own polynomial by Horner's rule; ``coeffs`` (power, pixel)."""
    power = coeffs.shape[0] - 2
    _line(coeffs[power + 1], x, coeffs[power], out)
    while power >= 2:  # two at a time: half the passes
        power -= 2
        _twice(x, coeffs[power + 1], coeffs[power], out)
    if power == 1:
        _once(x, coeffs[0], out)


# Loops over the pixels in hand: one to a function, so that each becomes vector instructions.


@jit
def _line(slope: Plane, x: Plane, start: Plane, out: Plane) -> None:
    for c in range(x.size):
        out[c] = slope[c] * x[c] + start[c]


@jit
def _once(x: Plane, lower: Plane, value: Plane) -> None:
    for c in range(x.size):
        value[c] = value[c] * x[c] + lower[c]


@jit
def _twice(x: Plane, upper: Plane, lower: Plane, value: Plane) -> None:
    for c in range(x.size):
        value[c] = (value[c] * x[c] + upper[c]) * x[c] + lower[c]


@jit
def _add(total: Plane, factor: float | np.float32, term: Plane) -> None:
    for c in range(total.size):
        total[c] += factor * term[c]


@jit
def _at(first: Plane, since: float | np.float32, rate: Plane, out: Plane) -> None:
    for c in range(first.size):
        out[c] = first[c] + since * rate[c]


@jit
def _add_both(total: Plane, factor: np.float32, one: Plane, other: Plane) -> None:
    for c in range(one.size):
        total[c] += factor * (one[c] + other[c])


@jit
def _share(value: Plane, share: Plane, left: Plane, centre: Plane, right: Plane) -> None:
    to_left, to_centre, to_right = share[0], share[1], share[2]
    for c in range(value.size):
        left[c] += to_left * value[c]
        centre[c] += to_centre * value[c]
        right[c] += to_right * value[c]


@jit
def _seen(data: Plane, away: Plane, shift: Plane, out: Plane) -> None:
    for c in range(data.size):
        out[c] = data[c] + (away[c] + shift[c])


@jit
def _choose(chosen: NDArray[Any], value: NDArray[Any], last: Flags, i: np.uint8) -> None:
    for c in range(chosen.size):
        chosen[c] = value[c] if last[c] == i else chosen[c]


@jit
def _count_unsaturated(count: Flags, flags: Flags) -> None:
    for c in range(count.size):
        count[c] += np.uint8(0) if flags[c] & dq.SATURATED else np.uint8(1)


@jit
def _entry(
    data: Plane,
    left: Plane,
    centre: Plane,
    right: Plane,
    basis: Plane,
    place: NDArray[np.int32],
    code: NDArray[np.int32],
    fraction: Plane,
) -> None:
    """The table's entry below the value of one read, and the fraction of the way to the next.

    Beyond the ends of the table these are its ends.
    """
    zero, one, last = np.float32(0), np.float32(1), np.float32(CODES - 2)
    on_left, on_centre, on_right = basis[0], basis[1], basis[2]
    for c in range(data.size):
        away = on_left * left[c] + on_centre * centre[c] + on_right * right[c]
        value = data[c] + away
        inside = value if value > zero else zero
        inside = inside if inside < last else last
        below = np.int32(inside)
        # The resultant less an integer is exact; the value itself has been rounded.
        step = (data[c] - np.float32(below)) + away
        step = step if step > zero else zero
        fraction[c] = step if step < one else one
        code[c] = place[c] + below


@jit
def _interpolate(table: Table, code: NDArray[np.int32], value: Plane) -> None:
    """``value``, a fraction of the way between two entries, becomes the table's value there."""
    for c in range(value.size):
        entry = np.uint32(code[c])
        below = np.float32(table[entry])
        value[c] = below + value[c] * (np.float32(table[entry + np.uint32(1)]) - below)


@jit
def _finish(data: Plane, added: Plane, flags: Flags) -> None:
    """Add ``added`` to what is not saturated; clip what is absurd."""
    largest = np.float32(LARGEST)
    for c in range(data.size):
        data[c] += np.float32(0) if flags[c] & dq.SATURATED else added[c]
    for c in range(data.size):
        flags[c] |= np.uint8(dq.DO_NOT_USE) if abs(data[c]) > largest else np.uint8(0)
    for c in range(data.size):
        value = largest if data[c] > largest else data[c]
        data[c] = -largest if value < -largest else value
