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

A ramp that stays within 500 DN of its first resultant (sky, and all but the brighter stars)
needs still less: :mod:`aqueduct.level2._continuum` takes its reads as a continuum. They scatter
by their noise about step 2's smooth ramp, so that evenly spaced points are no better: of
resultants of 8 simulated reads (5 DN of noise, converter errors of 0.7 DN rms) the table leaves
0.30, 0.23 and 0.38 DN at 0.3, 0.8 and 4 DN per read with points, 0.19 DN with the continuum.
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
from aqueduct.level2 import _continuum, _reads
from aqueduct.level2._read_rule import rule
from aqueduct.level2._reads import CODES, LARGEST
from aqueduct.products import Ramp
from aqueduct.products.references import (
    IntegralNonlinearityReference,
    InverseLinearityReference,
    LinearityReference,
)
from aqueduct.products.window import CHANNEL, Window

__all__ = ["LARGEST", "LinearityConfig", "linearity"]


class LinearityConfig(StepConfig):
    """Parameters of :func:`linearity`."""

    integral: bool = Field(True, description="Correct the A/D's integral nonlinearity too")
    continuum: bool = Field(True, description="Take the reads of slow ramps as a continuum")
    read_scatter: float = Field(
        5.0, ge=1, le=50, description="Scatter of single reads for it, DN: their noise"
    )


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
    bad = ((linearity.dq | inverse_linearity.dq) & dq.NO_LIN_CORR) != 0
    data, groupdq, bad = _corrected(
        ramp, linearity.coeffs, inverse_linearity.coeffs, bad, integral_nonlinearity, config
    )
    pixeldq = ramp.pixeldq | linearity.dq | bad * np.uint32(dq.NO_LIN_CORR)
    return replace(ramp, data=data, groupdq=groupdq, pixeldq=pixeldq)


def _check_table(table: IntegralNonlinearityReference) -> None:
    """The kernel takes a value's table entry from the value itself."""
    value = table.value
    if value.shape != (CODES,) or value[0] != 0 or value[-1] != CODES - 1:
        raise ReferenceError(
            f"`value` must hold 0 to {CODES - 1}, once each",
            where=table.name or "integralnonlinearity",
            hint="choose another file for integralnonlinearity, or leave the step out",
        )


def _corrected(
    ramp: Ramp,
    forward: NDArray[Any],
    inverse: NDArray[Any],
    bad: NDArray[np.bool_],
    integral: IntegralNonlinearityReference,
    config: LinearityConfig,
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]]:
    """Corrected data, their flags, and where a polynomial can't be used."""
    values, given = _flat(ramp.data, np.float32), _flat(ramp.groupdq, np.uint8)
    coeffs = _flat(forward, np.float32), _flat(inverse, np.float32)
    channels, place = _places(ramp.window)
    table = np.ascontiguousarray(integral.correction[channels], np.float64).reshape(-1)
    about = rule(ramp.exposure.read_pattern)
    unusable, flags = bad.reshape(-1).copy(), given.copy()
    slow, out = np.zeros(unusable.size, np.bool_), np.empty_like(values)
    if config.continuum and about.even:
        cumulated = integral.cumulated[channels].reshape(-1)
        slow = _continuum.correct(
            values, given, *coeffs, unusable, table, cumulated, place, config.integral,
            config.read_scatter, about, out,
        )  # fmt: skip
    others = np.flatnonzero(~slow)
    _reads.correct(
        values, given, others, *coeffs, table, place, config.integral, about, out, flags, unusable
    )
    shape = ramp.data.shape
    return out.reshape(shape), flags.reshape(shape), unusable.reshape(shape[1:])


def _flat(planes: NDArray[Any], kind: type) -> NDArray[Any]:
    """(plane, pixel) in memory order."""
    return np.ascontiguousarray(planes, kind).reshape(len(planes), -1)


def _places(window: Window) -> tuple[slice, NDArray[np.int32]]:
    """The channels that ``window`` touches, and where in their tables each pixel's begins."""
    columns = window.columns
    channels = slice(columns.start // CHANNEL, (columns.stop - 1) // CHANNEL + 1)
    place = (np.arange(columns.start, columns.stop) // CHANNEL - channels.start) * CODES
    return channels, np.tile(place.astype(np.int32), window.height)
