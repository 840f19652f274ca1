"""Correlated noise of the readout, in the order of time: what refpix has to remove.

Channel c gives, for the sample at place j of row r in read i,

    d(i, c, r, j) = k_c common(i, r, j) + level(i, c, r)                      [DN]

``common`` is one series of 1/f noise at the pixel clock, 142 clocks a row, seen by all
channels with known couplings k_c; ``level`` holds what is slower than a row of each
channel's own 1/f noise, and the wander of its offset from read to read. Both bands of
``common`` have one power law: its variance from f1 to f2 is proportional to ln(f2 / f1),

    within a frame       1 / frame .. half the pixel clock    RMS as given
    from read to read    1 / (2 reads) .. 1 / 2 of a frame    interpolated in time

Reference pixels see what their channel sees. Channel 32 is the reference amplifier, read at
the same time: what it sees of ``common`` tells what the others see.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import StepConfig
from aqueduct.core.threads import over
from aqueduct.instrument.detectors import CHANNELS, flips_columns
from aqueduct.instrument.readout import ROW_CLOCKS
from aqueduct.kernels.compile import jit
from aqueduct.products.window import CHANNEL
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.signatures.frame import Act, Band, Drift, Frame

Plane = NDArray[Any]

_ALL: Final = CHANNELS + 1


def pink(frame: Frame, config: StepConfig, rng: np.random.Generator) -> Act | None:
    """Add the drift of the frame."""
    if frame.drift is None:
        return None
    common, level = frame.drift
    coupling = np.asarray(frame.truth.pink.coupling, np.float32)

    def apply(band: Band) -> None:
        _add_drift(common, level[band.rows], coupling, band.first, band.signal)

    return Act(apply)


def draw_drift(truth: DetectorTruth, reads: int, rows: int, rng: np.random.Generator) -> Drift:
    """Draw the correlated noise of an exposure."""
    noise = truth.pink
    samples = rows * ROW_CLOCKS
    seeds = rng.integers(0, 2**63, reads)
    backwards = not flips_columns(truth.detector)

    common = np.empty((reads, rows, CHANNEL), np.float32)

    def within(read: int) -> None:
        series = np.float32(noise.common) * series_1f(
            (), samples, np.random.default_rng(seeds[read])
        )
        places = series.reshape(rows, ROW_CLOCKS)[:, :CHANNEL]
        common[read] = places[::-1] if backwards else places

    over(within, list(range(reads)))
    slow = noise.wander * series_1f((_ALL,), 2 * reads, rng)[:, : reads + 1]
    share = np.log(2.0 * reads) / np.log(samples / 2)
    shared = noise.common * np.sqrt(share) * series_1f((1,), 2 * reads, rng)[:, : reads + 1]
    slow = slow + np.asarray(noise.coupling, np.float32)[:, None] * shared
    part = ((np.arange(rows) + 0.5) / rows).astype(np.float32)
    level = slow[:, :-1] + part[:, None, None] * np.diff(slow)
    level = level.transpose(0, 2, 1) + noise.own * series_1f((reads, _ALL), rows, rng).transpose(
        2, 0, 1
    )
    level = level[::-1] if backwards else level
    return Drift(common, np.ascontiguousarray(level, np.float32))


def series_1f(shape: tuple[int, ...], samples: int, rng: np.random.Generator) -> Plane:
    """Series of power ~ 1/f, zero mean and unit expected variance."""
    from scipy.fft import irfft, next_fast_len

    length = next_fast_len(samples, real=True)
    amplitude = np.zeros(length // 2 + 1, np.float32)
    amplitude[1:] = np.arange(1, len(amplitude), dtype=np.float32) ** -0.5
    spectrum = np.empty((*shape, len(amplitude)), np.complex64)
    rng.standard_normal(out=spectrum.view(np.float32), dtype=np.float32)
    power = 4 * float((amplitude.astype(np.float64) ** 2).sum())
    spectrum *= amplitude * np.float32(length / np.sqrt(power))
    return np.asarray(irfft(spectrum, n=length, overwrite_x=True)[..., :samples])


@jit
def _add_drift(common: Plane, level: Plane, coupling: Plane, first: int, signal: Plane) -> None:
    rows, reads, columns = signal.shape
    backwards = np.empty(CHANNEL, np.float32)
    for row in range(rows):
        for read in range(reads):
            forwards = common[read, first + row]
            for j in range(CHANNEL):
                backwards[j] = forwards[CHANNEL - 1 - j]
            for start in range(0, columns, CHANNEL):
                channel = start // CHANNEL
                series = backwards if channel % 2 else forwards
                out = signal[row, read, start : min(start + CHANNEL, columns)]
                factor, more = coupling[channel], level[row, read, channel]
                for j in range(out.shape[0]):
                    out[j] += factor * series[j] + more
