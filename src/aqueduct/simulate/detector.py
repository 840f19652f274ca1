"""The truth about a detector: response, noise and defects of every pixel.

A pixel that has collected e electrons reads, before noise and drift,

    L = e / g + p           linear signal                           [DN]
    F = L - s L^2           what the amplifier gives, F <= full well [DN]

with gain g, reset level p and nonlinearity s. The inverse is exact:
L = (1 - sqrt(1 - 4 s F)) / (2 s). Reference pixels collect nothing.

The measured noise of one read, CDS / sqrt(2), is shared out over white noise of the pixel
and the correlated noise within a frame. The noise of the slope through 55 reads is larger
than white and photon noise explain; what is missing is slow noise of each pixel, power
~ 1/f, written in its cosine modes k = 1 .. 4 over the exposure:

    total^2 = w^2 T^2 var(slope | 1) + 6/5 dark T + A^2 sum_k s_k^2 / k,

with s_k the slope, times T of 54 frames, through cos(pi k (r - 1/2) / 55), r = 1 .. 55.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import gaussian_filter

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.threads import over
from aqueduct.instrument.detectors import CHANNELS
from aqueduct.instrument.noise import (
    IPC,
    TOTAL_READS,
    TOTAL_TIME,
    DetectorNoise,
    Persistence,
    detector_noise,
    persistence,
)
from aqueduct.products.window import CHANNEL, FRAME, SCIENCE_WINDOW

Plane = NDArray[np.float32]

CODES: Final = 65_536
"""Values of the converter."""
PIXEL_MODES: Final = 4
"""Cosine modes of the slow noise of a pixel."""


class Transient(NamedTuple):
    """First-read transient of WFI18: a exp(-t / tau_a) + b exp(-t / tau_b)  [DN], t in s."""

    a: float
    tau_a: float
    b: float
    tau_b: float


class Pink(NamedTuple):
    """Correlated noise, DN RMS of one read.

    Attributes
    ----------
    common, own : float
        1/f noise within a frame, shared by all channels and of each.
    wander : float
        Offset of a channel from read to read.
    pixel : float
        A, amplitude of the slow noise of a pixel.
    amplifier : float
        White noise of the reference amplifier.
    coupling : tuple of float
        What each of the 33 channels, the reference amplifier last, sees of the common noise.
    """

    common: float = 0.0
    own: float = 0.0
    wander: float = 0.0
    pixel: float = 0.0
    amplifier: float = 0.0
    coupling: tuple[float, ...] = (1.0,) * (CHANNELS + 1)


class Telegraph(NamedTuple):
    """Pixels that jump between two levels: flat index in the frame, DN between the levels."""

    pixel: NDArray[np.int64] = np.zeros(0, np.int64)
    amplitude: NDArray[np.float32] = np.zeros(0, np.float32)


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
    telegraph: float = Field(5e-4, ge=0, le=1, description="Fraction of telegraph pixels")
    telegraph_jump: float = Field(30.0, ge=0, description="RMS of their jumps, DN")
    inl_smooth: float = Field(2.0, ge=0, description="RMS of the smooth integral nonlinearity, DN")
    inl_bit: float = Field(0.3, ge=0, description="RMS error of each bit of the converter, DN")
    common: float = Field(1.0, ge=0, description="1/f noise shared by all channels, DN RMS")
    own: float = Field(0.2, ge=0, description="1/f noise of each channel, DN RMS")
    wander: float = Field(5.0, ge=0, description="Offset of a channel from read to read, DN RMS")
    amplifier: float = Field(3.0, ge=0, description="White noise of the reference amplifier, DN")
    coupling_scatter: float = Field(
        0.03, ge=0, description="RMS of what channels see of the common noise"
    )
    transient: tuple[float, float, float, float] = Field(
        (60.0, 0.22, -6.0, 0.74), description="WFI18's first read: a (DN), tau (s), b (DN), tau (s)"
    )


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
    ipc : ndarray of float64, (3, 3)
        Share of a pixel's signal seen at (row - 1, column - 1) .. (row + 1, column + 1) of
        it, in the science frame; sums to 1.
    inl : ndarray of float32, (32, 65536)
        DN that calibration adds to each value of a channel's converter.
    persistence : Persistence
    transient : Transient or None
        WFI18 alone has one.
    pink : Pink
    telegraph : Telegraph
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
    ipc: NDArray[np.float64] = field(default_factory=IPC.copy)
    inl: NDArray[np.float32] = field(
        default_factory=lambda: np.zeros((CHANNELS, CODES), np.float32)
    )
    persistence: Persistence = field(default_factory=Persistence)
    transient: Transient | None = None
    pink: Pink = field(default_factory=Pink)
    telegraph: Telegraph = field(default_factory=Telegraph)


def draw_detector(detector: str, config: DetectorConfig, rng: np.random.Generator) -> DetectorTruth:
    """Draw the truth about one detector, about its measured noise and dark current."""
    known = detector_noise(detector)
    inside = np.zeros((FRAME, FRAME), bool)
    inside[SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns] = True
    streams = iter(rng.spawn(9))
    gain = config.gain * (1 + config.gain_scatter * next(streams).standard_normal(CHANNELS))
    pink, white = _noise(config, known, next(streams))
    draws: list[Callable[[], Any]] = [
        partial(_defects, config, known.dark, inside, next(streams)),
        partial(_response, config, next(streams)),
        partial(_read_noise, white, next(streams)),
        partial(_scattered, config.nonlinearity, 0.05, next(streams)),
        partial(_scattered, config.full_well, 0.02, next(streams)),
        partial(_scattered, config.pedestal, 0.03, next(streams)),
        partial(integral_nonlinearity, config, next(streams)),
    ]
    defects, response, read_noise, nonlinearity, full_well, pedestal, inl = over(_drawn, draws)
    flags, share, dark, telegraph = defects
    response *= share
    nonlinearity *= inside
    columns = np.repeat(gain, CHANNEL).astype(np.float32)
    return DetectorTruth(
        detector,
        gain=np.broadcast_to(columns, inside.shape),
        response=response,
        dark=dark,
        read_noise=read_noise,
        nonlinearity=nonlinearity,
        full_well=full_well,
        pedestal=pedestal,
        telegraph=telegraph,
        dq=flags,
        decay=config.decay,
        decay_time=config.decay_time,
        inl=inl,
        persistence=persistence(detector),
        transient=Transient(*config.transient) if detector == "WFI18" else None,
        pink=pink,
    )


def _drawn(draw: Callable[[], Any]) -> Any:
    return draw()


def _scattered(mean: float, rms: float, rng: np.random.Generator) -> Plane:
    """A map about ``mean`` with a relative scatter."""
    made = rng.standard_normal((FRAME, FRAME), np.float32)
    made *= np.float32(mean * rms)
    made += np.float32(mean)
    return made


def _read_noise(white: float, rng: np.random.Generator) -> Plane:
    made = rng.standard_normal((FRAME, FRAME), np.float32)
    made *= np.float32(0.1)
    np.exp(made, out=made)
    made *= np.float32(white)
    return made


def _response(config: DetectorConfig, rng: np.random.Generator) -> Plane:
    """Response of good pixels."""
    made = _scattered(1.0, config.response_scatter, rng)
    made *= _trend(config.response_trend, rng)
    return made


def _noise(
    config: DetectorConfig, known: DetectorNoise, rng: np.random.Generator
) -> tuple[Pink, float]:
    """Correlated noise, and the white noise of a pixel, DN."""
    correlated = config.common**2 + config.own**2
    white = np.sqrt(max((known.read / config.gain) ** 2 - correlated, 0.0))
    coupling = 1 + config.coupling_scatter * rng.standard_normal(CHANNELS + 1)
    return (
        Pink(
            common=config.common,
            own=config.own,
            wander=config.wander,
            pixel=slow_noise(known) / config.gain,
            amplifier=config.amplifier,
            coupling=tuple(coupling.tolist()),
        ),
        float(white),
    )


def slow_noise(known: DetectorNoise) -> float:
    """A, electron: what the total noise has beyond white and photon noise."""
    read = np.arange(1, TOTAL_READS + 1)
    lever = read - read.mean()
    slope = lever / (lever**2).sum() * (TOTAL_READS - 1)
    k = np.arange(1, PIXEL_MODES + 1)
    modes = np.cos(np.pi * k[:, None] * (read - 0.5) / TOTAL_READS) @ slope
    white = known.read**2 * (slope**2).sum()
    missing = known.total**2 - white - 1.2 * known.dark * TOTAL_TIME
    return float(np.sqrt(max(missing, 0.0) / (modes**2 / k).sum()))


def integral_nonlinearity(config: DetectorConfig, rng: np.random.Generator) -> NDArray[np.float32]:
    """Draw what calibration adds: (32, 65536) DN.

    A smooth curve, on scales of 4000 DN, and an error of its own for each bit of the
    value; without mean and slope, which belong to pedestal and gain.
    """
    coarse = gaussian_filter(rng.standard_normal((CHANNELS, 257)), (0, 8), mode="reflect")
    coarse *= config.inl_smooth / max(coarse.std(), 1e-9)
    value = np.arange(CODES)
    knots = np.linspace(0, CODES - 1, coarse.shape[1])
    errors = config.inl_bit * rng.standard_normal((CHANNELS, 16))
    bits = ((value[:, None] >> np.arange(16)) & 1) - 0.5
    made = np.empty((CHANNELS, CODES), np.float32)
    lever = value - value.mean()
    for channel in range(CHANNELS):
        curve = np.interp(value, knots, coarse[channel]) + bits @ errors[channel]
        curve -= curve.mean()
        made[channel] = curve - lever * (curve @ lever / (lever @ lever))
    return made


def _telegraph(
    config: DetectorConfig, flags: NDArray[np.uint32], rng: np.random.Generator
) -> Telegraph:
    """Pick telegraph pixels among the good ones and flag them."""
    count = rng.binomial(flags.size, config.telegraph)
    index = np.unique(rng.integers(0, flags.size, count))
    index = index[flags.flat[index] == 0]
    flags.flat[index] = dq.parse("TELEGRAPH")
    jump = config.telegraph_jump * rng.standard_normal(len(index))
    return Telegraph(index, jump.astype(np.float32))


def _defects(
    config: DetectorConfig, dark: float, inside: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.uint32], Plane, Plane, Telegraph]:
    """Flags, relative response, dark rate and jumps of pixels, some of them bad."""
    shape = inside.shape
    flags, response = np.zeros(shape, np.uint32), inside.astype(np.float32)
    rate = rng.standard_normal(shape, np.float32)
    rate *= np.float32(0.2)
    np.exp(rate, out=rate)
    rate *= np.float32(dark)
    lot = rng.random(shape, np.float32)
    edges = np.cumsum([config.warm, config.hot, config.dead, config.low])
    bad = np.flatnonzero((lot < edges[-1]) & inside)
    kind = np.searchsorted(edges, lot.flat[bad], side="right")
    warm, hot, dead, low = (bad[kind == k] for k in range(len(edges)))
    rate.flat[warm] = 10 ** rng.uniform(-1, 0, len(warm))
    rate.flat[hot] = 10 ** rng.uniform(0, 2.5, len(hot))
    response.flat[dead] = 0.0
    response.flat[low] = rng.uniform(0.2, 0.7, len(low))
    flags.flat[warm] = dq.WARM
    flags.flat[hot] = dq.HOT | dq.DO_NOT_USE
    flags.flat[dead] = dq.DEAD | dq.DO_NOT_USE
    flags.flat[low] = dq.LOW_QE
    flags[~inside] = dq.REFERENCE_PIXEL
    rate *= inside
    return flags, response, rate, _telegraph(config, flags, rng)


def _trend(rms: float, rng: np.random.Generator) -> Plane:
    """A smooth map about 1, on scales of an eighth of the detector."""
    knots = 64
    coarse = gaussian_filter(rng.standard_normal((knots, knots)), 6, mode="nearest")
    place = np.linspace(0, knots - 1, FRAME)
    share = np.maximum(1 - np.abs(place[:, None] - np.arange(knots)), 0)  # linear between knots
    smooth = (share @ coarse).astype(np.float32) @ share.T.astype(np.float32)
    smooth -= smooth.mean(dtype=np.float64)
    smooth *= np.float32(rms / max(float(smooth.std(dtype=np.float64)), 1e-9))
    smooth += 1
    return np.asarray(smooth)
