"""Flag jumps in ramps, as the likelihood fit finds them.

A jump is a difference of resultants whose omission lowers the chi-square of the fit by more
than a threshold; the equations are those of :mod:`aqueduct.level2.ramp_fit` (Brandt 2024,
PASP 136, 045005). The fit finds its jumps by itself: this step is for what must know them
before the fit, such as :mod:`aqueduct.level2.snowballs`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.level2 import _likelihood
from aqueduct.level2._likelihood import JUMPED
from aqueduct.level2.ramp_fit import search_for, timing_of
from aqueduct.products import Ramp
from aqueduct.products.references import GainReference, ReadnoiseReference


class JumpConfig(StepConfig):
    """Parameters of :func:`jump`."""

    rejection_threshold: float = Field(
        4.5, gt=0, le=30, description="Significance, in sigma, above which a jump is flagged"
    )
    loss_penalty: float = Field(
        10.0, ge=0, le=1000, description="Further drop of chi-square for a sudden loss of charge"
    )


@step(shape="block")
def jump(
    ramp: Ramp, readnoise: ReadnoiseReference, gain: GainReference, config: JumpConfig
) -> Ramp:
    """Flag the resultants that jumps end with as JUMP_DET.

    Parameters
    ----------
    ramp : Ramp
        Linear DN; with fewer than four resultants nothing is found.
    readnoise : ReadnoiseReference
        DN, of one read. A pixel without a usable one, or without a gain, has no jumps.
    gain : GainReference
        e/DN.
    config : JumpConfig

    Returns
    -------
    Ramp
        The same data, with more group flags.

    Raises
    ------
    InputError
        With fewer than two resultants, or a read pattern that doesn't match them.
    """
    timing = timing_of(ramp)
    flat = (len(ramp.data), -1)
    groups = np.ascontiguousarray(ramp.groupdq).reshape(flat)
    state = _likelihood.states(groups, True)
    _likelihood.search(
        np.ascontiguousarray(ramp.data).reshape(flat),
        state,
        np.array(gain.data, np.float32).ravel(),
        np.array(readnoise.data, np.float32).ravel(),
        timing,
        search_for(True, config.rejection_threshold, "bridge", config.loss_penalty),
    )
    found = np.where(state == JUMPED, np.uint8(dq.JUMP_DET), np.uint8(0))
    return replace(ramp, groupdq=(groups | found).reshape(ramp.groupdq.shape))
