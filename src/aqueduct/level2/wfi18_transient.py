"""Remove the transient in the first read of detector WFI18.

For a while after the reset the detector reads too high, less so from row to row. With the
later resultants foretelling the first, at mean times t_i,

    residual = R_0 - R_1 + (R_2 - R_1) (t_1 - t_0) / (t_2 - t_1)             [DN]

the robust mean over the weakly lit pixels of each row, at the row's mean time t, is

    a exp(-t / tau_a) + b exp(-t / tau_b) + c + d t + e A(t)

and the two exponentials are subtracted from R_0 at each pixel's own time. Weakly lit is a
pixel if R_4 - R_3 is not above the median of its row. The line is what the channels drift
from read to read; A, the same residual of the reference amplifier without its own line, is
the low-frequency noise that all share. Either would pass for a transient. Pedestal,
reference read and encoding offset cancel.

Unlike the official pipeline, which sees the ramps after their correction, this works on the
raw ones, so that the reference pixels, if they share the transient, are freed from it before
they correct the others. R_0 is rounded to whole DN, as it was on board.

Without five resultants, or if the fit fails, the first rows of R_0 are flagged instead.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import uniform_filter1d

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.core.threads import bands, over
from aqueduct.instrument.readout import read_times
from aqueduct.kernels.compile import jit
from aqueduct.products import Raw
from aqueduct.products.meta import updated
from aqueduct.products.window import BORDER, FRAME

Floats = NDArray[np.float64]

DETECTOR: Final = "WFI18"
FEWEST: Final = 5
"""Resultants that the fit takes."""
MASKED: Final = 1000
"""Rows flagged where there is no fit."""
_BAND: Final = 128
_START: Final = (300, 1000)
"""Rows by whose time the exponentials fall to 1/e, to begin with."""
_FASTEST: Final = 0.01
"""Least time constant, seconds: a dozen rows."""
_RATIO: Final = (1.5, 4.0)
"""Bounds of tau_b / tau_a. Nearer to each other, the two can't be told apart."""
_SMOOTH: Final = 32
"""Rows over which the reference amplifier is averaged."""
_ROUNDS: Final = 3
_NORMAL: Final = 1.4826
_FLAGS: Final = np.uint8(dq.DO_NOT_USE | dq.WFI18_TRANSIENT)


class Wfi18TransientConfig(StepConfig):
    """Parameters of :func:`wfi18_transient`."""

    mask_rows: bool = Field(False, description="Flag the first rows instead of correcting them")
    baseline: Literal["none", "level", "amplifier"] = Field(
        "amplifier",
        description="What rows may show besides the transient: nothing, a level, or a line "
        "and what the reference amplifier shows",
    )
    clip: float = Field(
        3.0, gt=1, le=20, description="Robust deviations beyond which a pixel or a row is left out"
    )


class Transient(NamedTuple):
    """a exp(-t / tau_a) + b exp(-t / tau_b), DN and seconds."""

    a: float
    tau_a: float
    b: float
    tau_b: float

    def __call__(self, t: Floats) -> Floats:
        return np.asarray(self.a * np.exp(-t / self.tau_a) + self.b * np.exp(-t / self.tau_b))


@step(shape="frame", cal_step="wfi18_transient")
def wfi18_transient(raw: Raw, config: Wfi18TransientConfig) -> Raw:
    """Correct the first resultant of WFI18, or flag its first rows.

    Parameters
    ----------
    raw : Raw
        The whole exposure. That of another detector is handed on, and ``meta.cal_step``
        says N/A.
    config : Wfi18TransientConfig

    Returns
    -------
    Raw
        DN. ``meta.wfi18_transient`` holds the fit, and whether the reference pixels were
        corrected too; or how many rows were flagged in ``resultantdq``.
    """
    if raw.exposure.detector != DETECTOR:
        return replace(raw, meta=updated(raw.meta, cal_step={"wfi18_transient": "N/A"}))
    found = None if config.mask_rows or len(raw.data) < FEWEST else _found(raw, config)
    if found is None:
        return _masked(raw)
    transient, shared = found
    data = np.array(raw.data)
    first, stop = (0, FRAME) if shared else (BORDER, FRAME - BORDER)

    def correct(band: tuple[int, int]) -> None:
        rows, columns = slice(first + band[0], first + band[1]), slice(first, stop)
        time = read_times(DETECTOR, raw.exposure.frame_time, rows, columns)
        values = np.rint(data[0, rows, columns] - transient(time))
        data[0, rows, columns] = values.clip(0, np.iinfo(np.uint16).max)

    over(correct, bands(stop - first, _BAND))
    about = {**transient._asdict(), "reference_pixels": shared}
    return replace(raw, data=data, meta={**raw.meta, "wfi18_transient": about})


def _masked(raw: Raw) -> Raw:
    """``raw`` with the first rows of its first resultant flagged."""
    given = raw.resultantdq
    flags = np.zeros(raw.data.shape, np.uint8) if given is None else np.array(given)
    flags[0, :MASKED] |= _FLAGS
    return replace(
        raw, resultantdq=flags, meta={**raw.meta, "wfi18_transient": {"masked_rows": MASKED}}
    )


def _found(raw: Raw, config: Wfi18TransientConfig) -> tuple[Transient, bool] | None:
    """The transient, and whether the reference pixels show it; None if it can't be fitted."""
    time = _row_times(raw.exposure.frame_time)
    inner = np.arange(BORDER, FRAME - BORDER)
    science = _row_residuals(raw, raw.data, raw.resultantdq, inner, config.clip)
    transient = _fit(time, science, _baseline(raw, config), config.clip)
    if transient is None:
        return None
    edges = np.r_[0:BORDER, FRAME - BORDER : FRAME]
    border = _row_residuals(raw, raw.data, raw.resultantdq, edges, config.clip)
    return transient, _shares(border, time, transient)


def _baseline(raw: Raw, config: Wfi18TransientConfig) -> list[Floats]:
    """What the rows may show besides the transient, each a value for every science row."""
    row = np.linspace(-1, 1, FRAME - 2 * BORDER)
    level = np.ones_like(row)
    if config.baseline != "amplifier":
        return [level] if config.baseline == "level" else []
    every = np.arange(raw.amp33.shape[2])
    amplifier = _row_residuals(raw, raw.amp33, None, every, config.clip)
    # The channels drift by themselves from read to read, along a line each.
    common = uniform_filter1d(amplifier - np.polyval(np.polyfit(row, amplifier, 1), row), _SMOOTH)
    return [level, row, common]


def _row_times(frame_time: float) -> Floats:
    """Mean time at which the science pixels of each science row are read, s."""
    inner = slice(BORDER, FRAME - BORDER)
    rows = read_times(DETECTOR, frame_time, inner, slice(BORDER, BORDER + 1))[:, 0]
    columns = read_times(DETECTOR, frame_time, slice(BORDER, BORDER + 1), inner)[0]
    return np.asarray(rows + (columns.mean() - columns[0]))


def _row_residuals(
    raw: Raw,
    values: NDArray[np.uint16],
    given: NDArray[np.uint8] | None,
    columns: NDArray[np.int64],
    clip: float,
) -> Floats:
    """Robust mean of the residuals in some columns of each science row, DN; NaN without any."""
    times = [float(np.mean(reads)) for reads in raw.exposure.read_pattern[:FEWEST]]
    slope = (times[1] - times[0]) / (times[2] - times[1])
    means = np.empty(FRAME - 2 * BORDER)
    nothing = np.zeros((FEWEST, 0, 0), np.uint8)

    def measure(band: tuple[int, int]) -> None:
        rows = slice(BORDER + band[0], BORDER + band[1])
        flags = nothing if given is None else np.asarray(given[:FEWEST, rows])
        data = np.asarray(values[:FEWEST, rows])
        means[slice(*band)] = _means(data, flags, columns, slope, clip)

    over(measure, bands(len(means), _BAND))
    return means


@jit
def _means(
    data: NDArray[np.uint16],
    flags: NDArray[np.uint8],
    columns: NDArray[np.int64],
    slope: float,
    clip: float,
) -> Floats:
    """Mean of the unflagged, weakly lit residuals within ``clip`` robust deviations."""
    rows = data.shape[1]
    means = np.full(rows, np.nan)
    residual, lit = np.empty(columns.size), np.empty(columns.size)
    for row in range(rows):
        count = 0
        for column in columns:
            bad = False
            for i in range(flags.shape[1] and FEWEST):
                bad |= flags[i, row, column] != 0
            if not bad:
                r0, r1 = float(data[0, row, column]), float(data[1, row, column])
                residual[count] = r0 - r1 + (float(data[2, row, column]) - r1) * slope
                lit[count] = float(data[4, row, column]) - float(data[3, row, column])
                count += 1
        if count == 0:
            continue
        weak = residual[:count][lit[:count] <= np.median(lit[:count])]
        middle = np.median(weak)
        reach = clip * _NORMAL * np.median(np.abs(weak - middle))
        means[row] = weak[np.abs(weak - middle) <= reach].mean()
    return means


def _fit(time: Floats, values: Floats, baseline: list[Floats], clip: float) -> Transient | None:
    """Fit the rows, leaving out those that stand off; None if that fails.

    The amplitudes follow from the time constants by linear least squares.
    """
    from scipy.optimize import least_squares

    fast, slow = time[list(_START)]
    start = np.log([fast, slow / fast])
    bounds = np.log([[_FASTEST, _RATIO[0]], [time[-1] / _RATIO[1], _RATIO[1]]])
    used = np.isfinite(values)
    for _ in range(_ROUNDS):
        if np.count_nonzero(used) < len(values) / 2:
            return None

        def left(logs: Floats, used: NDArray[np.bool_] = used) -> Floats:
            return _residuals(_design(time, logs, baseline), values, used)[0][used]

        found = least_squares(left, start, bounds=bounds)
        if not found.success:
            return None
        start = found.x
        off, amplitudes = _residuals(_design(time, start, baseline), values, used)
        used = np.abs(off) <= clip * _NORMAL * np.median(np.abs(off[used]))
    tau, ratio = np.exp(start)
    fitted = Transient(*map(float, (amplitudes[0], tau, amplitudes[1], tau * ratio)))
    return fitted if np.isfinite(fitted).all() else None


def _design(time: Floats, logs: Floats, baseline: list[Floats]) -> Floats:
    """What the rows are a sum of: two exponentials and the baseline."""
    tau, ratio = np.exp(logs)
    return np.stack([np.exp(-time / tau), np.exp(-time / (tau * ratio)), *baseline], axis=1)


def _residuals(design: Floats, values: Floats, used: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """What the best amplitudes for the rows in use leave of all rows, and the amplitudes."""
    amplitudes = np.asarray(np.linalg.lstsq(design[used], values[used])[0], np.float64)
    return np.asarray(values - design @ amplitudes, np.float64), amplitudes


def _shares(border: Floats, time: Floats, transient: Transient) -> bool:
    """Whether more than half of the transient is in the rows' reference pixels too."""
    seen = np.isfinite(border)
    if np.count_nonzero(seen) < len(border) / 2:
        return False
    t = time[seen]
    design = np.stack([transient(t), np.ones_like(t), t - t.mean()], axis=1)
    return bool(np.linalg.lstsq(design, border[seen])[0][0] > 0.5)
