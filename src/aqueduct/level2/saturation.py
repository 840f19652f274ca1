"""Flag saturated resultants.

With threshold S (DN) and resultants R_i, each the mean of the reads r_i:

1. R_i >= S: SATURATED, here and in all later resultants. R_i <= 0: AD_FLOOR, DO_NOT_USE.
2. A resultant of several reads may saturate in its last ones only. If R_{i+1} is
   SATURATED and R_i >= S mean(r_i)/last(r_i), then R_i is DO_NOT_USE.
3. If R_3 is SATURATED, though R_1 foretold S would not be reached by then, and
   R_2 - R_1 > (S - R_1)/n_2, one saturated read is hidden in R_2: it is DO_NOT_USE.
4. If asked for, averaged resultants just before a SATURATED one are SATURATED too.

These are the rules of the official pipeline (romancal ``saturation``, stcal).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.kernels.compile import jit
from aqueduct.products import Ramp
from aqueduct.products.references import SaturationReference

Reads = tuple[tuple[int, ...], ...]
Flags = NDArray[np.uint8]

_CHUNK = 4096
"""Pixels in hand."""


class SaturationConfig(StepConfig):
    """Parameters of :func:`saturation`."""

    grow: int = Field(
        0, ge=0, le=32, description="Pixels by which saturated ones are grown, for spilt charge"
    )
    backup: int = Field(
        0, ge=0, le=100, description="Averaged resultants flagged before a saturated one"
    )


def _reach(config: SaturationConfig) -> int:
    """Growth works twice in a row: on rule 1, and on what rules 2 and 3 make of it."""
    return 2 * config.grow


@step(shape="block", halo=_reach, cal_step="saturation")
def saturation(ramp: Ramp, saturation: SaturationReference, config: SaturationConfig) -> Ramp:
    """Flag resultants that are saturated, partly saturated or at the A/D floor.

    Parameters
    ----------
    ramp : Ramp
        DN.
    saturation : SaturationReference
        A pixel without a threshold (NaN, or NO_SAT_CHECK) does not saturate.
    config : SaturationConfig

    Returns
    -------
    Ramp
        The same data, with more flags.
    """
    unchecked = np.isnan(saturation.data) | ((saturation.dq & dq.NO_SAT_CHECK) != 0)
    threshold = np.where(unchecked, np.float32(np.inf), saturation.data)
    values = np.ascontiguousarray(ramp.data)
    groupdq = _over_threshold(values, np.ascontiguousarray(ramp.groupdq), threshold)
    if config.grow:
        groupdq |= _grown(groupdq & np.uint8(dq.SATURATED), config.grow)
    flat = groupdq.reshape(len(groupdq), -1)
    saturated = np.flatnonzero(flat[-1] & np.uint8(dq.SATURATED))
    if saturated.size:
        reads = ramp.exposure.read_pattern
        data = values.reshape(flat.shape)[:, saturated]
        partly = np.zeros_like(groupdq)
        partly.reshape(flat.shape)[:, saturated] = _partly_saturated(
            data, flat[:, saturated], threshold.reshape(-1)[saturated], reads
        )
        groupdq |= _grown(partly, config.grow)
        _back_up(groupdq, reads, config.backup)
    pixeldq = ramp.pixeldq | saturation.dq | unchecked * np.uint32(dq.NO_SAT_CHECK)
    return replace(ramp, groupdq=groupdq, pixeldq=pixeldq)


def _grown(flags: Flags, reach: int) -> Flags:
    """Each resultant's flags spread over boxes of 2 reach + 1 pixels."""
    if not reach or not np.any(flags):
        return flags
    side = 2 * reach + 1
    grown: Flags = ndimage.maximum_filter(flags, size=(1, side, side), mode="constant")
    return grown


def _partly_saturated(
    data: NDArray[np.float32], groupdq: Flags, threshold: NDArray[np.float32], reads: Reads
) -> Flags:
    """DO_NOT_USE where rules 2 and 3 say so; arrays (resultant, pixel) and (pixel,)."""
    partly = np.zeros(groupdq.shape, bool)
    saturated = (groupdq & dq.SATURATED) != 0
    usable = (groupdq & (dq.SATURATED | dq.DO_NOT_USE)) == 0
    for i in range(len(data) - 1):
        dilution = sum(reads[i]) / len(reads[i]) / reads[i][-1]
        if dilution < 1:
            partly[i] = (data[i] >= dilution * threshold) & usable[i] & saturated[i + 1]
    if len(data) > 2:
        first, second = data[:2]
        foretold = first / np.mean(reads[0]) * reads[2][-1]
        partly[1] |= (
            (foretold < threshold)
            & (second - first > (threshold - first) / len(reads[1]))
            & (saturated[2] & ~saturated[1])
        )
    return partly * np.uint8(dq.DO_NOT_USE)


def _back_up(groupdq: Flags, reads: Reads, count: int) -> None:
    """Rule 4, in place: SATURATED moves ``count`` times to the resultant before."""
    for _ in range(count):
        for i in range(len(groupdq) - 1):
            if len(reads[i]) > 1:
                groupdq[i] |= groupdq[i + 1] & dq.SATURATED


@jit
def _over_threshold(
    data: NDArray[np.float32], groupdq: Flags, threshold: NDArray[np.float32]
) -> Flags:
    """``groupdq`` with the flags of rule 1."""
    resultants, pixels = data.shape[0], threshold.size
    values, level = data.reshape((resultants, pixels)), threshold.reshape(pixels)
    flags = groupdq.copy().reshape((resultants, pixels))
    for start in range(0, pixels, _CHUNK):
        part = slice(start, min(start + _CHUNK, pixels))
        saturated = np.zeros(part.stop - start, np.uint8)
        for i in range(resultants):
            _flag(values[i, part], level[part], flags[i, part], saturated)
    return flags.reshape(data.shape)


@jit
def _flag(
    data: NDArray[np.float32], threshold: NDArray[np.float32], flags: Flags, saturated: Flags
) -> None:
    """Rule 1 for pixels of one resultant; ``saturated`` is carried on to the next."""
    bit, floor, none = np.uint8(dq.SATURATED), np.uint8(dq.AD_FLOOR | dq.DO_NOT_USE), np.uint8(0)
    for c in range(data.size):
        saturated[c] |= (flags[c] & bit) | (bit if data[c] >= threshold[c] else none)
        flags[c] |= saturated[c] | (floor if data[c] <= 0 else none)
