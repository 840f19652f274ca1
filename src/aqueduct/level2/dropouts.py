"""Make good what never arrived: resultants, rows or pixels lost on the way to the ground.

A lost value misleads the steps that look along the ramp (saturation, reference pixels,
linearity), though its flag keeps it out of the fit. In its place goes the one that its
neighbours in the ramp foretell, with mean read numbers r:

    R_i = R_p + (R_q - R_p) (r_i - r_p) / (r_q - r_p)        [DN]

from the nearest good resultants p < i < q; beyond the first or the last good one, its value.
The flags stay, and so no filled value is ever fitted. Of an exposure that was stopped early
the read pattern is cut to the resultants there are.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.kernels.compile import jit
from aqueduct.products import Raw
from aqueduct.products.meta import Meta, updated


class DropoutsConfig(StepConfig):
    """:func:`dropouts` has no parameters."""


@step(shape="frame")
def dropouts(raw: Raw, config: DropoutsConfig) -> Raw:
    """Fill in lost resultants from their neighbours in the ramp.

    Parameters
    ----------
    raw : Raw
        The whole exposure. Lost is what ``resultantdq`` calls DROPOUT or DO_NOT_USE.
    config : DropoutsConfig

    Returns
    -------
    Raw
        The same flags; a copy of the data, DN, if anything was lost. A pixel without a
        good resultant keeps its values.

    Raises
    ------
    InputError
        If the resultants are not those of the read pattern, unless fewer because the
        exposure was truncated.
    """
    raw = replace(raw, meta=_as_taken(raw.meta, len(raw.data)))
    if raw.resultantdq is None or not _any_lost(raw.resultantdq):
        return raw
    reads = np.array([np.mean(reads) for reads in raw.exposure.read_pattern])
    data = np.array(raw.data)
    _fill(data, raw.resultantdq, reads)
    return replace(raw, data=data)


def _as_taken(meta: Meta, resultants: int) -> Meta:
    """Metadata with the read pattern of the resultants there are."""
    pattern = meta["exposure"]["read_pattern"]
    if len(pattern) == resultants:
        return meta
    if len(pattern) > resultants and meta["exposure"].get("truncated"):
        return updated(meta, exposure={"read_pattern": list(pattern)[:resultants]})
    raise InputError(
        f"{resultants} resultants, but meta.exposure.read_pattern lists {len(pattern)}",
        where=str(meta.get("filename", "")),
        hint="if the exposure was stopped early, meta.exposure.truncated must say so",
    )


_LOST = np.uint8(dq.DROPOUT | dq.DO_NOT_USE)


def _any_lost(flags: NDArray[np.uint8]) -> bool:
    return any(bool(np.bitwise_or.reduce(plane, axis=None) & _LOST) for plane in flags)


@jit
def _fill(data: NDArray[np.uint16], flags: NDArray[np.uint8], reads: NDArray[np.float64]) -> None:
    """Replace lost values of ``data`` in place."""
    resultants, rows, columns = data.shape
    for row in range(rows):
        for column in range(columns):
            before = -1
            for i in range(resultants):
                if flags[i, row, column] & _LOST == 0:
                    before = i
                    continue
                after = i + 1
                while after < resultants and flags[after, row, column] & _LOST != 0:
                    after += 1
                if before < 0 and after == resultants:
                    break
                if before < 0 or after == resultants:
                    data[i, row, column] = data[before if before >= 0 else after, row, column]
                    continue
                first, last = float(data[before, row, column]), float(data[after, row, column])
                share = (reads[i] - reads[before]) / (reads[after] - reads[before])
                data[i, row, column] = np.uint16(first + (last - first) * share + 0.5)
