"""Subtract the decaying signal that follows the reset.

    R_i' = R_i - A mean_r exp(-t_r(x, y) / tau),   t_r = (r - 1.5) t_frame + t_pix(x, y)    [DN]

over the reads r (1-based) of resultant i; A and tau from the reference, with t = 0 in the
middle of the first read; t_pix is when a pixel is read within its frame. The exponential
is a number for each resultant times one for each row and one for each column.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.instrument.readout import row_and_column_times
from aqueduct.kernels.compile import jit
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
    times = row_and_column_times(
        exposure.detector, exposure.frame_time, window.rows, window.columns
    )
    of_row, of_column = (np.exp(-each / decay.time_constant) for each in times)
    of_resultant = [
        np.mean(np.exp(-(np.array(reads) - 1.5) * exposure.frame_time / decay.time_constant))
        for reads in exposure.read_pattern
    ]
    amplitude = config.scale * decay.amplitude * np.multiply.outer(of_resultant, of_row)
    data = np.empty(ramp.data.shape, np.float32)
    _subtract(
        np.ascontiguousarray(ramp.data),
        amplitude.astype(np.float32),
        of_column.astype(np.float32),
        data,
    )
    return replace(ramp, data=data)


@jit
def _subtract(
    data: NDArray[np.float32],
    amplitude: NDArray[np.float32],
    of_column: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """``out`` = ``data`` - ``amplitude`` (resultant, row) * ``of_column``."""
    resultants, rows, _ = data.shape
    for i in range(resultants):
        for row in range(rows):
            _subtract_row(data[i, row], amplitude[i, row], of_column, out[i, row])


@jit
def _subtract_row(
    data: NDArray[np.float32],
    amplitude: float,
    decay: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    for c in range(data.size):
        out[c] = data[c] - amplitude * decay[c]
