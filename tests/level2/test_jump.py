from __future__ import annotations

from dataclasses import replace

import numpy as np
from ramps import NOISE, fit, ramp_of, references, resultants

from aqueduct.core import dq
from aqueduct.level2.jump import JumpConfig, jump
from aqueduct.products import Window


def struck() -> np.ndarray:
    """Ramps of which some have a jump, within a resultant or before one."""
    rng = np.random.default_rng(21)
    data = resultants(20, (40, 50), rng)
    data[3, ::3, ::2] += 150
    data[4:, ::3, ::2] += 400
    data[5:, 1::7] += 300
    data[:, 7, 7] = np.nan
    return data


def test_flags_are_where_the_fit_finds_jumps() -> None:
    data = struck()
    ramp = ramp_of(data)
    found = jump(ramp, **references(data.shape[1:]), config=JumpConfig())
    np.testing.assert_array_equal(found.data, data)
    assert np.isin(found.groupdq, [0, dq.JUMP_DET]).all()
    assert not ramp.groupdq.any()
    y, x = np.indices(data.shape[1:])
    hit = ((y % 3 == 0) & (x % 2 == 0)) | (y % 7 == 1)
    told = found.groupdq.any(axis=0)
    assert told[hit].mean() > 0.99
    assert not told[7, 7]
    # The fit finds them by itself, or is told of them: the same.
    own, knowing = fit(data), fit(data, found.groupdq, jump_detection=False)
    np.testing.assert_array_equal(own.jumps, knowing.jumps)
    np.testing.assert_array_equal(own.dq, knowing.dq)
    pull = (own.data - knowing.data) / own.err
    assert np.nanmax(abs(pull)) < 1e-2


def test_threshold_and_parts() -> None:
    data = struck()
    ramp, used = ramp_of(data), references(data.shape[1:])
    loose, strict = (
        jump(ramp, **used, config=JumpConfig(rejection_threshold=sigma)).groupdq
        for sigma in (3.0, 6.0)
    )
    assert np.count_nonzero(loose) > np.count_nonzero(strict)
    window = Window(13, 5, 20, 31)
    cut = references((20, 31))
    part = jump(ramp.cut(window), **cut, config=JumpConfig(rejection_threshold=3.0))
    np.testing.assert_array_equal(part.groupdq, loose[:, 13:33, 5:36])


def test_flags_are_kept_and_bad_references_have_no_jumps() -> None:
    data = struck()
    flags = np.zeros(data.shape, np.uint8)
    flags[2, 4] = dq.DO_NOT_USE
    flags[6, 5] = dq.SATURATED | dq.GW_AFFECTED_DATA
    used = references(data.shape[1:])
    noise = np.full(data.shape[1:], NOISE, np.float32)
    noise[1] = np.nan
    used["readnoise"] = replace(used["readnoise"], data=noise)
    found = jump(ramp_of(data, flags), **used, config=JumpConfig())
    assert np.all(found.groupdq[2, 4] & dq.DO_NOT_USE)
    assert np.all(found.groupdq[6, 5] == flags[6, 5])
    assert not found.groupdq[:, 1].any()
