"""Likelihood fit of ramps, many pixels at a time.

With resultants R_i, the means of N_i reads at times t, mean time t_i, tau_i = sum_k (2 N_i -
2 k + 1) t_k / N_i^2, rate a (DN/s), gain g (e/DN) and read noise s (DN), let

    V_i = s^2 / N_i + (a/g) (tau_i - t_i)                              [DN^2]

The difference of two resultants used one after the other, i after h, has mean a (t_i - t_h),
variance V_h + V_i + (a/g)(t_i - t_h), and covariance -V_i with the one that follows: a
tridiagonal system, solved by elimination from the first difference on. Pivots stay of the size
of the variances, so that ramps of any length neither over- nor underflow.

All arithmetic is in float32, on differences from a first guess of the rate, and for many pixels
side by side (:mod:`aqueduct.level2._lanes`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import dq
from aqueduct.kernels.compile import jit
from aqueduct.level2._lanes import (
    ALSO,
    BEST,
    FIRST,
    GUESS,
    JUMPED,
    LANE_WIDTH,
    LANES,
    LEFT,
    LEFT_OUT,
    LINKED,
    OMIT,
    ONE,
    PHOTON_PART,
    RATE,
    READ_PART,
    WIDTH,
    ZERO,
    A,
    C,
    Search,
    eliminate,
    load,
    median,
    omissions,
    variances,
)
from aqueduct.level2._timing import Timing, exchanges, timing

__all__ = [
    "JUMPED",
    "Search",
    "Timing",
    "exchanges",
    "fit",
    "search",
    "states",
    "timing",
    "uniform_rate",
]

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Pixels = NDArray[np.int64]


@jit
def states(groups: Bytes, bridge: bool) -> Bytes:
    """How each resultant of (resultant, pixel) is used, from its flags.

    With ``bridge``, a flagged one is left out, and JUMP_DET spoils the difference that it ends.
    Without, any flag spoils the differences on both sides.
    """
    count, pixels = groups.shape
    state = np.empty((count, pixels), np.uint8)
    jump = np.zeros(pixels, np.uint8)
    begun = np.zeros(pixels, np.uint8)
    before = np.ones(pixels, np.uint8)
    for i in range(count):
        if bridge:
            _bridged(groups[i], jump, begun, state[i])
        else:
            _dropped(groups[i], before, state[i])
    return state


@jit
def _bridged(flags: Bytes, jump: Bytes, begun: Bytes, state: Bytes) -> None:
    """States of one resultant; ``jump`` tells of one since the last that was used."""
    for k in range(flags.size):
        out = (flags[k] & ~np.uint8(dq.JUMP_DET)) != 0
        hit = ((flags[k] & np.uint8(dq.JUMP_DET)) | jump[k]) != 0
        linked = np.uint8(JUMPED) if hit else np.uint8(LINKED)
        used = linked if begun[k] else np.uint8(FIRST)
        state[k] = np.uint8(LEFT_OUT) if out else used
        jump[k] = np.uint8(hit and out)
        begun[k] |= np.uint8(not out)


@jit
def _dropped(flags: Bytes, before: Bytes, state: Bytes) -> None:
    """States of one resultant, from its flags and those of the one before."""
    for k in range(flags.size):
        cut = np.uint8(JUMPED) if flags[k] & np.uint8(dq.JUMP_DET) else np.uint8(FIRST)
        state[k] = cut if flags[k] | before[k] else np.uint8(LINKED)
        before[k] = flags[k]


@jit
def search(
    data: Floats, state: Bytes, gain: Floats, noise: Floats, timing: Timing, how: Search
) -> Floats:
    """Mark differences with jumps in ``state``; the rate (pixel,) of what is left, DN/s.

    Omitting differences can lower chi-square by no more than chi-square itself: most pixels
    are done with after one fit. The others are fitted again as long as jumps are found.
    """
    count, pixels = data.shape
    rate, guess = np.empty(pixels, np.float32), np.empty(pixels, np.float32)
    work = np.zeros((count, WIDTH), np.float32)
    lane = np.zeros(LANE_WIDTH, np.float32)
    todo, left = np.empty(pixels, np.int64), 0
    for start in range(0, pixels, LANES):
        part = slice(start, min(start + LANES, pixels))
        load(data[:, part], state[:, part], gain[part], noise[part], work, lane)
        median(timing, how.masked, work, lane)
        eliminate(timing, work, lane)
        for k in range(part.stop - start):
            guess[start + k], rate[start + k] = lane[GUESS + k], lane[RATE + k]
            if lane[A + k] > how.one and lane[LEFT + k] >= 3:
                todo[left] = start + k
                left += 1
    fewest = 3
    while left:
        left = _search_again(
            data, state, gain, noise, guess, todo[:left], fewest, timing, how, work, lane, rate
        )
        fewest = 4
    return rate


@jit
def _search_again(
    data: Floats,
    state: Bytes,
    gain: Floats,
    noise: Floats,
    guess: Floats,
    todo: Pixels,
    fewest: int,
    timing: Timing,
    how: Search,
    work: Floats,
    lane: Floats,
    rate: Floats,
) -> int:
    """Look for one jump in each pixel of ``todo``; those that have one are put in its front."""
    again = 0
    values = np.zeros((data.shape[0], LANES), np.float32)
    codes = np.zeros((data.shape[0], LANES), np.uint8)
    for start in range(0, todo.size, LANES):
        some = todo[start : start + LANES].copy()
        for i in range(data.shape[0]):
            for k in range(some.size):
                values[i, k], codes[i, k] = data[i, some[k]], state[i, some[k]]
        load(values, codes, gain[some], noise[some], work, lane)
        for k in range(some.size):
            lane[GUESS + k] = guess[some[k]]
        eliminate(timing, work, lane)
        omissions(timing, how, fewest, work, lane)
        for k in range(some.size):
            rate[some[k]] = lane[RATE + k]
            if lane[BEST + k] > 0:
                state[np.int64(lane[OMIT + k]), some[k]] = JUMPED
                if lane[ALSO + k] > 0:
                    state[np.int64(lane[ALSO + k]), some[k]] = JUMPED
                todo[again] = some[k]
                again += 1
    return again


@jit
def fit(
    data: Floats,
    state: Bytes,
    gain: Floats,
    noise: Floats,
    rate: Floats,
    timing: Timing,
) -> Floats:
    """Rate, err, var_poisson, var_rnoise, chisq (5, pixel); the covariance is at ``rate``."""
    count, pixels = data.shape
    planes = np.empty((5, pixels), np.float32)
    work = np.zeros((count, WIDTH), np.float32)
    lane = np.zeros(LANE_WIDTH, np.float32)
    for start in range(0, pixels, LANES):
        part = slice(start, min(start + LANES, pixels))
        load(data[:, part], state[:, part], gain[part], noise[part], work, lane)
        for k in range(part.stop - start):
            lane[GUESS + k] = rate[start + k]
        eliminate(timing, work, lane)
        variances(timing, work, lane)
        for k in range(part.stop - start):
            c = lane[C + k]
            inverse = ONE / c if c > ZERO else np.float32(np.nan)
            planes[0, start + k] = lane[RATE + k]
            planes[1, start + k] = np.sqrt(inverse)
            planes[2, start + k] = lane[PHOTON_PART + k] * inverse * inverse
            planes[3, start + k] = lane[READ_PART + k] * inverse * inverse
            planes[4, start + k] = lane[A + k]
    return planes


@jit
def uniform_rate(data: Floats, weights: Floats) -> Floats:
    """Rate (pixel,) of the fit that weighs all reads alike, DN/s."""
    rate = np.zeros(data.shape[1], np.float32)
    for i in range(1, len(data)):
        values, first, weight = data[i], data[0], weights[i]
        for k in range(rate.size):
            rate[k] += weight * (values[k] - first[k])
    return rate
