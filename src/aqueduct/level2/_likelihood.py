"""Likelihood fit of ramps, many pixels at a time.

With resultants R_i, the means of N_i reads at times t, mean time t_i, tau_i = sum_k (2 N_i -
2 k + 1) t_k / N_i^2, rate a (DN/s), gain g (e/DN) and read noise s (DN), let

    V_i = s^2 / N_i + (a/g) (tau_i - t_i)                              [DN^2]

The difference of two resultants used one after the other, i after h, has mean a (t_i - t_h),
variance V_h + V_i + (a/g)(t_i - t_h), and covariance -V_i with the one that follows: a
tridiagonal system, solved by elimination from the first difference on. Pivots stay of the size
of the variances, so that ramps of any length neither over- nor underflow.

All arithmetic is in float32, on differences from a first guess of the rate. Each inner loop runs
over ``LANES`` pixels that lie side by side, so that it becomes vector instructions: a row of
``work`` holds all numbers of one resultant, and ``lane`` those that pass from one to the next.
"""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import dq
from aqueduct.kernels.compile import jit

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Pixels = NDArray[np.int64]

LEFT_OUT: Final = 0
"""State of a resultant that is not used; the difference of its neighbours is."""
FIRST: Final = 1
"""It is used, but not its difference from the one before."""
JUMPED: Final = 2
"""As FIRST, because of a jump."""
LINKED: Final = 3
"""It is used, and so is its difference from the one before."""

LANES: Final = 128
# Places in a row of `work`.
_VALUE: Final = 0
_STATE: Final = 1 * LANES
_STEP: Final = 2 * LANES
_DIAGONAL: Final = 3 * LANES
_INVERSE: Final = 4 * LANES
_P: Final = 5 * LANES
_Q: Final = 6 * LANES
_SORTED: Final = 7 * LANES
_WIDTH: Final = 8 * LANES
# Places in `lane`: what belongs to the pixel,
_GAIN: Final = 0
_VARIANCE: Final = 1 * LANES
_PHOTONS: Final = 2 * LANES
_GUESS: Final = 3 * LANES
_RATE: Final = 4 * LANES
_A: Final = 5 * LANES
_B: Final = 6 * LANES
_C: Final = 7 * LANES
_LEFT: Final = 8 * LANES
# what one resultant hands on to the next, or to the one before,
_T: Final = 9 * LANES
_R: Final = 10 * LANES
_V: Final = 11 * LANES
_I: Final = 12 * LANES
_X: Final = 13 * LANES
_Y: Final = 14 * LANES
_RISE: Final = 15 * LANES
_M: Final = 16 * LANES
_NEXT: Final = 17 * LANES
# and what is found on the way.
_BEST: Final = 18 * LANES
_FALL: Final = 19 * LANES
_OMIT: Final = 20 * LANES
_ALSO: Final = 21 * LANES
_PHOTON_PART: Final = 22 * LANES
_READ_PART: Final = 23 * LANES
_LANE_WIDTH: Final = 24 * LANES

ZERO: Final = np.float32(0.0)
ONE: Final = np.float32(1.0)


class Timing(NamedTuple):
    """What the multiaccum table alone decides, for n resultants.

    Attributes
    ----------
    time : ndarray of float32, (n,)
        Mean time t_i, s.
    excess : ndarray of float32, (n,)
        tau_i - t_i, s.
    share : ndarray of float32, (n,)
        1/N_i.
    uniform : ndarray of float32, (n,)
        Weights of a fit that weighs all reads alike, 1/s.
    exchanges : ndarray of int64, (any, 2)
        Places to compare, and exchange, one pair after the other, to sort the n - 1 last.
    """

    time: Floats
    excess: Floats
    share: Floats
    uniform: Floats
    exchanges: NDArray[np.int64]


@functools.lru_cache(maxsize=16)
def timing(read_pattern: tuple[tuple[int, ...], ...], frame_time: float) -> Timing:
    """For 1-based read numbers and seconds between reads."""
    number = np.array([len(reads) for reads in read_pattern], np.float64)
    mean = np.array([frame_time * np.mean(reads) for reads in read_pattern])
    tau = np.array([frame_time * _variance_time(reads) for reads in read_pattern])
    total, first, second = number.sum(), number @ mean, number @ mean**2
    single = np.float32
    return Timing(
        time=mean.astype(single),
        excess=(tau - mean).astype(single),
        share=(1 / number).astype(single),
        uniform=(number * (total * mean - first) / (total * second - first**2)).astype(single),
        exchanges=1 + exchanges(len(number) - 1),
    )


def _variance_time(reads: tuple[int, ...]) -> float:
    """The time tau of a resultant, in reads: its photon variance is a/g tau."""
    count = len(reads)
    weights = 2 * count - 2 * np.arange(1, count + 1) + 1
    return float(weights @ np.array(reads)) / count**2


def exchanges(count: int) -> NDArray[np.int64]:
    """Batcher's network: pairs (low, high) of places whose exchange sorts ``count`` numbers."""
    pairs = []
    sizes = [2**power for power in range(max(count - 1, 0).bit_length())]
    for size in sizes:
        for gap in (size >> shift for shift in range(size.bit_length())):
            for start in range(gap % size, count - gap, 2 * gap):
                for low in range(start, min(start + gap, count - gap)):
                    if low // (2 * size) == (low + gap) // (2 * size):
                        pairs.append((low, low + gap))
    return np.array(pairs, np.int64).reshape(-1, 2)


class Search(NamedTuple):
    """How jumps are looked for.

    Attributes
    ----------
    one, two : float32
        Least drop of chi-square for omitting one difference, and two neighbours.
    masked : bool
        Whether the first guess, a median, takes in differences that are not used.
    loss : float32
        Further drop for jumps that lose charge.
    """

    one: np.float32
    two: np.float32
    masked: bool
    loss: np.float32


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
    work = np.zeros((count, _WIDTH), np.float32)
    lane = np.zeros(_LANE_WIDTH, np.float32)
    todo, left = np.empty(pixels, np.int64), 0
    for start in range(0, pixels, LANES):
        part = slice(start, min(start + LANES, pixels))
        _load(data[:, part], state[:, part], gain[part], noise[part], work, lane)
        _median(timing, how.masked, work, lane)
        _eliminate(timing, work, lane)
        for k in range(part.stop - start):
            guess[start + k], rate[start + k] = lane[_GUESS + k], lane[_RATE + k]
            if lane[_A + k] > how.one and lane[_LEFT + k] >= 3:
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
        _load(values, codes, gain[some], noise[some], work, lane)
        for k in range(some.size):
            lane[_GUESS + k] = guess[some[k]]
        _eliminate(timing, work, lane)
        _omissions(timing, how, fewest, work, lane)
        for k in range(some.size):
            rate[some[k]] = lane[_RATE + k]
            if lane[_BEST + k] > 0:
                state[np.int64(lane[_OMIT + k]), some[k]] = JUMPED
                if lane[_ALSO + k] > 0:
                    state[np.int64(lane[_ALSO + k]), some[k]] = JUMPED
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
    work = np.zeros((count, _WIDTH), np.float32)
    lane = np.zeros(_LANE_WIDTH, np.float32)
    for start in range(0, pixels, LANES):
        part = slice(start, min(start + LANES, pixels))
        _load(data[:, part], state[:, part], gain[part], noise[part], work, lane)
        for k in range(part.stop - start):
            lane[_GUESS + k] = rate[start + k]
        _eliminate(timing, work, lane)
        _variances(timing, work, lane)
        for k in range(part.stop - start):
            c = lane[_C + k]
            inverse = ONE / c if c > ZERO else np.float32(np.nan)
            planes[0, start + k] = lane[_RATE + k]
            planes[1, start + k] = np.sqrt(inverse)
            planes[2, start + k] = lane[_PHOTON_PART + k] * inverse * inverse
            planes[3, start + k] = lane[_READ_PART + k] * inverse * inverse
            planes[4, start + k] = lane[_A + k]
    return planes


@jit
def _load(
    data: Floats, state: Bytes, gain: Floats, noise: Floats, work: Floats, lane: Floats
) -> None:
    """Put up to ``LANES`` pixels in place; NaN where gain or noise can't be used."""
    pixels = gain.size
    for i in range(data.shape[0]):
        now, values, codes = work[i], data[i], state[i]
        for k in range(pixels):
            now[_VALUE + k] = values[k]
        for k in range(pixels):
            now[_STATE + k] = codes[k]
    bad, infinite = np.float32(np.nan), np.float32(np.inf)
    for k in range(pixels):
        g, s = gain[k], noise[k]
        lane[_GAIN + k] = ONE / g if (g > ZERO) & (g < infinite) else bad
        lane[_VARIANCE + k] = s * s if (s > ZERO) & (s < infinite) else bad


@jit
def _median(timing: Timing, masked: bool, work: Floats, lane: Floats) -> None:
    """The first guess: the median difference, DN/s; infinite where there is none."""
    infinite = np.float32(np.inf)
    lane[_LEFT : _LEFT + LANES] = ZERO
    lane[_T : _T + LANES] = ZERO
    lane[_R : _R + LANES] = ZERO
    for i in range(len(work)):
        now, t = work[i], timing.time[i]
        every = masked and i > 0
        for k in range(LANES):
            used = (now[_STATE + k] == LINKED) | every
            good = now[_STATE + k] != LEFT_OUT
            d = (now[_VALUE + k] - lane[_R + k]) / (t - lane[_T + k])
            now[_SORTED + k] = d if used else infinite
            lane[_LEFT + k] += ONE if used else ZERO
            lane[_T + k] = t if good else lane[_T + k]
            lane[_R + k] = now[_VALUE + k] if good else lane[_R + k]
    for low, high in timing.exchanges:
        one, other = work[low], work[high]
        for k in range(LANES):
            a, b = one[_SORTED + k], other[_SORTED + k]
            one[_SORTED + k] = a if a < b else b
            other[_SORTED + k] = b if a < b else a
    lane[_GUESS : _GUESS + LANES] = ZERO
    for i in range(len(work)):
        now, place = work[i], np.float32(2 * i - 2)
        for k in range(LANES):
            # The first row holds none. Of n numbers sorted, those in the middle count.
            off = lane[_LEFT + k] - ONE - place
            half = np.float32(0.5) if abs(off) == ONE else ZERO
            weight = ONE if off == ZERO else half
            lane[_GUESS + k] += weight * now[_SORTED + k] if weight > ZERO else ZERO


@jit
def _eliminate(timing: Timing, work: Floats, lane: Floats) -> None:
    """Chi-square (in place A), B, C and the rate at the covariance of ``_GUESS``."""
    for k in range(LANES):
        guess = lane[_GUESS + k]
        lane[_PHOTONS + k] = (guess if guess > ZERO else ZERO) * lane[_GAIN + k]
    for place in (_A, _B, _C, _LEFT, _T, _R, _V, _I, _X, _Y):
        lane[place : place + LANES] = ZERO
    for i in range(len(work)):
        _eliminate_one(timing.time[i], timing.excess[i], timing.share[i], work[i], lane)
    for k in range(LANES):
        b, c = lane[_B + k], lane[_C + k]
        change = b / c
        lane[_RATE + k] = lane[_GUESS + k] + change
        lane[_A + k] -= b * change


@jit
def _eliminate_one(
    t: np.float32, excess: np.float32, share: np.float32, now: Floats, lane: Floats
) -> None:
    """One step of the elimination: the difference that ends with this resultant."""
    for k in range(LANES):
        used, good = now[_STATE + k] == LINKED, now[_STATE + k] != LEFT_OUT
        value = now[_VALUE + k]
        v = lane[_VARIANCE + k] * share + lane[_PHOTONS + k] * excess
        step = t - lane[_T + k]
        diagonal = lane[_V + k] + v + lane[_PHOTONS + k] * step
        factor = lane[_V + k] * lane[_I + k]
        inverse = ONE / (diagonal - factor * lane[_V + k])
        p = step + factor * lane[_X + k]
        q = value - lane[_R + k] - lane[_GUESS + k] * step + factor * lane[_Y + k]
        inverse, p, q = inverse if used else ZERO, p if used else ZERO, q if used else ZERO
        now[_STEP + k], now[_DIAGONAL + k] = step, diagonal
        now[_INVERSE + k], now[_P + k], now[_Q + k] = inverse, p, q
        lane[_A + k] += q * q * inverse
        lane[_B + k] += p * q * inverse
        lane[_C + k] += p * p * inverse
        lane[_LEFT + k] += ONE if used else ZERO
        lane[_T + k] = t if good else lane[_T + k]
        lane[_R + k] = value if good else lane[_R + k]
        lane[_V + k] = v if good else lane[_V + k]
        lane[_I + k] = inverse if good else lane[_I + k]
        lane[_X + k] = p if good else lane[_X + k]
        lane[_Y + k] = q if good else lane[_Y + k]


@jit
def _omissions(timing: Timing, how: Search, fewest: int, work: Floats, lane: Floats) -> None:
    """The omission that lowers chi-square most, net of its threshold, of pixels eliminated.

    With P = S^-1, p = P 1, q = P d and rate = B/C: v = q - p rate, M = P - p p'/C. Omitting one
    lowers chi-square by v_i^2 / M_ii, omitting two neighbours by v' M^-1 v. P_ii follows from
    the pivots of the elimination from either end.
    """
    for place in (_BEST, _FALL, _OMIT, _ALSO, _I, _X, _Y, _RISE, _M, _NEXT):
        lane[place : place + LANES] = ZERO
    for i in range(len(work) - 1, 0, -1):
        number = np.float32(i)
        averaged = timing.share[i] < ONE
        _omission(number, timing.excess[i], timing.share[i], averaged, how, work[i], lane)
    for k in range(LANES):
        lane[_BEST + k] = lane[_BEST + k] if lane[_LEFT + k] >= fewest else ZERO


@jit
def _omission(
    number: np.float32,
    excess: np.float32,
    share: np.float32,
    averaged: bool,
    how: Search,
    now: Floats,
    lane: Floats,
) -> None:
    """Try to omit the difference that ends with this resultant, and the one that follows too."""
    one, two, loss = how.one, how.two, how.loss
    for k in range(LANES):
        used, good = now[_STATE + k] == LINKED, now[_STATE + k] != LEFT_OUT
        v = lane[_VARIANCE + k] * share + lane[_PHOTONS + k] * excess
        c, change = lane[_C + k], lane[_B + k] / lane[_C + k]
        inverse = now[_INVERSE + k]
        p = (now[_P + k] + v * lane[_X + k]) * inverse
        q = (now[_Q + k] + v * lane[_Y + k]) * inverse
        link = v * lane[_I + k]
        own = (ONE / inverse - v * link) if used else ONE
        rise, m = q - p * change, ONE / own - p * p / c
        tail = ONE / (now[_DIAGONAL + k] - v * link) if used else ZERO
        drop = rise * rise / m - (one if rise > ZERO else one + loss)
        better = used & (drop > lane[_BEST + k])
        best, fall = drop if better else lane[_BEST + k], lane[_FALL + k]
        omit = number if better else lane[_OMIT + k]
        also = ZERO if better else lane[_ALSO + k]
        # Together with the next.
        cross = link / own - p * lane[_X + k] / c
        scale = m * lane[_M + k] - cross * cross
        jump = (rise * lane[_M + k] - lane[_RISE + k] * cross) / scale
        other = (lane[_RISE + k] * m - rise * cross) / scale
        lower = p * jump + lane[_X + k] * other
        drop = rise * jump + lane[_RISE + k] * other - (two if lower > ZERO else two + loss)
        # Either pair of three differences leaves a perfect fit. A jump only adds charge, so
        # the pair to omit is the one that lowers the rate more.
        tied = (lane[_LEFT + k] == 3) & (also > ZERO)
        better = (lower > fall) if tied else (drop > best)
        better = better & used & averaged & (lane[_I + k] > ZERO)
        lane[_BEST + k] = drop if better else best
        lane[_FALL + k] = lower if better else fall
        lane[_OMIT + k] = number if better else omit
        lane[_ALSO + k] = lane[_NEXT + k] if better else also
        lane[_NEXT + k] = number if good else lane[_NEXT + k]
        lane[_I + k] = tail if good else lane[_I + k]
        lane[_X + k] = p if good else lane[_X + k]
        lane[_Y + k] = q if good else lane[_Y + k]
        lane[_RISE + k] = rise if good else lane[_RISE + k]
        lane[_M + k] = m if good else lane[_M + k]


@jit
def _variances(timing: Timing, work: Floats, lane: Floats) -> None:
    """Photon and read part of p' S p, of pixels eliminated."""
    for place in (_PHOTON_PART, _READ_PART, _X):
        lane[place : place + LANES] = ZERO
    for i in range(len(work) - 1, -1, -1):
        _variance(timing.excess[i], timing.share[i], work[i], lane)


@jit
def _variance(excess: np.float32, share: np.float32, now: Floats, lane: Floats) -> None:
    """What one resultant adds to both parts."""
    for k in range(LANES):
        good = now[_STATE + k] != LEFT_OUT
        photons, variance, after = lane[_PHOTONS + k], lane[_VARIANCE + k], lane[_X + k]
        p = (now[_P + k] + (variance * share + photons * excess) * after) * now[_INVERSE + k]
        own = (p - after) * (p - after)
        photon = lane[_PHOTON_PART + k] + photons * (excess * own + now[_STEP + k] * p * p)
        read = lane[_READ_PART + k] + variance * share * own
        lane[_PHOTON_PART + k] = photon if good else lane[_PHOTON_PART + k]
        lane[_READ_PART + k] = read if good else lane[_READ_PART + k]
        lane[_X + k] = p if good else after


@jit
def uniform_rate(data: Floats, weights: Floats) -> Floats:
    """Rate (pixel,) of the fit that weighs all reads alike, DN/s."""
    rate = np.zeros(data.shape[1], np.float32)
    for i in range(1, len(data)):
        values, first, weight = data[i], data[0], weights[i]
        for k in range(rate.size):
            rate[k] += weight * (values[k] - first[k])
    return rate
