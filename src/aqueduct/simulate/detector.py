"""The truth about a detector: response, noise and defects of every pixel.

A pixel that has collected e electrons reads, before noise and drift,

    L = e / g + p           linear signal                           [DN]
    F = L - s L^2           what the amplifier gives, F <= full well [DN]

with gain g, reset level p and nonlinearity s. The inverse is exact:
L = (1 - sqrt(1 - 4 s F)) / (2 s). Reference pixels collect nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.instrument.detectors import CHANNELS
from aqueduct.instrument.noise import detector_noise
from aqueduct.products.window import CHANNEL, FRAME, SCIENCE_WINDOW

Plane = NDArray[np.float32]


class DetectorConfig(StepConfig):
    """What the truth about a detector is drawn from."""

    gain: float = Field(1.8, gt=0, description="Mean gain, electron/DN")
    gain_scatter: float = Field(0.01, ge=0, description="RMS of gain between channels")
    response_scatter: float = Field(0.01, ge=0, description="RMS of response between pixels")
    response_trend: float = Field(0.02, ge=0, description="RMS of response over large scales")
    nonlinearity: float = Field(
        8e-7, ge=0, le=2e-6, description="Mean quadratic nonlinearity s, 1/DN"
    )
    full_well: float = Field(55_000.0, gt=0, lt=65_536, description="Saturation level, DN")
    pedestal: float = Field(5_000.0, ge=0, description="Mean reset level, DN")
    warm: float = Field(4e-3, ge=0, le=1, description="Fraction of warm pixels")
    hot: float = Field(2e-3, ge=0, le=1, description="Fraction of hot pixels")
    decay: float = Field(0.4, description="Signal left after the reset, DN at the first read")
    decay_time: float = Field(23.0, gt=0, description="Time constant of its decay, s")
    dead: float = Field(1e-3, ge=0, le=1, description="Fraction of dead pixels")
    low: float = Field(1e-3, ge=0, le=1, description="Fraction of pixels of low response")


@dataclass(frozen=True)
class DetectorTruth:
    """Full-frame maps, float32 (4096, 4096) unless said otherwise.

    Attributes
    ----------
    detector : str
    gain : ndarray
        Electron/DN.
    response : ndarray
        Relative to a perfect pixel; 0 on reference pixels.
    dark : ndarray
        Electron/s.
    read_noise : ndarray
        DN, one read.
    nonlinearity : ndarray
        s, 1/DN.
    full_well : ndarray
        DN.
    pedestal : ndarray
        DN.
    dq : ndarray of uint32
        Flags of the bad pixels and the reference pixels.
    decay, decay_time : float
        Signal left after the reset: DN in the middle of the first read, and time constant, s.
    """

    detector: str
    gain: Plane
    response: Plane
    dark: Plane
    read_noise: Plane
    nonlinearity: Plane
    full_well: Plane
    pedestal: Plane
    dq: NDArray[np.uint32]
    decay: float = 0.0
    decay_time: float = 1.0


def draw_detector(detector: str, config: DetectorConfig, rng: np.random.Generator) -> DetectorTruth:
    """Draw the truth about one detector, about its measured noise and dark current."""
    known = detector_noise(detector)
    shape = (FRAME, FRAME)

    def scatter(rms: float) -> Plane:
        return np.asarray(1 + rms * rng.standard_normal(shape, np.float32), np.float32)

    flags, response, dark = _defects(config, known.dark, rng)
    response *= scatter(config.response_scatter) * _trend(config.response_trend, rng)
    gain = config.gain * (1 + config.gain_scatter * rng.standard_normal(CHANNELS))
    columns = np.repeat(gain, CHANNEL).astype(np.float32)
    science = (SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns)
    inside = np.zeros(shape, bool)
    inside[science] = True
    flags[~inside] = dq.REFERENCE_PIXEL
    return DetectorTruth(
        detector,
        gain=np.broadcast_to(columns, shape),
        response=np.where(inside, response, np.float32(0)),
        dark=np.where(inside, dark, np.float32(0)),
        read_noise=np.exp(rng.normal(0, 0.1, shape), dtype=np.float32)
        * np.float32(known.read / config.gain),
        nonlinearity=np.where(inside, np.float32(config.nonlinearity) * scatter(0.05), 0).astype(
            np.float32
        ),
        full_well=np.float32(config.full_well) * scatter(0.02),
        pedestal=np.float32(config.pedestal) * scatter(0.03),
        dq=flags,
        decay=config.decay,
        decay_time=config.decay_time,
    )


def _defects(
    config: DetectorConfig, dark: float, rng: np.random.Generator
) -> tuple[NDArray[np.uint32], Plane, Plane]:
    """Flags, relative response and dark rate of pixels, some of them bad."""
    shape = (FRAME, FRAME)
    flags, response = np.zeros(shape, np.uint32), np.ones(shape, np.float32)
    rate = np.float32(dark) * np.exp(0.2 * rng.standard_normal(shape, np.float32))
    lot = rng.random(shape, np.float32)
    edges = np.cumsum([config.warm, config.hot, config.dead, config.low])
    warm, hot, dead, low = (
        (lot >= start) & (lot < stop) for start, stop in zip([0, *edges], edges, strict=False)
    )
    rate[warm] = 10 ** rng.uniform(-1, 0, np.count_nonzero(warm))
    rate[hot] = 10 ** rng.uniform(0, 2.5, np.count_nonzero(hot))
    response[dead] = 0.0
    response[low] = rng.uniform(0.2, 0.7, np.count_nonzero(low))
    flags[warm] = dq.WARM
    flags[hot] = dq.HOT | dq.DO_NOT_USE
    flags[dead] = dq.DEAD | dq.DO_NOT_USE
    flags[low] = dq.LOW_QE
    return flags, response, rate


def _trend(rms: float, rng: np.random.Generator) -> Any:
    """A smooth map about 1, on scales of an eighth of the detector."""
    coarse = gaussian_filter(rng.standard_normal((64, 64)), 6, mode="nearest")
    rows = np.linspace(0, 63, FRAME)
    low = np.minimum(rows.astype(np.int64), 62)
    part = (rows - low)[:, None]
    tall = (coarse[low] * (1 - part) + coarse[low + 1] * part).T
    smooth = (tall[low] * (1 - part) + tall[low + 1] * part).T
    return (1 + rms * (smooth - smooth.mean()) / smooth.std()).astype(np.float32)
