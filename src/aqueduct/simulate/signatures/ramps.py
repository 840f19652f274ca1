"""From electrons per second to resultants, read by read.

A frame is worked through in bands of rows, small enough for the cache; all reads of a band
pass through the effects of :mod:`aqueduct.simulate.signatures.chain` one after another, and
are averaged on board as :mod:`aqueduct.simulate.signatures.converter` says. Effects that
couple neighbours get more rows than the band gives, drawn again from the same streams.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.threads import bands, over
from aqueduct.instrument.detectors import CHANNELS
from aqueduct.instrument.matables import MATable
from aqueduct.products.window import CHANNEL
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.signatures.chain import SignaturesConfig, prepare, stream
from aqueduct.simulate.signatures.converter import average, planes
from aqueduct.simulate.signatures.frame import Band, Drift, Fluence, Frame
from aqueduct.simulate.signatures.pink import draw_drift

_BAND_BYTES: Final = 12e6
"""Of the reads of a band: two of them fit into the cache that cores share."""


class ReadoutConfig(StepConfig):
    """How a frame is read out and sent down."""

    reference_read: bool = Field(
        False, description="Subtract a read at the start on board, and send it down too"
    )
    encoding_offset: int = Field(
        4000, ge=0, le=65535, description="Added to what a reference read was subtracted from, DN"
    )
    amplifier_pedestal: float = Field(
        5_000.0, ge=0, description="Level of the reference amplifier, DN"
    )


@dataclass(frozen=True)
class Readout:
    """What is sent down, and what only the simulator knows.

    Attributes
    ----------
    data : ndarray of uint16, (resultant, row, column)
    amp33 : ndarray of uint16, (resultant, row, 128)
    saturated : ndarray of bool, (row, column)
        Pixels at their full well in the last read.
    reference_read, reference_amp33 : ndarray of uint16, or None
    """

    data: NDArray[np.uint16]
    amp33: NDArray[np.uint16]
    saturated: NDArray[np.bool_]
    reference_read: NDArray[np.uint16] | None = None
    reference_amp33: NDArray[np.uint16] | None = None


def read_out(
    rate: NDArray[np.float32],
    truth: DetectorTruth,
    table: MATable,
    signatures: SignaturesConfig,
    readout: ReadoutConfig,
    seed: int,
    *,
    earlier: tuple[Fluence, ...] = (),
    band_rows: int = 0,
) -> Readout:
    """Read out a frame.

    Parameters
    ----------
    rate : ndarray of float32, (row, column)
        Electron/s collected, dark current included.
    truth : DetectorTruth
        Its maps have the shape of ``rate``.
    table : MATable
    signatures : SignaturesConfig
    readout : ReadoutConfig
    seed : int
        Of all effects.
    earlier : tuple of Fluence
        Exposures whose persistence is seen.
    band_rows : int
        Rows of a band; 0: as many as suit the cache. The result does not depend on it.
    """
    rows, columns = rate.shape
    reads = np.arange(0 if readout.reference_read else 1, table.reads + 1)
    drift = None
    if "pink" in signatures.order:
        drift = draw_drift(truth, len(reads), rows, stream(seed, "pink"))
    frame = Frame(rate, truth, table, reads, earlier, drift)
    acts = prepare(frame, signatures, seed)
    halo = sum(act.halo for act in acts)
    first, lengths = planes(table, reads)
    offset = float(readout.encoding_offset) if readout.reference_read else -1.0
    out = np.empty((len(lengths), rows, columns), np.uint16)
    zero = np.empty((rows, columns), np.uint16) if readout.reference_read else None
    scratch = threading.local()
    size = band_rows or max(int(_BAND_BYTES / (4 * len(reads) * columns)) - 2 * halo, 4)

    def band(limits: tuple[int, int]) -> None:
        start, stop = limits
        low, high = max(start - halo, 0), min(stop + halo, rows)
        if not hasattr(scratch, "signal"):
            scratch.signal = np.empty((size + 2 * halo, len(reads), columns), np.float32)
        made = Band(low, scratch.signal[: high - low])
        made.signal.fill(0)
        for act in acts:
            act.apply(made)
        signal = made.signal[start - made.first : stop - made.first]
        sent = np.empty((stop - start, len(lengths), columns), np.uint16)
        average(signal, first, lengths, offset, sent)
        out[:, start:stop] = sent.transpose(1, 0, 2)
        if zero is not None:
            zero[start:stop] = np.clip(signal[:, 0], 0, 65535)

    over(band, bands(rows, size))
    amp33, amp_zero = _amplifier(frame, readout, stream(seed, "amp33"))
    return Readout(out, amp33, frame.saturated, zero, amp_zero)


def _amplifier(
    frame: Frame, config: ReadoutConfig, rng: np.random.Generator
) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
    """Read the reference amplifier with the same clocks: its level, noise and drift."""
    noise = frame.truth.pink
    rows, size = frame.shape[0], 64
    first, lengths = planes(frame.table, frame.reads)
    offset = float(config.encoding_offset) if config.reference_read else -1.0
    out = np.empty((len(lengths), rows, CHANNEL), np.uint16)
    zero = np.empty((rows, CHANNEL), np.uint16) if config.reference_read else None
    limits = bands(rows, size)
    seeds = rng.integers(0, 2**63, len(limits))

    def band(k: int) -> None:
        start, stop = limits[k]
        shape = (stop - start, len(frame.reads), CHANNEL)
        value = np.random.default_rng(seeds[k]).standard_normal(shape, np.float32)
        value *= np.float32(noise.amplifier)
        value += np.float32(config.amplifier_pedestal)
        if frame.drift is not None:
            value += _seen(frame.drift, noise.coupling[CHANNELS], slice(start, stop))
        made = np.empty((stop - start, len(lengths), CHANNEL), np.uint16)
        average(value, first, lengths, offset, made)
        out[:, start:stop] = made.transpose(1, 0, 2)
        if zero is not None:
            zero[start:stop] = np.clip(value[:, 0], 0, 65535)

    over(band, list(range(len(limits))))
    return out, zero


def _seen(drift: Drift, coupling: float, rows: slice) -> NDArray[np.float32]:
    """What the reference amplifier sees of the drift: (row, read, place)."""
    common = drift.common[:, rows].transpose(1, 0, 2)
    return np.asarray(
        np.float32(coupling) * common + drift.level[rows, :, CHANNELS, None], np.float32
    )
