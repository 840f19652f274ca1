from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.level2.dq_init import DqInitConfig, dq_init
from aqueduct.products import Raw, Window
from aqueduct.products.references import MaskReference

ABSENT = {f"window_{edge}": -999999 for edge in ("xstart", "xstop", "ystart", "ystop")}
GUIDE = {"window_xstart": 10, "window_xstop": 14, "window_ystart": 21, "window_ystop": 25}


def raw(window: Window, guide: dict[str, int], offset: int | None = None, **parts: object) -> Raw:
    shape = (2, window.height, window.width)
    instrument = {} if offset is None else {"data_encoding_offset": offset}
    return Raw(
        data=np.full(shape, 5000, np.uint16),
        amp33=np.zeros((2, 1, 1), np.uint16),
        meta={"instrument": instrument, "guide_star": guide},
        window=window,
        **parts,
    )


def mask(window: Window) -> MaskReference:
    flags = np.zeros((window.height, window.width), np.uint32)
    flags[0, 0] = dq.DEAD
    return MaskReference(dq=flags)


def test_values_are_decoded_to_dn() -> None:
    window = Window(8, 0, 4, 6)
    read = np.arange(24, dtype=np.uint16).reshape(4, 6)
    made = dq_init(raw(window, ABSENT, 4000, reference_read=read), mask(window), DqInitConfig())
    assert made.data.dtype == np.float32
    np.testing.assert_array_equal(made.data, np.broadcast_to(1000 + read, (2, 4, 6)))


def test_without_offset_or_reference_read_values_stay() -> None:
    window = Window(8, 0, 4, 6)
    made = dq_init(raw(window, ABSENT), mask(window), DqInitConfig())
    assert np.all(made.data == 5000)
    assert not made.groupdq.any()
    assert made.groupdq.dtype == np.uint8


def test_resultant_flags_are_kept_and_mask_is_added() -> None:
    window = Window(0, 0, 4, 6)
    flags = np.zeros((2, 4, 6), np.uint8)
    flags[1, 2, 3], flags[0, 3, 3] = dq.DROPOUT, dq.DO_NOT_USE
    made = dq_init(raw(window, ABSENT, resultantdq=flags), mask(window), DqInitConfig())
    np.testing.assert_array_equal(made.groupdq, flags)
    assert not np.shares_memory(made.groupdq, flags)
    assert made.pixeldq[0, 0] == dq.DEAD
    assert made.pixeldq[2, 3] == dq.DROPOUT
    assert made.pixeldq.sum() == dq.DEAD + dq.DROPOUT


@pytest.mark.parametrize("margin", [0, 2])
@pytest.mark.parametrize("window", [Window(0, 0, 40, 30), Window(22, 12, 9, 7), Window(0, 0, 5, 8)])
def test_guide_window_is_flagged_wherever_the_block_lies(window: Window, margin: int) -> None:
    whole = np.zeros((40, 30), np.uint32)
    whole[:, 10:14] = dq.GW_AFFECTED_DATA
    box = (slice(21 - margin, 25 + margin), slice(10 - margin, 14 + margin))
    whole[box] |= dq.DO_NOT_USE | dq.GW_AFFECTED_DATA
    clear = MaskReference(dq=np.zeros((window.height, window.width), np.uint32))
    made = dq_init(raw(window, GUIDE), clear, DqInitConfig(expand_gw_flagging=margin))
    np.testing.assert_array_equal(made.pixeldq, whole[window.rows, window.columns])
