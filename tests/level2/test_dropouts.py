"""Lost resultants against interpolation by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqueduct.core import dq
from aqueduct.core.errors import InputError
from aqueduct.level2.dropouts import DropoutsConfig, dropouts
from aqueduct.products import Raw, Window

READS = [[1], [2, 3], [5, 6, 7], [8, 9], [12], [13, 14]]
LOST = dq.DROPOUT | dq.DO_NOT_USE


def raw(data: np.ndarray, flags: np.ndarray | None, reads=READS, **exposure: object) -> Raw:
    meta = {
        "filename": "x_uncal.asdf",
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": 3.0,
            "read_pattern": reads,
            "start_time": None,
            **exposure,
        },
        "instrument": {"detector": "WFI01", "optical_element": "F158"},
    }
    window = Window(0, 0, *data.shape[1:])
    return Raw(data, np.zeros(0, np.uint16), meta, window, resultantdq=flags)


def made(one: Raw) -> Raw:
    return dropouts(one, config=DropoutsConfig())


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=6, max_size=6))
def test_a_straight_ramp_is_mended_between_good_resultants(lost: list[bool]) -> None:
    mean = np.array([np.mean(reads) for reads in READS])
    straight = np.rint(1000 + 100 * mean).astype(np.uint16)
    flags = np.where(lost, LOST, 0).astype(np.uint8)
    data = np.where(lost, 65535, straight).astype(np.uint16)[:, None, None]
    found = made(raw(data, flags[:, None, None])).data[:, 0, 0]
    good = np.flatnonzero(~np.array(lost))
    if not good.size:
        np.testing.assert_array_equal(found, data[:, 0, 0])
        return
    expected = np.interp(mean, mean[good], straight[good].astype(float))
    np.testing.assert_allclose(found, expected, atol=0.51)
    np.testing.assert_array_equal(found[good], straight[good])


def test_only_flagged_pixels_change_and_flags_stay() -> None:
    rng = np.random.default_rng(1)
    data = rng.integers(0, 65536, (6, 5, 7)).astype(np.uint16)
    flags = np.zeros(data.shape, np.uint8)
    flags[2, 1:3], flags[4, 3, 3] = LOST, dq.DO_NOT_USE
    flags[1, 0, 0] = dq.JUMP_DET
    given, kept = raw(data, flags), data.copy()
    found = made(given)
    assert np.array_equal(found.data[flags & LOST == 0], data[flags & LOST == 0])
    assert (found.data[2, 1:3] != data[2, 1:3]).mean() > 0.9
    assert found.resultantdq is flags
    np.testing.assert_array_equal(given.data, kept)


@pytest.mark.parametrize("flags", [None, np.zeros((6, 2, 2), np.uint8)])
def test_with_nothing_lost_nothing_is_copied(flags: np.ndarray | None) -> None:
    data = np.ones((6, 2, 2), np.uint16)
    assert made(raw(data, flags)).data is data


def test_the_read_pattern_of_a_truncated_exposure_is_cut() -> None:
    data = np.ones((4, 2, 2), np.uint16)
    found = made(raw(data, None, truncated=True))
    assert found.exposure.read_pattern == tuple(map(tuple, READS[:4]))
    assert made(raw(data, None, READS[:4], truncated=True)).exposure.read_pattern[-1] == (8, 9)


@pytest.mark.parametrize(("count", "truncated"), [(4, False), (7, True), (7, False)])
def test_resultants_that_are_not_those_of_the_pattern(count: int, truncated: bool) -> None:
    data = np.ones((count, 2, 2), np.uint16)
    with pytest.raises(InputError, match=f"x_uncal.asdf.*{count} resultants.*lists 6"):
        made(raw(data, None, truncated=truncated))
