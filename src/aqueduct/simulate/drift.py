"""Drift of the readout: what the reference pixels see, and refpix has to remove.

For resultant i of N_i reads, channel c and row r of 4096,

    d(i, c, r) = o + k (r - r_mid) / 4096 + [ common(i, r) + own(i, c, r) ]        [DN]

with an offset o and a slope k of each channel and resultant, and 1/f noise, one series
shared by all channels and one of each; all are of one read and fall as sqrt(N_i). A row
is short beside the noise's time scales, so that it has one value. Channel 32 is the
reference amplifier.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.instrument.detectors import CHANNELS
from aqueduct.instrument.matables import MATable
from aqueduct.products.window import CHANNEL, FRAME


class DriftConfig(StepConfig):
    """Amplitudes of one read, DN RMS."""

    offset: float = Field(5.0, ge=0, description="Offset of a channel")
    slope: float = Field(1.0, ge=0, description="Change of a channel from first to last row")
    common: float = Field(1.0, ge=0, description="1/f noise shared by all channels")
    own: float = Field(0.2, ge=0, description="1/f noise of each channel")
    amplifier: float = Field(3.0, ge=0, description="White noise of the reference amplifier")


def draw_drift(
    table: MATable, config: DriftConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Draw the drift (resultant, channel 0 to 32, row) in DN."""
    shape = (len(table.read_pattern), CHANNELS + 1)
    ramp = (np.arange(FRAME) - (FRAME - 1) / 2) / FRAME
    drift = config.offset * rng.standard_normal((*shape, 1))
    drift = drift + config.slope * rng.standard_normal((*shape, 1)) * ramp
    drift += config.common * _pink((shape[0], 1), rng) + config.own * _pink(shape, rng)
    reads = np.array([len(reads) for reads in table.read_pattern])
    return np.asarray(drift / np.sqrt(reads)[:, None, None], np.float32)


def reference_amplifier(
    table: MATable,
    drift: NDArray[np.float32],
    pedestal: float,
    config: DriftConfig,
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Read the reference amplifier: (resultant, 4096, 128) DN."""
    reads = np.array([len(reads) for reads in table.read_pattern], np.float32)[:, None, None]
    noise = rng.standard_normal((len(reads), FRAME, CHANNEL), np.float32)
    noise *= np.float32(config.amplifier) / np.sqrt(reads)
    value = noise + drift[:, CHANNELS, :, None] + np.float32(pedestal)
    value -= 0.5 * (reads - 1) / reads  # as for the pixels: see ramps
    return np.asarray(np.floor(np.clip(value, 0, 65535)), np.uint16)


def _pink(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Series of 4096 numbers with power ~ 1/f, zero mean and unit expected variance."""
    spectrum = np.fft.rfft(rng.standard_normal((*shape, FRAME)))
    frequency = np.arange(spectrum.shape[-1])
    amplitude = np.zeros(len(frequency))
    amplitude[1:] = frequency[1:] ** -0.5
    # All but the last term stand for two of the full transform (Parseval).
    power = (2 * (amplitude[:-1] ** 2).sum() + amplitude[-1] ** 2) / FRAME
    series: NDArray[np.float64] = np.fft.irfft(spectrum * amplitude / np.sqrt(power), n=FRAME)
    return series
