"""Correct nonlinearity, read by read.

A resultant is a mean of reads, but it is the single read that the detector and the A/D
converter bend. So the reads are rebuilt, corrected one by one and averaged again:

1. rate = (F(R_u) - F(R_0)) / (r_u - r_0), with F the linearity polynomial, r_i the mean
   read number and u the last but one unsaturated resultant (at least the second).
2. Observed reads of resultant i: G(F(R_0) + rate (r - r_0)), with G the inverse
   polynomial, all shifted so that their mean is R_i.
3. Each read: add the A/D's integral nonlinearity, interpolated in its channel's table at
   the observed value; apply F. Their mean is the corrected resultant.

Values in DN, absolute (pedestal included). Saturated resultants keep their raw value. This is
the method of the official pipeline (romancal ``linearity``, stcal).
"""

from __future__ import annotations

from dataclasses import replace
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
    pattern = ramp.exposure.read_pattern
    if len(ramp.data) < 2:
        raise InputError(
            f"{len(ramp.data)} resultant: the read-level correction needs two or more",
            where="linearity",
            hint="skip the step in the configuration",
        )
    _check_table(integral_nonlinearity)
    forward, bad = _usable(linearity.coeffs, linearity.dq)
    inverse, bad_inverse = _usable(inverse_linearity.coeffs, linearity.dq | inverse_linearity.dq)
    data, groupdq = _correct(
        np.ascontiguousarray(ramp.data),
        np.ascontiguousarray(ramp.groupdq),
        forward,
        inverse,
        integral_nonlinearity.correction,
        ramp.window.column,
        config.integral,
        np.array([read for reads in pattern for read in reads], np.float64),
        np.cumsum([0, *map(len, pattern)]),
        np.array([sum(reads) / len(reads) for reads in pattern]),
    )
    flags = linearity.dq | (bad | bad_inverse) * np.uint32(dq.NO_LIN_CORR)
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


def _usable(
    coeffs: NDArray[np.float32], flags: NDArray[Any]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Coefficients with the identity where they can't be used, and where that is."""
    new = np.array(coeffs, np.float32, order="C")
    # One term that is not finite makes the sum so.
    bad = ~np.isfinite(new.sum(axis=0)) | (new[1] == 0) | ((flags & dq.NO_LIN_CORR) != 0)
    if bad.any():
        new[:, bad] = 0
        new[1, bad] = 1
    return new, bad


@jit
def _correct(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    forward: NDArray[np.float32],
    inverse: NDArray[np.float32],
    table: NDArray[np.float64],
    column: int,
    integral: bool,
    reads: NDArray[np.float64],
    starts: NDArray[np.int64],
    middle: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Steps 1 to 3, a row at a time; inner loops run over its columns.

    ``reads`` are the read numbers one after the other, those of resultant i from
    ``starts[i]`` to ``starts[i + 1]``, with mean ``middle[i]``; ``column`` is the first one in
    the full frame.
    """
    resultants, rows, columns = data.shape
    out, flags = np.empty_like(data), groupdq.copy()
    f = np.empty((forward.shape[0], columns))
    g = np.empty((inverse.shape[0], columns))
    first, rate = np.empty(columns), np.empty(columns)
    value, linear, total = np.empty(columns), np.empty(columns), np.empty(columns)
    observed = np.empty((reads.size, columns))
    for row in range(rows):
        _copy(forward, row, f)
        _copy(inverse, row, g)
        _first_and_rate(data[:, row], groupdq[:, row], f, middle, first, rate, value, linear)
        for i in range(resultants):
            since = reads[starts[i] : starts[i + 1]] - middle[0]
            _observed_reads(data[i, row], first, rate, since, g, value, observed)
            for c in range(columns):
                total[c] = 0.0
            for k in range(since.size):
                if integral:
                    _add_integral(observed[k], table, column)
                _polynomial(f, observed[k], linear)
                for c in range(columns):
                    total[c] += linear[c]
            _finish(data[i, row], total, since.size, out[i, row], flags[i, row])
    return out, flags


@jit
def _copy(coeffs: NDArray[np.float32], row: int, out: NDArray[np.float64]) -> None:
    """One row's coefficients (power, column) in double precision."""
    for power in range(out.shape[0]):
        for c in range(out.shape[1]):
            out[power, c] = coeffs[power, row, c]


@jit
def _first_and_rate(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    f: NDArray[np.float64],
    middle: NDArray[np.float64],
    first: NDArray[np.float64],
    rate: NDArray[np.float64],
    value: NDArray[np.float64],
    linear: NDArray[np.float64],
) -> None:
    """Step 1, for a row: ``first`` (DN) and ``rate`` (DN per read)."""
    columns = data.shape[1]
    for c in range(columns):
        value[c] = data[0, c]
    _polynomial(f, value, linear)
    for c in range(columns):
        first[c] = data[0, c] if groupdq[0, c] & dq.SATURATED else linear[c]
        value[c] = data[_last_usable(groupdq, c), c]
    _polynomial(f, value, linear)
    for c in range(columns):
        last = _last_usable(groupdq, c)
        top = value[c] if groupdq[last, c] & dq.SATURATED else linear[c]
        rate[c] = (top - first[c]) / (middle[last] - middle[0])


@jit
def _last_usable(groupdq: NDArray[np.uint8], c: int) -> int:
    """The last but one unsaturated resultant: the last may be saturated in part."""
    count = 0
    for i in range(groupdq.shape[0]):
        if not groupdq[i, c] & dq.SATURATED:
            count += 1
    return max(count - 1, 2) - 1


@jit
def _observed_reads(
    data: NDArray[np.float32],
    first: NDArray[np.float64],
    rate: NDArray[np.float64],
    since: NDArray[np.float64],
    g: NDArray[np.float64],
    value: NDArray[np.float64],
    observed: NDArray[np.float64],
) -> None:
    """Step 2, for a row of one resultant: ``observed`` (read, column), DN."""
    count, columns = since.size, data.size
    if count == 1:
        for c in range(columns):
            observed[0, c] = data[c]
        return
    for k in range(count):
        for c in range(columns):
            value[c] = first[c] + since[k] * rate[c]
        _polynomial(g, value, observed[k])
    for c in range(columns):
        value[c] = 0.0
    for k in range(count):
        for c in range(columns):
            value[c] += observed[k, c]
    for c in range(columns):
        value[c] = data[c] - value[c] / count
    for k in range(count):
        for c in range(columns):
            observed[k, c] += value[c]


@jit
def _polynomial(
    coeffs: NDArray[np.float64], x: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Each column's own polynomial by Horner's rule; ``coeffs`` (power, column)."""
    top = coeffs.shape[0] - 1
    for c in range(x.size):
        out[c] = coeffs[top, c]
    for power in range(top - 1, -1, -1):
        for c in range(x.size):
            out[c] = out[c] * x[c] + coeffs[power, c]


@jit
def _add_integral(value: NDArray[np.float64], table: NDArray[np.float64], column: int) -> None:
    """Add the A/D correction at ``value``, in place; held constant beyond the table."""
    for c in range(value.size):
        inside = min(max(value[c], 0.0), CODES - 1.0)
        code = min(int(inside), CODES - 2)
        below = table[(column + c) // CHANNEL, code]
        above = table[(column + c) // CHANNEL, code + 1]
        value[c] += below + (above - below) * (inside - code)


@jit
def _finish(
    data: NDArray[np.float32],
    total: NDArray[np.float64],
    count: int,
    out: NDArray[np.float32],
    flags: NDArray[np.uint8],
) -> None:
    """Mean of the corrected reads, or the raw value if saturated; clip what is absurd."""
    for c in range(data.size):
        mean = data[c] if flags[c] & dq.SATURATED else total[c] / count
        if abs(mean) > LARGEST:
            mean = min(max(mean, -LARGEST), LARGEST)
            flags[c] |= np.uint8(dq.DO_NOT_USE)
        out[c] = mean
