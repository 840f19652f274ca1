"""Maps of single pixels: bad ones, full well, noise, gain, dark current, IPC.

    read noise    relative error 1 / sqrt(2 n) from n independent differences of two reads
    gain          sqrt(2 / (N m)) from m pairs of flats of the channel's N pixels, and the
                  error of the method (mean-variance, with its correction for IPC)
    dark          var = [ 12 sigma^2 / (n T^2) + D / (g T) ] / m         [(DN/s)^2]

for m darks of n reads and duration T, a pixel of rate D [DN/s], gain g, read noise
sigma: slopes through n reads, photon noise as of a difference. The dark is measured
behind the inter-pixel capacitance, so that a hot pixel shows in its neighbours.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve

from aqueduct.core import dq
from aqueduct.instrument.detectors import CHANNELS
from aqueduct.products.references import (
    DarkDecayReference,
    DarkReference,
    GainReference,
    IpcReference,
    MaskReference,
    ReadnoiseReference,
    SaturationReference,
)
from aqueduct.products.window import CHANNEL, FRAME
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.references.config import ReferenceConfig
from aqueduct.simulate.references.errors import estimated

READS: Final = 55
DURATION: Final = 170.0
"""Reads and seconds of one dark."""


def mask(truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator) -> MaskReference:
    """Known bad pixels, but for some that were missed."""
    flags = truth.dq.copy()
    bad = np.flatnonzero((flags != 0) & (flags != dq.REFERENCE_PIXEL))
    flags.flat[bad[rng.random(len(bad)) < config.missed]] = 0
    return MaskReference(dq=flags)


def saturation(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> SaturationReference:
    """A level somewhat below the full well; none for reference pixels."""
    level = np.float32(config.margin) * estimated(truth.full_well, config.saturation, rng)
    flags = np.where(truth.dq & dq.REFERENCE_PIXEL, np.uint32(dq.NO_SAT_CHECK), np.uint32(0))
    return SaturationReference(data=level, dq=flags)


def read_noise(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> ReadnoiseReference:
    """Scatter of the differences of pairs of reads of all darks.

    It holds the 1/f noise within a read too, but not the offset of a channel, which the
    reference pixels take out.
    """
    correlated = np.float32(truth.pink.common**2 + truth.pink.own**2)
    differences = config.darks * (READS // 2)
    seen = np.sqrt(truth.read_noise**2 + correlated)
    return ReadnoiseReference(data=estimated(seen, 1 / np.sqrt(2 * differences), rng))


def gain(truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator) -> GainReference:
    """One value for each channel; the error of the method is common to all."""
    noise = np.sqrt(2 / (CHANNEL * FRAME * config.gain_pairs))
    common = config.gain * rng.standard_normal()
    channels = 1 + common + noise * rng.standard_normal(CHANNELS)
    return GainReference(data=truth.gain * np.repeat(channels, CHANNEL).astype(np.float32))


def dark(truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator) -> DarkReference:
    """The mean slope of all darks."""
    rate = coupled(truth, truth.dark) / truth.gain
    variance = 12 * truth.read_noise**2 / (READS * DURATION**2) + rate / (truth.gain * DURATION)
    error = np.sqrt(variance / config.darks, dtype=np.float32)
    rate += error * rng.standard_normal(rate.shape, np.float32)
    keep = np.uint32(dq.HOT | dq.WARM)
    return DarkReference(dark_slope=rate, dark_slope_error=error, dq=truth.dq & keep)


def dark_decay(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> DarkDecayReference:
    """Amplitude and time constant of what the reset leaves."""
    amplitude, constant = 1 + config.decay * rng.standard_normal(2)
    return DarkDecayReference(
        amplitude=float(truth.decay * amplitude),
        time_constant=float(truth.decay_time * constant),
    )


def ipc(truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator) -> IpcReference:
    """Capacitance kernel from the neighbours of hot pixels; it sums to 1."""
    kernel = truth.ipc + config.ipc * rng.standard_normal((3, 3))
    return IpcReference(data=np.asarray(kernel / kernel.sum(), np.float32))


def coupled(truth: DetectorTruth, charge: NDArray[Any]) -> NDArray[np.float32]:
    """``charge`` of the full frame as seen through the inter-pixel capacitance."""
    kernel = np.asarray(truth.ipc, np.float32)
    return np.asarray(convolve(charge, kernel, mode="constant"), np.float32)
