"""A raw exposure of one detector and its references, filled where the tests look.

The arrays have the size of the full frame; what lies neither in ``AREA`` nor on the border
stays zero and takes no memory.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from astropy.time import Time

from aqueduct.core import dq
from aqueduct.products import Raw, Window
from aqueduct.products.references import (
    DarkDecayReference,
    DarkReference,
    FileReference,
    FlatReference,
    GainReference,
    IntegralNonlinearityReference,
    InverseLinearityReference,
    LinearityReference,
    MaskReference,
    ReadnoiseReference,
    RefpixReference,
    SaturationReference,
)
from aqueduct.products.window import BORDER, CHANNEL, FRAME, SCIENCE

AREA = Window(FRAME - 160, FRAME - 3 * CHANNEL, 160, 3 * CHANNEL)
"""Three channels in a corner: rows, columns and channels do not start at 0."""

READS = [[1], [2, 3], [5, 6, 7], [8, 9, 10, 11], [14], [15, 16, 17, 18]]
OFFSET = 1000
READ = 4000
CURVE = 4e-6
"""Linear DN = observed + CURVE observed^2."""

UNKNOWN = {"block": {"key": [1, 2.5, "three"]}, "none": None}
"""Metadata that no step knows."""

META: dict[str, Any] = {
    "filename": "r0000101001001001001_0001_wfi01_f158_uncal.asdf",
    "file_date": Time("2027-03-02T00:00:00"),
    "instrument": {
        "name": "WFI",
        "detector": "WFI01",
        "optical_element": "F158",
        "data_encoding_offset": OFFSET,
    },
    "exposure": {
        "type": "WFI_IMAGE",
        "frame_time": 3.16,
        "read_pattern": READS,
        "start_time": Time("2027-03-01T00:00:00"),
    },
    "guide_star": {
        "window_xstart": AREA.column + 40,
        "window_xstop": AREA.column + 56,
        "window_ystart": AREA.row + 70,
        "window_ystop": AREA.row + 86,
    },
    "cal_step": {},
    "unknown": UNKNOWN,
}


def _full(inside: Any, dtype: Any, size: int = FRAME, around: float = 0) -> np.ndarray:
    """``inside`` in its place in a frame (or science area) of zeros, or of ``around``."""
    inside = np.asarray(inside)
    shape = (*inside.shape[:-2], size, size)
    whole = np.full(shape, around, dtype) if around else np.zeros(shape, dtype)
    edge = (FRAME - size) // 2
    rows, columns = AREA.row - edge, AREA.column - edge
    height, width = size - rows, size - columns
    whole[..., rows:, columns:] = inside[..., :height, :width]
    return whole


def _some(rng: np.random.Generator, share: float) -> np.ndarray:
    return rng.random((AREA.height, AREA.width)) < share


def _flags(rng: np.random.Generator, *names: int) -> np.ndarray:
    flags = np.zeros((AREA.height, AREA.width), np.uint32)
    for value in names:
        flags[_some(rng, 0.004)] |= np.uint32(value)
    return flags


def _drift() -> np.ndarray:
    """(resultant, column, row), DN: every channel by itself, sloping along the rows."""
    rng = np.random.default_rng(3)
    level, slope = rng.normal(0, 15, (2, len(READS), FRAME // CHANNEL, 1))
    drift = level + slope * np.linspace(-1, 1, FRAME)
    return drift.repeat(CHANNEL, axis=1)


def _weights() -> RefpixReference:
    """Of low frequencies, the same for all channels."""
    low = 1 / (1 + (np.arange(286721) / 3000) ** 2)
    shapes = {"gamma": 0.2 * low, "zeta": 0.1 * low * np.exp(0.2j), "alpha": 0.6 * low}
    return RefpixReference(
        **{
            name: np.broadcast_to(shape.astype(np.complex64), (32, len(shape)))
            for name, shape in shapes.items()
        }
    )


@lru_cache
def frame() -> Raw:
    """Ramps of all brightnesses with jumps, saturation and pixels at the A/D floor."""
    rng = np.random.default_rng(5)
    data = np.zeros((len(READS), FRAME, FRAME), np.uint16)
    drift = _drift().transpose(0, 2, 1)
    sides = slice(0, BORDER), slice(FRAME - BORDER, FRAME)
    for edge in sides:
        for part in ((slice(None), edge), (slice(None), slice(None), edge)):
            shape = data[part].shape
            data[part] = OFFSET + 500 + rng.normal(0, 8, shape) + np.round(drift[part])
    science = slice(AREA.row, FRAME - BORDER), slice(AREA.column, FRAME - BORDER)
    inside = _observed(rng)[:, : AREA.height - BORDER, : AREA.width - BORDER]
    inside += drift[(slice(None), *science)]
    read = _full(np.full((AREA.height, AREA.width), READ), np.uint16)
    floor = _some(rng, 0.002)[:-BORDER, :-BORDER]
    inside[:, floor] = 0
    read[science][floor] = 500
    raw = np.round(inside - READ + OFFSET + rng.normal(0, 6, inside.shape))
    data[(slice(None), *science)] = raw.clip(0, 65535)
    flags = np.zeros((len(READS), AREA.height, AREA.width), np.uint8)
    flags[2][_some(rng, 0.003)] = dq.DO_NOT_USE
    flags[:, _some(rng, 0.001)] = dq.DO_NOT_USE
    amplifier = rng.integers(900, 1100, (len(READS), FRAME, CHANNEL)).astype(np.uint16)
    return Raw(
        data=data,
        amp33=amplifier,
        meta=META,
        resultantdq=_full(flags, np.uint8),
        reference_read=read,
        reference_amp33=np.full((FRAME, CHANNEL), 300, np.uint16),
        extras={"probe": np.arange(5.0)},
    )


def _observed(rng: np.random.Generator) -> np.ndarray:
    """Means of the reads of each resultant, DN, bent by the detector."""
    shape = (AREA.height, AREA.width)
    rate = np.where(_some(rng, 0.1), 10 ** rng.uniform(1, 3.5, shape), rng.uniform(0.2, 3, shape))
    rate[40:60, 200:220] = 2000.0
    jump_at, jump = rng.integers(2, 19, shape), np.where(_some(rng, 0.05), 800.0, 0.0)
    numbers = np.arange(1, READS[-1][-1] + 1)
    jump[64:71, 296:303], jump_at[64:71, 296:303] = 700.0, 9
    jump[66:69, 298:301] = 90000.0  # a snowball: full in its middle
    charge = np.array([5000 + 3.16 * rate * read + jump * (read >= jump_at) for read in numbers])
    seen = (np.sqrt(1 + 4 * CURVE * charge) - 1) / (2 * CURVE)
    seen = np.minimum(seen, 58000)
    return np.array([seen[np.array(reads) - 1].mean(axis=0) for reads in READS])


@lru_cache
def references() -> dict[type[FileReference], FileReference]:
    """Every reference of the block steps, with NaN and flags in places."""
    rng = np.random.default_rng(7)
    shape = (AREA.height, AREA.width)

    def plane(value: float, spread: float, bad: float = np.nan) -> np.ndarray:
        values = value * (1 + spread * rng.normal(size=shape))
        values[_some(rng, 0.003)] = bad
        return values

    static = _flags(rng, dq.HOT, dq.DEAD | dq.DO_NOT_USE, dq.WARM)
    edge = np.zeros(shape, np.uint32)
    edge[-BORDER:], edge[:, -BORDER:] = dq.REFERENCE_PIXEL, dq.REFERENCE_PIXEL
    edge[-2, ::7] |= np.uint32(dq.BAD_REF_PIXEL)
    forward, inverse = np.zeros((2, 4, *shape))
    forward[1], forward[2] = 1, CURVE * (1 + 0.1 * rng.normal(size=shape))
    inverse[1], inverse[2], inverse[3] = 1, -CURVE, 2 * CURVE**2
    forward[2][_some(rng, 0.003)] = np.nan
    codes = np.arange(65536)
    curve = np.array([3 * np.sin(codes / (500 + 30 * channel)) for channel in range(32)])
    response = plane(1.0, 0.05)
    response[_some(rng, 0.002)] = 0
    full = np.float32
    found = (
        MaskReference(dq=_full(static | edge, np.uint32)),
        SaturationReference(
            data=_full(plane(55000, 0.01), full),
            dq=_full(_flags(rng, dq.NO_SAT_CHECK), np.uint32),
        ),
        DarkDecayReference(amplitude=20.0, time_constant=25.0),
        LinearityReference(
            coeffs=_full(forward, full), dq=_full(_flags(rng, dq.NO_LIN_CORR), np.uint32)
        ),
        InverseLinearityReference(
            coeffs=_full(inverse, full), dq=np.zeros((FRAME, FRAME), np.uint32)
        ),
        IntegralNonlinearityReference(value=codes.astype(np.uint16), correction=curve),
        ReadnoiseReference(data=_full(plane(6.0, 0.1), full)),
        _weights(),
        GainReference(data=_full(plane(1.8, 0.02), full, around=1.8)),
        DarkReference(
            dark_slope=_full(plane(0.02, 0.3), full),
            dark_slope_error=_full(plane(0.002, 0.1), full),
            dq=_full(_flags(rng, dq.HOT, dq.WARM), np.uint32),
        ),
        FlatReference(
            data=_full(response, full, SCIENCE),
            err=_full(plane(0.01, 0.1), full, SCIENCE),
            dq=_full(_flags(rng, dq.LOW_QE, dq.NO_FLAT_FIELD), np.uint32, SCIENCE),
        ),
    )
    return {type(reference): reference for reference in found}
