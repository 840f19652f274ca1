"""Count rate to surface brightness.

    data, err, dumo x C;  var_poisson, var_rnoise, var_flat x C^2        [MJy/sr]

with C = ``meta.photometry.conversion_megajanskys`` in MJy/sr per DN/s. Unlike romancal
1.1, ``dumo`` is scaled too: it is a difference of rates and keeps their unit.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.level3._common import file_name
from aqueduct.products import Image
from aqueduct.products.meta import Meta, updated


class FluxConfig(StepConfig):
    """No parameters."""


@step(shape="frame", cal_step="flux")
def flux(image: Image, config: FluxConfig) -> Image:
    """Convert an image from DN/s to MJy/sr.

    Parameters
    ----------
    image : Image
        DN/s, with ``meta.photometry`` filled in.
    config : FluxConfig

    Returns
    -------
    Image
        MJy/sr, planes in float32, and ``meta.cal_step.flux`` COMPLETE. ``meta.background``
        no longer has a level: the one of Level 2 is in DN/s.

    Raises
    ------
    InputError
        If the image is in MJy/sr already, or its conversion factor is unknown.
    """
    where = file_name(image)
    if image.meta.get("cal_step", {}).get("flux") == "COMPLETE":
        raise InputError("is in MJy/sr already", where=where, hint="leave out the step flux")
    value = image.meta.get("photometry", {}).get("conversion_megajanskys")
    if value is None or not (np.isfinite(value) and value > 0):
        raise InputError(
            f"meta.photometry.conversion_megajanskys is {value}",
            where=where,
            hint="run photom on it, with a reference that knows its optical element",
        )
    factor = np.float32(value)
    extras = dict(image.extras)
    if "var_flat" in extras:
        extras["var_flat"] = np.multiply(extras["var_flat"], factor**2, dtype=np.float32)
    return replace(
        image,
        # float16 would lose small variances to underflow.
        **{
            name: np.multiply(getattr(image, name), factor**power, dtype=np.float32)
            for name, power in _POWERS.items()
        },
        extras=extras,
        meta=_meta(image),
    )


def _meta(image: Image) -> Meta:
    meta = updated(image.meta, cal_step={"flux": "COMPLETE"})
    return updated(meta, background={"level": None}) if meta.get("background") else meta


_POWERS = {"data": 1, "err": 1, "dumo": 1, "var_poisson": 2, "var_rnoise": 2}
