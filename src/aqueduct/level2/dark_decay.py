"""Subtract the decaying signal that follows the reset.

    R_i' = R_i - A mean_r exp(-t_r(x, y) / tau),   t_r = (r - 1.5) t_frame + t_pix(x, y)    [DN]

over the reads r (1-based) of resultant i; A and tau from the reference, with t = 0 in the
middle of the first read; t_pix is when a pixel is read within its frame. The exponential
is a number for each resultant times one for each pixel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.instrument.readout import read_times
from aqueduct.products import Ramp
from aqueduct.products.references import DarkDecayReference


class DarkDecayConfig(StepConfig):
    """Parameters of :func:`dark_decay`."""

    scale: float = Field(1.0, ge=0, description="Multiplier on the reference amplitude")


@step(shape="block", cal_step="dark_decay")
def dark_decay(ramp: Ramp, decay: DarkDecayReference, config: DarkDecayConfig) -> Ramp:
    """Subtract the decaying dark signal.

    Parameters
    ----------
    ramp : Ramp
        DN.
    decay : DarkDecayReference
        Amplitude (DN) and time constant (s) of this detector.
    config : DarkDecayConfig

    Returns
    -------
    Ramp
        DN.
    """
    exposure = ramp.exposure
    window = ramp.window
    pixel = read_times(exposure.detector, exposure.frame_time, window.rows, window.columns)
    within_frame = np.exp(-pixel / decay.time_constant).astype(np.float32)
    of_resultant = [
        np.mean(np.exp(-(np.array(reads) - 1.5) * exposure.frame_time / decay.time_constant))
        for reads in exposure.read_pattern
    ]
    amplitude = (config.scale * decay.amplitude * np.array(of_resultant)).astype(np.float32)
    return replace(ramp, data=ramp.data - amplitude[:, None, None] * within_frame)
