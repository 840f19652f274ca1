"""A detector on which everything is saturated: no rates, an image of zeros.

If every pixel is SATURATED and none has a rate, all planes are 0 DN/s instead of NaN, and
the steps that worked on the ramps are recorded as SKIPPED: so the official pipeline says
that there is nothing to be calibrated. The image keeps its flags and gets its WCS, and with
it a place in the exposure; its catalog is empty.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products import Image
from aqueduct.products.image import PLANES
from aqueduct.products.meta import updated

WITHOUT_EFFECT: Final = (
    "refpix",
    "dark_decay",
    "wfi18_transient",
    "linearity",
    "ramp_fit",
    "dark",
    "flat_field",
)
"""Names in ``meta.cal_step`` of the steps whose work is lost."""


class FullySaturatedConfig(StepConfig):
    """:func:`fully_saturated` has no parameters."""


@step(shape="frame")
def fully_saturated(image: Image, config: FullySaturatedConfig) -> Image:
    """Give a fully saturated detector an image of zeros.

    Parameters
    ----------
    image : Image
    config : FullySaturatedConfig

    Returns
    -------
    Image
        The same, if any pixel is not saturated or has a rate. Otherwise zeros, DN/s, with
        the same flags: DO_NOT_USE and SATURATED everywhere.
    """
    if not _is_full(image):
        return image
    planes: dict[str, Any] = {
        name: np.zeros_like(getattr(image, name)) for name in PLANES if name != "dq"
    }
    flags = image.dq | np.uint32(dq.DO_NOT_USE | dq.SATURATED)
    status = dict.fromkeys(WITHOUT_EFFECT, "SKIPPED")
    return replace(image, **planes, dq=flags, meta=updated(image.meta, cal_step=status))


def _is_full(image: Image) -> bool:
    """Row by row: most detectors are told by their first."""
    return all(
        (flags & dq.SATURATED).all() and not np.isfinite(values).any()
        for flags, values in zip(image.dq, image.data, strict=True)
    )
