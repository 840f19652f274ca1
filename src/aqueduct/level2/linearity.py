"""Correct nonlinearity, read by read.

A resultant is a mean of reads, but it is the single read that the detector and the A/D
converter bend. So the reads are rebuilt, corrected one by one and averaged again:

1. rate = (F(R_u) - F(R_0)) / (r_u - r_0), with F the linearity polynomial, r_i the mean
   read number and u the last but one unsaturated resultant (at least the second).
2. Observed reads of resultant i: y_r = G(F(R_0) + rate (r - r_0)), with G the inverse
   polynomial, all shifted so that their mean is R_i.
3. Each read: add e_r, the A/D's integral nonlinearity interpolated in its channel's table at
   y_r; apply F. The mean of F(y_r + e_r) is the corrected resultant.

Values in DN, absolute (pedestal included). Saturated resultants keep their raw value. This is
the method of the official pipeline (romancal ``linearity``, stcal).

F and G are smooth, so that means over the reads of a resultant need no more than the three
nodes x_j and weights w_j of the Gauss rule for sums over these reads, exact to degree 5 in r.
The table is not smooth: it is looked up at every read, on the parabola through the nodes.
With l_j the parabola that is 1 at node j and 0 at the others,

    R' = sum_j w_j F(y_j + e_j),   e_j = sum_r l_j(r) e_r / (N w_j)

differs from step 3 in second order, by less than F'' max(e)^2 / 2: 2e-4 DN for e = 10 DN and
F'' = 4e-6/DN. Where G is a quadratic the parabola is exact; a cubic term g moves the lookups
by less than 0.4 g d^3, d DN being half of what a resultant spans. Only the difference from R_i
is summed, so that single precision is enough.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError, ReferenceError
from aqueduct.core.step import step
from aqueduct.kernels.compile import jit
from aqueduct.products import Ramp
from aqueduct.products.references import (
    IntegralNonlinearityReference,
    InverseLinearityReference,
    LinearityReference,
)
from aqueduct.products.window import CHANNEL

CODES = 65536
"""Number of values of the 16-bit A/D converter."""

LARGEST = 1e6
"""DN; more than this is no measurement, whatever the polynomial says."""

NODES = 3
"""Of the Gauss rule; a resultant of fewer reads has one for each."""

_CHUNK = 1024
"""Pixels in hand: some forty arrays of so many stay in the core's cache."""

Plane = NDArray[np.float32]
Flags = NDArray[np.uint8]


class LinearityConfig(StepConfig):
    """Parameters of :func:`linearity`."""

    integral: bool = Field(True, description="Correct the A/D's integral nonlinearity too")


@step(shape="block", cal_step="linearity")
def linearity(
    ramp: Ramp,
    linearity: LinearityReference,
    inverse_linearity: InverseLinearityReference,
    integral_nonlinearity: IntegralNonlinearityReference,
    config: LinearityConfig,
) -> Ramp:
    """Make the response linear: one DN more for the same charge, at any level.

    Parameters
    ----------
    ramp : Ramp
        DN, with saturation flagged.
    linearity, inverse_linearity : LinearityReference, InverseLinearityReference
        Where a polynomial can't be used (NaN, no linear term, NO_LIN_CORR) it is replaced by
        the identity and the pixel is flagged NO_LIN_CORR.
    integral_nonlinearity : IntegralNonlinearityReference
    config : LinearityConfig

    Returns
    -------
    Ramp
        Linear DN. A value beyond 1e6 DN is clipped and its resultant flagged DO_NOT_USE.

    Raises
    ------
    InputError
        With fewer than two resultants.
    ReferenceError
        If the integral-nonlinearity table does not list every A/D value once.
    """
    if len(ramp.data) < 2:
        raise InputError(
            f"{len(ramp.data)} resultant: the read-level correction needs two or more",
            where="linearity",
            hint="skip the step in the configuration",
        )
    _check_table(integral_nonlinearity)
    columns = ramp.window.columns
    channels = slice(columns.start // CHANNEL, (columns.stop - 1) // CHANNEL + 1)
    table = integral_nonlinearity.correction[channels]
    data, groupdq, bad = _correct(
        np.ascontiguousarray(ramp.data),
        np.ascontiguousarray(ramp.groupdq),
        np.ascontiguousarray(linearity.coeffs, np.float32),
        np.ascontiguousarray(inverse_linearity.coeffs, np.float32),
        ((linearity.dq | inverse_linearity.dq) & dq.NO_LIN_CORR) != 0,
        np.ascontiguousarray(table, np.float32).reshape(-1),
        ramp.window.column % CHANNEL,
        config.integral,
        *_rule(ramp.exposure.read_pattern),
    )
    flags = linearity.dq | bad * np.uint32(dq.NO_LIN_CORR)
    return replace(ramp, data=data, groupdq=groupdq, pixeldq=ramp.pixeldq | flags)


def _check_table(table: IntegralNonlinearityReference) -> None:
    """The kernel takes a value's table entry from the value itself."""
    value = table.value
    if value.shape != (CODES,) or value[0] != 0 or value[-1] != CODES - 1:
        raise ReferenceError(
            f"`value` must hold 0 to {CODES - 1}, once each",
            where=table.name or "integralnonlinearity",
            hint="choose another file for integralnonlinearity, or leave the step out",
        )


@lru_cache(maxsize=8)
def _rule(pattern: tuple[tuple[int, ...], ...]) -> tuple[NDArray[Any], ...]:
    """What the kernel needs to know of the reads.

    Mean read of each resultant, counted from that of the first; first read of each, counted
    through; nodes (resultant, node) in reads from the mean, and their weights; and the
    parabolas l_j at each read (read, node). A node that is not needed has weight 0.
    """
    middle = np.array([np.mean(reads) for reads in pattern])
    starts = np.cumsum([0, *map(len, pattern)])
    nodes, weights = np.zeros((2, len(pattern), NODES), np.float32)
    basis = np.zeros((starts[-1], NODES), np.float32)
    for i, reads in enumerate(pattern):
        count = min(len(reads), NODES)
        x, w, parabolas = _gauss(np.array(reads) - middle[i], count)
        nodes[i, :count], weights[i, :count] = x, w
        basis[starts[i] : starts[i + 1], :count] = parabolas
    return (middle - middle[0]).astype(np.float32), starts, nodes, weights, basis


def _gauss(
    points: NDArray[np.float64], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Gauss rule for the mean over ``points``, and the polynomials that are 1 at one node.

    The nodes are the eigenvalues of x in the basis of the orthogonal polynomials (Golub and
    Welsch 1969); as many nodes as there are points are the points themselves.
    """
    powers = np.vander(points, count, increasing=True) / np.sqrt(points.size)
    orthogonal, _ = np.linalg.qr(powers)
    nodes, vectors = np.linalg.eigh(orthogonal.T @ (points[:, None] * orthogonal))
    inverse = np.linalg.inv(np.vander(nodes, count, increasing=True))
    return nodes, vectors[0] ** 2, np.vander(points, count, increasing=True) @ inverse


@jit
def _correct(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    forward: NDArray[np.float32],
    inverse: NDArray[np.float32],
    bad: NDArray[np.bool_],
    table: Plane,
    column: int,
    integral: bool,
    middle: NDArray[np.float32],
    starts: NDArray[np.int64],
    nodes: NDArray[np.float32],
    weights: NDArray[np.float32],
    basis: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
    """Corrected ``data``, its flags, and where a polynomial can't be used.

    Whole rows of about ``_CHUNK`` pixels at a time, so that the inner loops are long and
    without branches. ``bad`` are the pixels without a correction; ``column`` is the first one
    in its channel, with which ``table`` begins; the rest are from :func:`_rule`.
    """
    resultants, rows, columns = data.shape
    pixels = rows * columns
    size = min(max(_CHUNK // columns, 1), rows) * columns
    values, given = data.reshape(resultants, pixels), groupdq.reshape(resultants, pixels)
    out, flags, unusable = np.empty_like(values), given.copy(), bad.copy().reshape(pixels)
    f = np.empty((forward.shape[0], size), np.float32)
    g = np.empty((inverse.shape[0], size), np.float32)
    away, shift = np.zeros((NODES, size), np.float32), np.zeros((NODES, size), np.float32)
    place = np.empty(size, np.int32)
    for c in range(size):
        place[c] = (column + c % columns) // CHANNEL * CODES
    for start in range(0, pixels, size):
        part = slice(start, min(start + size, pixels))
        _usable(forward.reshape(f.shape[0], pixels), part, unusable[part], f)
        _usable(inverse.reshape(g.shape[0], pixels), part, unusable[part], g)
        scratch = np.empty((3, part.stop - start), np.float32)
        first, rate, work = scratch[0], scratch[1], scratch[2]
        _first_and_rate(values[:, part], given[:, part], f, middle, first, rate, work)
        for i in range(resultants):
            value, mean = values[i, part], out[i, part]
            reads = basis[starts[i] : starts[i + 1]]
            _nodes(first, rate, middle[i], nodes[i], weights[i], g, work, away)
            if integral:
                _shifts(value, away, reads, weights[i], table, place, shift)
            _mean(value, away, shift, weights[i], f, work, mean)
            _finish(value, mean, flags[i, part])
    shape = (rows, columns)
    return out.reshape(data.shape), flags.reshape(data.shape), unusable.reshape(shape)


@jit
def _usable(
    coeffs: NDArray[np.float32], part: slice, bad: NDArray[np.bool_], out: NDArray[np.float32]
) -> None:
    """A chunk's polynomial less the identity, (power, pixel); 0 where it can't be used."""
    powers, count = out.shape[0], bad.size
    total = np.zeros(count, np.float32)
    for power in range(powers):
        _copy(coeffs[power, part], out[power])
        _add(total, np.float32(1), out[power])
    for c in range(count):
        # One term that is not finite makes the sum so.
        if bad[c] or not np.isfinite(total[c]) or out[1, c] == 0:
            bad[c] = True
            for power in range(powers):
                out[power, c] = np.float32(power == 1)
    for c in range(count):
        out[1, c] -= np.float32(1)


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
    table: Plane,
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
def _copy(value: Plane, out: Plane) -> None:
    for c in range(value.size):
        out[c] = value[c]


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
def _interpolate(table: Plane, code: NDArray[np.int32], value: Plane) -> None:
    """``value``, a fraction of the way between two entries, becomes the table's value there."""
    for c in range(value.size):
        entry = np.uint32(code[c])
        below = table[entry]
        value[c] = below + value[c] * (table[entry + np.uint32(1)] - below)


@jit
def _finish(data: Plane, out: Plane, flags: Flags) -> None:
    """Add ``data`` to ``out``, or only that if saturated; clip what is absurd."""
    largest = np.float32(LARGEST)
    for c in range(data.size):
        out[c] = data[c] if flags[c] & dq.SATURATED else data[c] + out[c]
    for c in range(data.size):
        flags[c] |= np.uint8(dq.DO_NOT_USE) if abs(out[c]) > largest else np.uint8(0)
    for c in range(data.size):
        value = largest if out[c] > largest else out[c]
        out[c] = -largest if value < -largest else value
