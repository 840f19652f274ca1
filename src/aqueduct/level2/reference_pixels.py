"""Keep the reference pixels of a ramp for its image.

The science area loses them, but the noise of an exposure can be studied only with them:
``amp33`` and the four-pixel borders travel uncorrected, in DN, to the Level 2 product.

As RAD defines them, the bottom border is rows 0 to 3 and the top border the last four.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.level2.dq_init import decoded, encoding_offset
from aqueduct.products import Raw, Window
from aqueduct.products.references import MaskReference
from aqueduct.products.window import BORDER, CHANNEL, FRAME

BORDERS: Final[dict[str, Window]] = {
    "left": Window(0, 0, FRAME, BORDER),
    "right": Window(0, FRAME - BORDER, FRAME, BORDER),
    "top": Window(FRAME - BORDER, 0, BORDER, FRAME),
    "bottom": Window(0, 0, BORDER, FRAME),
}


class ReferencePixelsConfig(StepConfig):
    """:func:`reference_pixels` has no parameters."""


@step(shape="frame")
def reference_pixels(raw: Raw, mask: MaskReference, config: ReferencePixelsConfig) -> Raw:
    """Set reference amplifier and border pixels aside.

    Parameters
    ----------
    raw : Raw
        The whole exposure.
    mask : MaskReference
        Gives the flags of the border pixels.
    config : ReferencePixelsConfig

    Returns
    -------
    Raw
        With, in ``extras``, ``amp33`` uint16 (resultant, 4096, 128) DN;
        ``border_ref_pix_{left,right,top,bottom}`` float32 (resultant, row, column) DN;
        ``dq_border_ref_pix_*`` uint32 (row, column).

    Raises
    ------
    InputError
        If an array does not have the shape of a whole exposure.
    """
    _check(raw)
    extras: dict[str, NDArray[Any]] = {"amp33": _decoded_amp33(raw)}
    for side, window in BORDERS.items():
        extras[f"border_ref_pix_{side}"] = decoded(raw.cut(window))
        extras[f"dq_border_ref_pix_{side}"] = mask.dq[window.rows, window.columns].astype(np.uint32)
    return replace(raw, extras={**raw.extras, **extras})


def _check(raw: Raw) -> None:
    cube = (len(raw.data), FRAME, FRAME)
    shapes = {
        "data": cube,
        "resultantdq": cube,
        "amp33": (len(raw.data), FRAME, CHANNEL),
        "reference_read": (FRAME, FRAME),
        "reference_amp33": (FRAME, CHANNEL),
    }
    for name, shape in shapes.items():
        found = getattr(raw, name)
        if found is not None and found.shape != shape:
            raise InputError(
                f"{name} has shape {found.shape}, needed is {shape}",
                where=str(raw.meta.get("filename", "")),
                hint="check the file with `aqueduct show`",
            )


def _decoded_amp33(raw: Raw) -> NDArray[np.uint16]:
    """The reference amplifier, decoded; held within uint16, as its type in the file is."""
    values = raw.amp33.astype(np.int32) - round(encoding_offset(raw.meta))
    if raw.reference_amp33 is not None:
        values += raw.reference_amp33
    held: NDArray[np.uint16] = values.clip(0, np.iinfo(np.uint16).max).astype(np.uint16)
    return held
