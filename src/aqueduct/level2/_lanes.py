"""The tridiagonal systems of a ramp fit, ``LANES`` pixels at a time.

See :mod:`aqueduct.level2._likelihood`. Each inner loop runs over pixels that lie side by side,
so that it becomes vector instructions: a row of ``work`` holds all numbers of one resultant,
and ``lane`` those that pass from one to the next.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit
from aqueduct.level2._timing import Timing

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

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
VALUE: Final = 0
STATE: Final = 1 * LANES
STEP: Final = 2 * LANES
DIAGONAL: Final = 3 * LANES
INVERSE: Final = 4 * LANES
P: Final = 5 * LANES
Q: Final = 6 * LANES
SORTED: Final = 7 * LANES
WIDTH: Final = 8 * LANES
# Places in `lane`: what belongs to the pixel,
GAIN: Final = 0
VARIANCE: Final = 1 * LANES
PHOTONS: Final = 2 * LANES
GUESS: Final = 3 * LANES
RATE: Final = 4 * LANES
A: Final = 5 * LANES
B: Final = 6 * LANES
C: Final = 7 * LANES
LEFT: Final = 8 * LANES
# what one resultant hands on to the next, or to the one before,
T: Final = 9 * LANES
R: Final = 10 * LANES
V: Final = 11 * LANES
BEFORE: Final = 12 * LANES
X: Final = 13 * LANES
Y: Final = 14 * LANES
RISE: Final = 15 * LANES
M: Final = 16 * LANES
NEXT: Final = 17 * LANES
# and what is found on the way.
BEST: Final = 18 * LANES
FALL: Final = 19 * LANES
OMIT: Final = 20 * LANES
ALSO: Final = 21 * LANES
PHOTON_PART: Final = 22 * LANES
READ_PART: Final = 23 * LANES
LANE_WIDTH: Final = 24 * LANES

ZERO: Final = np.float32(0.0)
ONE: Final = np.float32(1.0)


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
def load(
    data: Floats, state: Bytes, gain: Floats, noise: Floats, work: Floats, lane: Floats
) -> None:
    """Put up to ``LANES`` pixels in place; NaN where gain or noise can't be used."""
    pixels = gain.size
    for i in range(data.shape[0]):
        now, values, codes = work[i], data[i], state[i]
        for k in range(pixels):
            now[VALUE + k] = values[k]
        for k in range(pixels):
            now[STATE + k] = codes[k]
    bad, infinite = np.float32(np.nan), np.float32(np.inf)
    for k in range(pixels):
        g, s = gain[k], noise[k]
        lane[GAIN + k] = ONE / g if (g > ZERO) & (g < infinite) else bad
        lane[VARIANCE + k] = s * s if (s > ZERO) & (s < infinite) else bad


@jit
def median(timing: Timing, masked: bool, work: Floats, lane: Floats) -> None:
    """The first guess: the median difference, DN/s; infinite where there is none."""
    infinite = np.float32(np.inf)
    lane[LEFT : LEFT + LANES] = ZERO
    lane[T : T + LANES] = ZERO
    lane[R : R + LANES] = ZERO
    for i in range(len(work)):
        now, t = work[i], timing.time[i]
        every = masked and i > 0
        for k in range(LANES):
            used = (now[STATE + k] == LINKED) | every
            good = now[STATE + k] != LEFT_OUT
            d = (now[VALUE + k] - lane[R + k]) / (t - lane[T + k])
            now[SORTED + k] = d if used else infinite
            lane[LEFT + k] += ONE if used else ZERO
            lane[T + k] = t if good else lane[T + k]
            lane[R + k] = now[VALUE + k] if good else lane[R + k]
    for low, high in timing.exchanges:
        one, other = work[low], work[high]
        for k in range(LANES):
            a, b = one[SORTED + k], other[SORTED + k]
            one[SORTED + k] = a if a < b else b
            other[SORTED + k] = b if a < b else a
    lane[GUESS : GUESS + LANES] = ZERO
    for i in range(len(work)):
        now, place = work[i], np.float32(2 * i - 2)
        for k in range(LANES):
            # The first row holds none. Of n numbers sorted, those in the middle count.
            off = lane[LEFT + k] - ONE - place
            half = np.float32(0.5) if abs(off) == ONE else ZERO
            weight = ONE if off == ZERO else half
            lane[GUESS + k] += weight * now[SORTED + k] if weight > ZERO else ZERO


@jit
def eliminate(timing: Timing, work: Floats, lane: Floats) -> None:
    """Chi-square (in place A), B, C and the rate at the covariance of ``GUESS``."""
    for k in range(LANES):
        guess = lane[GUESS + k]
        lane[PHOTONS + k] = (guess if guess > ZERO else ZERO) * lane[GAIN + k]
    for place in (A, B, C, LEFT, T, R, V, BEFORE, X, Y):
        lane[place : place + LANES] = ZERO
    for i in range(len(work)):
        _eliminate_one(timing.time[i], timing.excess[i], timing.share[i], work[i], lane)
    for k in range(LANES):
        b, c = lane[B + k], lane[C + k]
        change = b / c
        lane[RATE + k] = lane[GUESS + k] + change
        lane[A + k] -= b * change


@jit
def _eliminate_one(
    t: np.float32, excess: np.float32, share: np.float32, now: Floats, lane: Floats
) -> None:
    """One step of the elimination: the difference that ends with this resultant."""
    for k in range(LANES):
        used, good = now[STATE + k] == LINKED, now[STATE + k] != LEFT_OUT
        value = now[VALUE + k]
        v = lane[VARIANCE + k] * share + lane[PHOTONS + k] * excess
        step = t - lane[T + k]
        diagonal = lane[V + k] + v + lane[PHOTONS + k] * step
        factor = lane[V + k] * lane[BEFORE + k]
        inverse = ONE / (diagonal - factor * lane[V + k])
        p = step + factor * lane[X + k]
        q = value - lane[R + k] - lane[GUESS + k] * step + factor * lane[Y + k]
        inverse, p, q = inverse if used else ZERO, p if used else ZERO, q if used else ZERO
        now[STEP + k], now[DIAGONAL + k] = step, diagonal
        now[INVERSE + k], now[P + k], now[Q + k] = inverse, p, q
        lane[A + k] += q * q * inverse
        lane[B + k] += p * q * inverse
        lane[C + k] += p * p * inverse
        lane[LEFT + k] += ONE if used else ZERO
        lane[T + k] = t if good else lane[T + k]
        lane[R + k] = value if good else lane[R + k]
        lane[V + k] = v if good else lane[V + k]
        lane[BEFORE + k] = inverse if good else lane[BEFORE + k]
        lane[X + k] = p if good else lane[X + k]
        lane[Y + k] = q if good else lane[Y + k]


@jit
def omissions(timing: Timing, how: Search, fewest: int, work: Floats, lane: Floats) -> None:
    """The omission that lowers chi-square most, net of its threshold, of pixels eliminated.

    With P = S^-1, p = P 1, q = P d and rate = B/C: v = q - p rate, M = P - p p'/C. Omitting one
    lowers chi-square by v_i^2 / M_ii, omitting two neighbours by v' M^-1 v. P_ii follows from
    the pivots of the elimination from either end.
    """
    for place in (BEST, FALL, OMIT, ALSO, BEFORE, X, Y, RISE, M, NEXT):
        lane[place : place + LANES] = ZERO
    for i in range(len(work) - 1, 0, -1):
        number = np.float32(i)
        averaged = timing.share[i] < ONE
        _omission(number, timing.excess[i], timing.share[i], averaged, how, work[i], lane)
    for k in range(LANES):
        lane[BEST + k] = lane[BEST + k] if lane[LEFT + k] >= fewest else ZERO


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
        used, good = now[STATE + k] == LINKED, now[STATE + k] != LEFT_OUT
        v = lane[VARIANCE + k] * share + lane[PHOTONS + k] * excess
        c, change = lane[C + k], lane[B + k] / lane[C + k]
        inverse = now[INVERSE + k]
        p = (now[P + k] + v * lane[X + k]) * inverse
        q = (now[Q + k] + v * lane[Y + k]) * inverse
        link = v * lane[BEFORE + k]
        own = (ONE / inverse - v * link) if used else ONE
        rise, m = q - p * change, ONE / own - p * p / c
        tail = ONE / (now[DIAGONAL + k] - v * link) if used else ZERO
        drop = rise * rise / m - (one if rise > ZERO else one + loss)
        better = used & (drop > lane[BEST + k])
        best, fall = drop if better else lane[BEST + k], lane[FALL + k]
        omit = number if better else lane[OMIT + k]
        also = ZERO if better else lane[ALSO + k]
        # Together with the next.
        cross = link / own - p * lane[X + k] / c
        scale = m * lane[M + k] - cross * cross
        jump = (rise * lane[M + k] - lane[RISE + k] * cross) / scale
        other = (lane[RISE + k] * m - rise * cross) / scale
        lower = p * jump + lane[X + k] * other
        drop = rise * jump + lane[RISE + k] * other - (two if lower > ZERO else two + loss)
        # Either pair of three differences leaves a perfect fit. A jump only adds charge, so
        # the pair to omit is the one that lowers the rate more.
        tied = (lane[LEFT + k] == 3) & (also > ZERO)
        better = (lower > fall) if tied else (drop > best)
        better = better & used & averaged & (lane[BEFORE + k] > ZERO)
        lane[BEST + k] = drop if better else best
        lane[FALL + k] = lower if better else fall
        lane[OMIT + k] = number if better else omit
        lane[ALSO + k] = lane[NEXT + k] if better else also
        lane[NEXT + k] = number if good else lane[NEXT + k]
        lane[BEFORE + k] = tail if good else lane[BEFORE + k]
        lane[X + k] = p if good else lane[X + k]
        lane[Y + k] = q if good else lane[Y + k]
        lane[RISE + k] = rise if good else lane[RISE + k]
        lane[M + k] = m if good else lane[M + k]


@jit
def variances(timing: Timing, work: Floats, lane: Floats) -> None:
    """Photon and read part of p' S p, of pixels eliminated."""
    for place in (PHOTON_PART, READ_PART, X):
        lane[place : place + LANES] = ZERO
    for i in range(len(work) - 1, -1, -1):
        _variance(timing.excess[i], timing.share[i], work[i], lane)


@jit
def _variance(excess: np.float32, share: np.float32, now: Floats, lane: Floats) -> None:
    """What one resultant adds to both parts."""
    for k in range(LANES):
        good = now[STATE + k] != LEFT_OUT
        photons, variance, after = lane[PHOTONS + k], lane[VARIANCE + k], lane[X + k]
        p = (now[P + k] + (variance * share + photons * excess) * after) * now[INVERSE + k]
        own = (p - after) * (p - after)
        photon = lane[PHOTON_PART + k] + photons * (excess * own + now[STEP + k] * p * p)
        read = lane[READ_PART + k] + variance * share * own
        lane[PHOTON_PART + k] = photon if good else lane[PHOTON_PART + k]
        lane[READ_PART + k] = read if good else lane[READ_PART + k]
        lane[X + k] = p if good else after
