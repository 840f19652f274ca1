"""Remove drifts of the electronics with the reference pixels.

Only changes between resultants are removed: each reference pixel is first referred to its
own mean over the resultants, so that every pixel keeps its mean in time.

    b_i(p) = R_i(p) - mean_i R_i(p)                          [DN]
    R_i'   = R_i - line_i(channel, t) - w_i(channel, t)

``line`` is, for each readout channel and resultant, the least-squares line through b in the
top and bottom reference rows, against the time t at which a sample is read. ``w`` is what
the left and right reference columns and the reference amplifier (amplifier 33) tell of the
noise that all channels share, each with a weight for every channel and frequency: Improved
Roman Reference Correction, :mod:`aqueduct.level2._irrc` (Rauscher et al. 2022, JATIS 8, 028002).
The weights are a reference file. Where the rules say that there is none, only the line is
removed; ``meta.ref_file`` lists the file exactly if it was used.

Against the official step: a reference pixel that happens to equal its mean is as good as any
other; outliers (cosmic rays) are left out; w is normalised with 573440 samples, not 573442.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError, MissingReferenceError
from aqueduct.core.step import step
from aqueduct.core.threads import threads
from aqueduct.level2 import _irrc
from aqueduct.products import Ramp, Raw
from aqueduct.products.references import MaskReference, RefpixReference
from aqueduct.products.window import BORDER, CHANNEL, FRAME

CHANNELS = FRAME // CHANNEL
EDGES = np.r_[0:BORDER, FRAME - BORDER : FRAME]
"""The reference rows."""
_QUANTISATION = 0.3
"""DN RMS: what rounding to whole numbers leaves at least."""
_CLIPPINGS = 2
_SPAN = _irrc.SAMPLES / 10
"""Clocks RMS that the samples of a line must lie apart."""


Spectra = tuple[NDArray[np.complex64], NDArray[np.complex64], NDArray[np.complex64]]
"""Of left columns, right columns and the reference amplifier: (resultant, frequency)."""


class RefpixConfig(StepConfig):
    """Parameters of :func:`refpix`."""

    method: Literal["auto", "irrc", "amplifier"] = Field(
        "auto",
        description="How it is measured. irrc: with the reference amplifier, needs a refpix "
        "reference; amplifier: the trend of each channel alone; auto: irrc where the rules have "
        "a refpix reference, otherwise amplifier",
    )
    trend: Literal["line", "mean"] = Field(
        "line", description="Drift of a channel within a frame: a line in time, or one value"
    )
    clip: float = Field(
        5.0, ge=0, description="Reference samples further off, in standard deviations, are left "
        "out; 0 keeps all"
    )  # fmt: skip
    equal_is_missing: bool = Field(
        False,
        description="Treat samples equal to their mean over the resultants as absent, as the "
        "official step does: a reference sample is left out, any sample keeps its line",
    )


@dataclass(frozen=True)
class Drift:
    """What is to be subtracted.

    Attributes
    ----------
    level, slope : ndarray of float64, (resultant, channel)
        The line of each channel: DN in mid-frame, DN per clock.
    spectra : tuple of ndarray of complex64, (resultant, 286721)
        Of left and right columns and the reference amplifier; None if only the line is removed.
    weights : RefpixReference or None
    """

    level: NDArray[np.float64]
    slope: NDArray[np.float64]
    spectra: Spectra | None = None
    weights: RefpixReference | None = None

    def __post_init__(self) -> None:
        # Not fields: what is kept does not change what comes out.
        object.__setattr__(self, "_kept", _Kept(3 * threads()))

    def values(self, channel: int, rows: slice) -> NDArray[np.float32]:
        """DN in some rows of a channel: (resultant, row, column)."""
        if self.weights is None:
            return self.line(channel, rows)
        kept: _Kept = self.__dict__["_kept"]
        return kept.get(channel, self._whole)[:, rows]

    def line(self, channel: int, rows: slice) -> NDArray[np.float32]:
        """The part of :meth:`values` that is the channel's line."""
        clocks = _irrc.clocks(np.arange(FRAME)[rows])
        level, slope = (each[:, channel, None, None] for each in (self.level, self.slope))
        return _irrc.in_order(channel, (level + slope * clocks).astype(np.float32))

    def _whole(self, channel: int) -> NDArray[np.float32]:
        assert self.weights is not None
        assert self.spectra is not None
        gamma, zeta, alpha = self.weights.gamma, self.weights.zeta, self.weights.alpha
        weights = (gamma[channel], zeta[channel], alpha[channel])
        made = _irrc.in_order(channel, _irrc.waveform(self.spectra, weights))
        for first in range(0, FRAME, CHANNEL):
            rows = slice(first, first + CHANNEL)
            made[:, rows] += self.line(channel, rows)
        return made


class _Kept:
    """The latest waveforms: each is made once, by the first thread that asks for it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._entries: OrderedDict[int, tuple[threading.Lock, list[NDArray[np.float32]]]]
        self._entries = OrderedDict()

    def get(self, channel: int, make: Any) -> NDArray[np.float32]:
        with self._lock:
            lock, found = self._entries.setdefault(channel, (threading.Lock(), []))
            self._entries.move_to_end(channel)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)
        with lock:
            if not found:
                found.append(make(channel))
        return found[0]


def measure_drift(
    frame: Raw | Ramp,
    config: RefpixConfig,
    mask: MaskReference,
    weights: RefpixReference | None = None,
) -> Drift:
    """Measure the drift of every channel; only reference pixels of ``frame`` are read.

    Pixels with BAD_REF_PIXEL, and those that never change (not connected, or simulated as
    zero), are left out. A channel without any is left as it is.

    Raises
    ------
    MissingReferenceError
        If the method needs weights and there are none.
    InputError
        If it needs the reference amplifier and ``frame`` has lost it.
    """
    if config.method == "irrc" and weights is None:
        raise MissingReferenceError(
            "no refpix reference, which this method needs",
            where="step refpix",
            hint="derive one with `aqueduct references derive refpix`, or go without: "
            "--set refpix.method=amplifier",
        )
    lines = measure_lines(frame, config, mask)
    if weights is None or config.method == "amplifier":
        return lines
    return replace(lines, spectra=measure_spectra(frame, config, mask, lines), weights=weights)


def measure_lines(frame: Raw | Ramp, config: RefpixConfig, mask: MaskReference) -> Drift:
    """The line through the reference rows of every channel and resultant."""
    changes, used = _changes(frame.data[:, EDGES], mask.dq[EDGES], config)
    clocks = _irrc.clocks(EDGES).ravel()
    level, slope = np.empty((2, len(changes), CHANNELS))
    for channel in range(CHANNELS):
        columns = slice(channel * CHANNEL, (channel + 1) * CHANNEL)
        samples = _flat(_irrc.in_order(channel, changes[:, :, columns]))
        there = _flat(_irrc.in_order(channel, used[:, :, columns]))
        level[:, channel], slope[:, channel] = _line(samples, there, clocks, config)
    return Drift(level, slope)


def measure_spectra(
    frame: Raw | Ramp, config: RefpixConfig, mask: MaskReference, lines: Drift
) -> Spectra:
    """Spectra of left and right columns and of the reference amplifier, lines removed."""
    sides = []
    for channel, columns in ((0, slice(BORDER)), (CHANNELS - 1, slice(FRAME - BORDER, FRAME))):
        changes, used = _changes(frame.data[:, :, columns], mask.dq[:, columns], config)
        line = lines.values(channel, slice(None))
        changes -= line[..., :BORDER] if channel == 0 else line[..., -BORDER:]
        changes *= _inliers(changes, used, config)
        sides.append(_irrc.side_spectra(_irrc.in_order(channel, changes)))
    changes, used = _changes(_amplifier(frame), np.uint32(0), config)
    clocks = _irrc.clocks(np.arange(FRAME))
    edges = _flat(changes[:, EDGES]), _flat(used[:, EDGES])
    level, slope = _line(*edges, clocks[EDGES].ravel(), config)
    for number, samples in enumerate(changes):
        samples -= (level[number] + slope[number] * clocks).astype(np.float32)
    amplifier = _irrc.channel_spectra(changes, _inliers(changes, used, config))
    return sides[0], sides[1], amplifier


def _amplifier(frame: Raw | Ramp) -> NDArray[Any]:
    """The reference amplifier; of a ramp, what is kept of it for the product."""
    if isinstance(frame, Raw):
        return frame.amp33
    if "amp33" not in frame.extras:
        raise InputError(
            "the reference amplifier is lost, which Improved Roman Reference Correction needs",
            where=str(frame.meta.get("filename", "ramp")),
            hint="start from the Level 1 file, or set refpix.method=amplifier",
        )
    return frame.extras["amp33"]


@step(
    shape="block",
    prepare=measure_drift,
    cal_step="refpix",
    unused=lambda config: ("weights",) if config.method == "amplifier" else (),
)
def refpix(
    ramp: Ramp,
    mask: MaskReference,
    weights: RefpixReference | None,
    state: Drift,
    config: RefpixConfig,
) -> Ramp:
    """Subtract the drift that the reference pixels show from all pixels of a channel.

    Parameters
    ----------
    ramp : Ramp
        DN.
    mask : MaskReference
        Used by :func:`measure_drift`: bad reference pixels.
    weights : RefpixReference, optional
        Used by :func:`measure_drift`: weights of the shared noise.
    state : Drift
        From :func:`measure_drift`. Zero in a channel without usable reference pixels.
    config : RefpixConfig

    Returns
    -------
    Ramp
        DN; each pixel's mean over the resultants is unchanged.
    """
    data = np.empty_like(ramp.data)
    first, stop = ramp.window.column, ramp.window.column + ramp.window.width
    for channel in range(first // CHANNEL, (stop - 1) // CHANNEL + 1):
        start = channel * CHANNEL
        left, right = max(start, first), min(start + CHANNEL, stop)
        here = slice(left - first, right - first)
        drift = state.values(channel, ramp.window.rows)[:, :, left - start : right - start]
        np.subtract(ramp.data[:, :, here], drift, out=data[:, :, here])
        if config.equal_is_missing:
            values = ramp.data[:, :, here]
            line = state.line(channel, ramp.window.rows)[:, :, left - start : right - start]
            data[:, :, here] += line * (len(values) * values == values.sum(axis=0))
    return replace(ramp, data=data)


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    return values.reshape(len(values), -1)


def _changes(
    data: NDArray[Any], flags: NDArray[np.uint32] | np.uint32, config: RefpixConfig
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Values less their mean over the resultants, and which samples can be used."""
    used = ((flags & dq.BAD_REF_PIXEL) == 0) & np.any(data != data[0], axis=0)
    # Whole numbers below 2^24, so exact: the reference read and the encoding offset cancel,
    # and a decoded ramp gives the same as the raw frame.
    values = data.astype(np.float32)
    total = values.sum(axis=0)
    values *= len(data)
    values -= total
    values /= len(data)
    there = np.broadcast_to(used, values.shape)
    return values, there & (values != 0) if config.equal_is_missing else there


def _line(
    values: NDArray[np.float32],
    used: NDArray[np.bool_],
    clocks: NDArray[np.float64],
    config: RefpixConfig,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Line (or mean) through the used samples of each resultant, without outliers.

    Returns
    -------
    level, slope : ndarray of float64, (resultant,)
        At 0, and per unit, of ``clocks``; 0 without samples.
    """
    level, slope = _fitted(values, used, clocks, config.trend)
    for _ in range(_CLIPPINGS if config.clip else 0):
        residual = values - (level[:, None] + slope[:, None] * clocks)
        level, slope = _fitted(values, _inliers(residual, used, config), clocks, config.trend)
    return level, slope


def _fitted(
    values: NDArray[np.float32], used: NDArray[np.bool_], clocks: NDArray[np.float64], trend: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    count = np.maximum(used.sum(axis=1), 1)
    middle = (used * clocks).sum(axis=1) / count
    mean = np.sum(values, axis=1, where=used, dtype=np.float64) / count
    if trend == "mean":
        return mean, np.zeros_like(mean)
    lever = (clocks - middle[:, None]) * used
    spread = (lever**2).sum(axis=1)
    # Rows at one end alone tell nothing of the other.
    both = spread > count * _SPAN**2
    slope = np.where(both, (lever * values).sum(axis=1) / np.where(both, spread, 1), 0)
    return mean - slope * middle, slope


def _inliers(
    values: NDArray[np.floating[Any]], used: NDArray[np.bool_], config: RefpixConfig
) -> NDArray[np.bool_]:
    """Used samples that are never far from 0, in units of what is usual in a resultant.

    The same in all resultants, so that changes still have a mean of zero.
    """
    if not config.clip:
        return used
    near = np.ones(values.shape[1:], bool)
    for sample, there in zip(values, used, strict=True):
        off = np.abs(sample)
        usual = np.median(off[there]) if there.any() else 0.0
        near &= (off <= config.clip * max(1.4826 * usual, _QUANTISATION)) | ~there
    return used & near
