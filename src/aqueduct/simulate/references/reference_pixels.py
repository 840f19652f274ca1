"""Weights of the reference amplifier against 1/f noise, as official tools apply them.

The correction of a channel is irfft(alpha rfft(amplifier)), over the 4096 x 140 samples of
a frame (Rauscher et al. 2022, JATIS 8, 028002). The weight that leaves the least variance
is Wiener's, with the powers of the noise at frequency k (cycles per frame):

    alpha = C / (C + O + W),   C, O = c^2, o^2 / (2 H k),   W = w^2 / (4096 x 140)

for noise of RMS c that all channels share, o and w of the amplifier's own, 1/f and white;
H = sum_k 1/k to 2048, beyond which rows hold no 1/f noise. The mean of a frame, k = 0, has
the weight of k = 1: the trends removed before leave the same error in all channels. The left
and right columns tell nothing more and get no weight. One file serves all detectors.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from aqueduct.instrument.detectors import CHANNELS
from aqueduct.products.references import RefpixReference
from aqueduct.products.window import FRAME
from aqueduct.simulate.detector import Pink
from aqueduct.simulate.references.config import ReferenceConfig

_SAMPLES: Final = FRAME * 140
"""Of a channel in a frame: 128 pixels and 12 clocks of each row."""


def reference_pixels(
    pink: Pink, config: ReferenceConfig, rng: np.random.Generator
) -> RefpixReference:
    """Weights for each channel, with an error from the finite number of darks."""
    k = np.arange(1, FRAME // 2 + 1)
    share = 1 / (2 * (1 / k).sum() * k)
    common, own = pink.common**2 * share, pink.own**2 * share
    total = common + own + pink.amplifier**2 / _SAMPLES
    weight = np.divide(common, total, out=np.zeros_like(total), where=total > 0)
    error = 1 + config.weights * rng.standard_normal((CHANNELS, 1))
    alpha = np.zeros((CHANNELS, _SAMPLES // 2 + 1), np.complex128)
    alpha[:, 0] = weight[0] * error[:, 0]
    alpha[:, 1 : len(k) + 1] = weight * error
    none = np.zeros_like(alpha)
    return RefpixReference(gamma=none, zeta=none, alpha=alpha)
