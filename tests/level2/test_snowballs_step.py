"""Snowballs of the simulator, found and grown."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from ramps import GAIN, NOISE, fit, ramp_of, references

from aqueduct.core import dq
from aqueduct.instrument.matables import ma_table
from aqueduct.level2.jump import JumpConfig, jump
from aqueduct.level2.saturation import SaturationConfig, saturation
from aqueduct.level2.snowballs import SnowballsConfig, snowballs
from aqueduct.products import Ramp
from aqueduct.products.references import SaturationReference
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.signatures import Band, Frame
from aqueduct.simulate.signatures.snowballs import SnowballConfig
from aqueduct.simulate.signatures.snowballs import snowballs as strike

TABLE = ma_table(4)
SIDE, FULL, RATE = 160, 55_000.0, 5.0


@lru_cache
def struck() -> tuple[Ramp, np.ndarray]:
    """A ramp with jumps and saturation flagged, and the electrons that fell."""
    shape, reads = (SIDE, SIDE), np.arange(1, TABLE.reads + 1)
    names = ("gain", "response", "dark", "read_noise", "nonlinearity", "full_well", "pedestal")
    planes = {name: np.ones(shape, np.float32) for name in names}
    truth = DetectorTruth("WFI01", **planes, dq=np.zeros(shape, np.uint32))
    frame = Frame(np.zeros(shape, np.float32), truth, TABLE, reads)
    rng = np.random.default_rng(5)
    act = strike(frame, SnowballConfig(flux=0.6, smallest=3.0), rng)
    assert act is not None
    band = Band(0, np.zeros((SIDE, len(reads), SIDE), np.float32))
    act.apply(band)
    fallen = band.signal.transpose(1, 0, 2)
    light = np.cumsum(rng.poisson(RATE * GAIN * TABLE.frame_time, fallen.shape), axis=0)
    dn = np.minimum((light + fallen) / GAIN, FULL + 10) + rng.normal(0, NOISE, fallen.shape)
    data = np.array([dn[np.array(one) - 1].mean(axis=0) for one in TABLE.read_pattern], np.float32)
    level = SaturationReference(
        data=np.full(shape, FULL, np.float32), dq=np.zeros(shape, np.uint32)
    )
    ramp = ramp_of(data, pattern=TABLE.read_pattern, frame_time=TABLE.frame_time)
    ramp = saturation(ramp, level, SaturationConfig())
    return jump(ramp, **references(shape), config=JumpConfig()), fallen[-1]


def rates(ramp: Ramp) -> np.ndarray:
    return fit(ramp.data, ramp.groupdq, TABLE.read_pattern, frame_time=TABLE.frame_time).data


def test_halos_are_flagged_where_jumps_are_lost_in_noise() -> None:
    ramp, fallen = struck()
    grown = snowballs(ramp, SnowballsConfig())
    assert not np.any(ramp.groupdq & ~grown.groupdq)
    faint = (fallen > 5) & (fallen < 60)
    before, after = (
        ((one.groupdq & (dq.JUMP_DET | dq.SATURATED)) != 0).any(axis=0) for one in (ramp, grown)
    )
    assert before[faint].mean() < 0.5 < 0.8 < after[faint].mean()
    far = fallen == 0
    assert after[far].mean() < 0.1
    assert abs(rates(grown)[far].mean() - RATE) < 0.05
    missed, kept = (np.nanmean(rates(one)[faint]) - RATE for one in (ramp, grown))
    assert missed > 0.05 and abs(kept) < missed / 2


def test_cores_stay_saturated_and_grow() -> None:
    ramp, _ = struck()
    core = (ramp.groupdq[-1] & dq.SATURATED) != 0
    for growth in (0, 3):
        grown = snowballs(ramp, SnowballsConfig(core_growth=growth)).groupdq & dq.SATURATED
        assert np.all(np.diff((grown != 0).astype(int), axis=0) >= 0)
        wider = np.count_nonzero(grown[-1]) - np.count_nonzero(core)
        assert wider == 0 if growth == 0 else wider > 0


def test_only_events_with_core_and_ring_count() -> None:
    groups = np.zeros((4, 60, 60), np.uint8)
    data = np.zeros(groups.shape, np.float32)
    groups[2, 10:14, 10:14] = dq.JUMP_DET  # no core
    groups[2:, 30:34, 30:34] = dq.SATURATED  # a star
    groups[2:, 50, 50] = dq.SATURATED  # too few jumps
    groups[2, 50, 51:54] = dq.JUMP_DET
    ramp = ramp_of(data, groups, pattern=((1,), (2,), (3,), (4,)))
    np.testing.assert_array_equal(snowballs(ramp, SnowballsConfig()).groupdq, groups)
    found = snowballs(ramp, SnowballsConfig(minimum_area=3)).groupdq
    assert np.count_nonzero(found[2] & dq.JUMP_DET) > 16 + 3
    np.testing.assert_array_equal(
        snowballs(ramp, SnowballsConfig(minimum_area=3, minimum_core=2)).groupdq, groups
    )


@pytest.mark.parametrize("expansion", [1.0, 3.0])
def test_a_circle_of_the_radius_asked_for(expansion: float) -> None:
    y, x = np.indices((80, 80))
    distance = np.hypot(y - 40, x - 40)
    groups = np.zeros((3, 80, 80), np.uint8)
    groups[1, distance <= 6] = dq.JUMP_DET
    groups[1:, distance <= 3] = dq.SATURATED
    ramp = ramp_of(np.zeros(groups.shape, np.float32), groups, pattern=((1,), (2,), (3,)))
    found = snowballs(ramp, SnowballsConfig(expansion=expansion, core_growth=0)).groupdq
    flagged = (found[1] & dq.JUMP_DET) != 0
    radius = np.sqrt(np.count_nonzero(distance <= 6) / np.pi) * expansion
    np.testing.assert_array_equal(flagged, (distance <= radius) | (distance <= 6))
    assert not (found[[0, 2]] & dq.JUMP_DET).any()
