from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.level2.saturation import SaturationConfig, saturation
from aqueduct.products import Ramp, Window
from aqueduct.products.references import SaturationReference

SINGLE = [[1], [2], [3], [4], [5]]
LEVEL = 1000.0


def ramp(values: np.ndarray, pattern: list[list[int]]) -> Ramp:
    """``values`` (resultant,) for one pixel, or (resultant, row, column)."""
    data = np.asarray(values, np.float32).reshape(len(values), *np.shape(values)[1:] or (1, 1))
    meta = {
        "instrument": {"detector": "WFI01", "optical_element": "F158"},
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": 3.0,
            "read_pattern": pattern,
            "start_time": None,
        },
    }
    window = Window(100, 200, *data.shape[1:])
    return Ramp(data, np.zeros(data.shape, np.uint8), np.zeros(data.shape[1:], "u4"), meta, window)


def reference(ramp: Ramp, level: float = LEVEL, flags: int = 0) -> SaturationReference:
    shape = ramp.pixeldq.shape
    return SaturationReference(
        data=np.full(shape, level, np.float32), dq=np.full(shape, flags, np.uint32)
    )


def flags(values: list[float], pattern: list[list[int]], **config: int) -> list[int]:
    made = ramp(values, pattern)
    result = saturation(made, reference(made), SaturationConfig(**config))
    assert not made.groupdq.any(), "the input must not change"
    return result.groupdq[:, 0, 0].tolist()


def test_saturation_lasts_to_the_end() -> None:
    assert flags([10, 1000, 500, 500, 500], SINGLE) == [0, 2, 2, 2, 2]


def test_floor_concerns_its_own_resultant_only() -> None:
    assert flags([10, 0, 30, -4, 50], SINGLE) == [0, 65, 0, 65, 0]


def test_resultant_that_may_hold_saturated_reads_is_not_used() -> None:
    # Reads 4 to 7: saturation at the last read leaves a mean of at least 5.5/7 of the level.
    pattern = [[1], [2], [3], [4, 5, 6, 7], [8]]
    bound = LEVEL * 5.5 / 7
    assert flags([10, 20, 30, bound + 1, 1000], pattern) == [0, 0, 0, 1, 2]
    assert flags([10, 20, 30, bound - 1, 1000], pattern) == [0, 0, 0, 0, 2]
    assert flags([10, 20, 30, bound + 1, 990], pattern) == [0, 0, 0, 0, 0]


def test_saturated_read_hidden_in_the_second_resultant() -> None:
    pattern = [[1], [2, 3, 4], [5]]
    # (1000 - 10) / 3 = 330 more than the first: what one saturated read of three adds.
    assert flags([10, 345, 1000], pattern) == [0, 1, 2]
    assert flags([10, 335, 1000], pattern) == [0, 0, 2]
    # 210 * 5 > 1000: the first resultant foretold it.
    assert flags([210, 545, 1000], pattern) == [0, 0, 2]


def test_backup_reaches_back_over_averaged_resultants() -> None:
    pattern = [[1], [2, 3], [4, 5], [6, 7], [8]]
    values = [10, 20, 30, 40, 1000]
    assert flags(values, pattern) == [0, 0, 0, 0, 2]
    assert flags(values, pattern, backup=2) == [0, 0, 2, 2, 2]
    assert flags(values, pattern, backup=9) == [0, 2, 2, 2, 2]


@pytest.mark.parametrize(("level", "given"), [(np.nan, 0), (LEVEL, dq.NO_SAT_CHECK)])
def test_pixel_without_a_threshold_never_saturates(level: float, given: int) -> None:
    made = ramp([10, 65000, 65000], [[1], [2, 3], [4]])
    result = saturation(made, reference(made, level, given), SaturationConfig())
    assert not result.groupdq.any()
    assert result.pixeldq[0, 0] == dq.NO_SAT_CHECK


def test_growth_spreads_each_resultant_over_a_box() -> None:
    values = np.full((3, 9, 11), 100.0)
    values[1:, 4, 5] = 2000
    made = ramp(values, SINGLE[:3])
    result = saturation(made, reference(made), SaturationConfig(grow=2))
    expected = np.zeros((3, 9, 11), np.uint8)
    expected[1:, 2:7, 3:8] = dq.SATURATED
    np.testing.assert_array_equal(result.groupdq, expected)


def test_a_block_with_its_halo_gives_what_the_whole_gives() -> None:
    rng = np.random.default_rng(8)
    pattern = [[1], [2, 3], [4, 5, 6], [7, 8]]
    steps = rng.exponential(60, (4, 40, 40)) * (1 + 9 * (rng.random((40, 40)) < 0.03))
    made = ramp(np.cumsum(steps, axis=0), pattern)
    config = SaturationConfig(grow=2, backup=1)
    whole = saturation(made, reference(made), config)
    assert np.any(whole.groupdq & dq.DO_NOT_USE)
    halo = saturation.halo(config)
    inner = Window(115, 215, 10, 12)
    wide = inner.grown(halo)
    part = saturation(made.cut(wide), reference(made.cut(wide)), config)
    np.testing.assert_array_equal(part.cut(inner).groupdq, whole.cut(inner).groupdq)
