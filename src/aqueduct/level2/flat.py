"""Divide by the flat field.

    data' = data / f,  err' = err / f,  dumo' = dumo / f,  var' = var / f^2

with f the relative response of a pixel. Where f is zero, not finite or flagged
NO_FLAT_FIELD, f = 1. On request its error s_f is added to ``err``:

    err'^2 += (data' s_f / f)^2
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.kernels.half import widened
from aqueduct.products import Image
from aqueduct.products.references import FlatReference


class FlatConfig(StepConfig):
    """Parameters of :func:`flat`."""

    include_var_flat: bool = Field(False, description="Add the flat field's variance to err")


@step(shape="block", cal_step="flat_field")
def flat(image: Image, flat: FlatReference, config: FlatConfig) -> Image:
    """Divide by the flat field.

    Parameters
    ----------
    image : Image
        DN/s.
    flat : FlatReference
        Relative response.
    config : FlatConfig

    Returns
    -------
    Image
        DN/s, with the reference's flags and NO_FLAT_FIELD added.
    """
    unknown = ~np.isfinite(flat.data) | (flat.data == 0) | ((flat.dq & dq.NO_FLAT_FIELD) != 0)
    response = np.where(unknown, np.float32(1), flat.data)
    gain = np.float32(1) / response
    data, err = image.data / response, _single(image.err) * gain
    if config.include_var_flat:
        err = np.sqrt(err**2 + np.where(unknown, 0, data * flat.err * gain) ** 2)
    return replace(
        image,
        data=data,
        dq=image.dq | flat.dq | unknown * np.uint32(dq.NO_FLAT_FIELD),
        err=err,
        var_poisson=_single(image.var_poisson) * gain**2,
        var_rnoise=_single(image.var_rnoise) * gain**2,
        dumo=_single(image.dumo) * gain,
    )


def _single(plane: NDArray[Any]) -> NDArray[np.float32]:
    return widened(plane) if plane.dtype == np.float16 else plane
