"""Start of the ramp: values in DN as the detector gave them, and static flags.

    R = raw + reference_read - data_encoding_offset          [DN]

The reference read was subtracted on board and the encoding offset added to keep values
positive; either may be absent. Flags come from the mask, the guide window and, for the
resultants, from the ground system (``resultantdq``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products import Ramp, Raw, Window
from aqueduct.products.references import MaskReference
from aqueduct.products.window import FRAME


class DqInitConfig(StepConfig):
    """Parameters of :func:`dq_init`."""

    expand_gw_flagging: int = Field(
        0, ge=0, le=FRAME, description="Pixels by which the flagged guide-window box is grown"
    )


@step(shape="block", cal_step="dq_init")
def dq_init(raw: Raw, mask: MaskReference, config: DqInitConfig) -> Ramp:
    """Decode raw resultants to DN and set the static flags.

    Parameters
    ----------
    raw : Raw
        DN as sent down.
    mask : MaskReference
    config : DqInitConfig

    Returns
    -------
    Ramp
        DN, float32.
    """
    shape = raw.data.shape
    given = raw.resultantdq
    return Ramp(
        data=decoded(raw),
        groupdq=np.zeros(shape, np.uint8) if given is None else given.astype(np.uint8),
        pixeldq=mask.dq
        | _guide_window_flags(raw.meta, raw.window, config.expand_gw_flagging)
        | _dropout_flags(given),
        meta=raw.meta,
        window=raw.window,
        extras=raw.extras,
    )


def decoded(raw: Raw) -> NDArray[np.float32]:
    """Resultants in DN: reference read added back, encoding offset removed."""
    data = raw.data.astype(np.float32)
    if raw.reference_read is not None:
        data += raw.reference_read
    if offset := encoding_offset(raw.meta):
        data -= np.float32(offset)
    return data


def encoding_offset(meta: Mapping[str, Any]) -> float:
    """``meta.instrument.data_encoding_offset`` in DN, 0 where the keyword is absent."""
    return float(meta["instrument"].get("data_encoding_offset") or 0)


def _dropout_flags(given: NDArray[np.uint8] | None) -> NDArray[np.uint32] | np.uint32:
    """DROPOUT where any resultant was lost."""
    if given is None:
        return np.uint32(0)
    any_of = np.asarray(np.bitwise_or.reduce(given, axis=0), np.uint32)
    return any_of & np.uint32(dq.DROPOUT)


def _guide_window_flags(meta: Mapping[str, Any], window: Window, margin: int) -> NDArray[np.uint32]:
    """GW_AFFECTED_DATA in the guide window's columns, DO_NOT_USE in its box.

    A detector without a guide window has none in its metadata, or one that starts outside
    the frame (-999999).
    """
    flags = np.zeros((window.height, window.width), np.uint32)
    box = meta.get("guide_star", {})
    if box.get("window_xstart") is None:
        return flags
    x0, x1, y0, y1 = (int(box[f"window_{edge}"]) for edge in ("xstart", "xstop", "ystart", "ystop"))
    if not (0 <= x0 < FRAME and 0 <= y0 < FRAME):
        return flags
    flags[_part(Window(0, x0, FRAME, x1 - x0), window)] = dq.GW_AFFECTED_DATA
    grown = Window(y0, x0, y1 - y0, x1 - x0).grown(margin)
    flags[_part(grown, window)] |= dq.DO_NOT_USE | dq.GW_AFFECTED_DATA
    return flags


def _part(box: Window, window: Window) -> tuple[slice, slice]:
    """Where ``box`` lies in an array that covers ``window``."""
    return box.overlap(window).within(window)
