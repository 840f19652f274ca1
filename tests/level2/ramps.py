"""Simulated ramps, and the fit of them."""

from __future__ import annotations

import numpy as np

from aqueduct.level2.ramp_fit import RampFitConfig, ramp_fit
from aqueduct.products import Image, Ramp, Window
from aqueduct.products.references import FileReference, GainReference, ReadnoiseReference

PATTERN = ((1,), (2, 3), (5, 6, 7, 8), (9, 10, 11), (12,), (13, 14), (15, 16, 17))
TIME = 3.04
GAIN, NOISE = 1.8, 6.0
PLANES = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo")


def resultants(
    rate: float, shape: tuple[int, int], rng: np.random.Generator, pattern=PATTERN
) -> np.ndarray:
    """Simulated DN: Poisson charge between reads, read noise on each read."""
    steps = rng.poisson(rate * GAIN * TIME, (pattern[-1][-1], *shape))
    reads = 5000 + np.cumsum(steps, axis=0) / GAIN + rng.normal(0, NOISE, steps.shape)
    return np.array([reads[np.array(one) - 1].mean(axis=0) for one in pattern], np.float32)


def ramp_of(
    data: np.ndarray,
    groupdq: np.ndarray | None = None,
    pattern=PATTERN,
    frame_time: float = TIME,
) -> Ramp:
    shape = data.shape[1:]
    meta = {
        "instrument": {"detector": "WFI01", "optical_element": "F158"},
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": frame_time,
            "read_pattern": [list(reads) for reads in pattern],
            "start_time": None,
        },
    }
    flags = np.zeros(data.shape, np.uint8) if groupdq is None else groupdq
    return Ramp(data, flags, np.zeros(shape, np.uint32), meta, Window(0, 0, *shape))


def references(
    shape: tuple[int, int], gain: float = GAIN, noise: float = NOISE
) -> dict[str, FileReference]:
    return {
        "readnoise": ReadnoiseReference(data=np.full(shape, noise, np.float32)),
        "gain": GainReference(data=np.full(shape, gain, np.float32)),
    }


def fit(
    data: np.ndarray,
    groupdq: np.ndarray | None = None,
    pattern=PATTERN,
    gain: float = GAIN,
    noise: float = NOISE,
    frame_time: float = TIME,
    **config: object,
) -> Image:
    ramp = ramp_of(data, groupdq, pattern, frame_time)
    return ramp_fit(ramp, **references(data.shape[1:], gain, noise), config=RampFitConfig(**config))
