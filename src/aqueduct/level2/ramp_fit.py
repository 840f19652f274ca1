"""Fit a count rate to each ramp by maximum likelihood, leaving jumps out.

With resultants R_i, the means of N_i reads at times t, mean time t_i and
tau_i = sum_k (2 N_i - 2 k + 1) t_k / N_i^2, the scaled differences

    d_i = (R_{i+1} - R_i) / D_i,   D_i = t_{i+1} - t_i       [DN/s]

have, for a rate a (DN/s), gain g (e/DN) and read noise s (DN), the tridiagonal covariance

    S_ii    = [(a/g)(tau_i + tau_{i+1} - 2 t_i) + s^2 (1/N_i + 1/N_{i+1})] / D_i^2
    S_i,i+1 = [(a/g)(t_{i+1} - tau_{i+1}) - s^2 / N_{i+1}] / (D_i D_{i+1})

and, with A = d'S^-1 d, B = 1'S^-1 d, C = 1'S^-1 1, the fit is rate = B/C, err = C^-1/2,
chisq = A - B^2/C (Brandt 2024, PASP 136, 045004). A jump spoils one difference, or the
two next to a resultant of several reads; those are left out, one search after the other,
whose omission lowers chi-square most and by more than a threshold (Brandt 2024, PASP 136,
045005). S uses the median difference during the search, and the rate found by it in the
final fit.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.kernels.compile import jit
from aqueduct.products import Image, Ramp
from aqueduct.products.references import GainReference, ReadnoiseReference

Vector = NDArray[np.float64]

FEWEST = 4
"""Resultants below which a jump can't be told from noise."""


class RampFitConfig(StepConfig):
    """Parameters of :func:`ramp_fit`."""

    jump_detection: bool = Field(True, description="Look for jumps and leave them out")
    rejection_threshold: float = Field(
        4.5, gt=0, le=30, description="Significance, in sigma, above which a jump is left out"
    )


class Covariance(NamedTuple):
    """What the multiaccum table alone decides, for n resultants.

    The covariance of the differences is ``a/g * photon + s^2 * read``: diagonals (n - 1)
    and the links between neighbours (n - 2). ``interval`` is D_i in seconds; ``uniform``
    are the weights (n) of a fit that weighs all reads alike, 1/s; ``averaged`` tells which
    inner resultants (n - 2) have several reads.
    """

    interval: Vector
    photon: Vector
    photon_link: Vector
    read: Vector
    read_link: Vector
    uniform: Vector
    averaged: NDArray[np.bool_]


@step(shape="block", cal_step="ramp_fit")
def ramp_fit(
    ramp: Ramp, readnoise: ReadnoiseReference, gain: GainReference, config: RampFitConfig
) -> Image:
    """Fit count rates to ramps, with their errors, and flag jumps.

    A difference is used if neither of its resultants has a flag. Without any, or with an
    unusable gain or read noise, the planes are NaN and the pixel is DO_NOT_USE. So is one
    with fewer than two good resultants. SATURATED and JUMP_DET are set if any resultant
    has them.

    Parameters
    ----------
    ramp : Ramp
        Linear DN; at least four resultants.
    readnoise : ReadnoiseReference
        DN, of one read.
    gain : GainReference
        e/DN.
    config : RampFitConfig

    Returns
    -------
    Image
        Planes float32: data, err and dumo DN/s, variances (DN/s)^2. ``dumo`` ignores all
        flags.

    Raises
    ------
    InputError
        With fewer than four resultants, or a read pattern that doesn't match them.
    """
    exposure = ramp.exposure
    _check(len(ramp.data), len(exposure.read_pattern))
    planes, pixeldq = _fit(
        np.ascontiguousarray(ramp.data),
        np.ascontiguousarray(ramp.groupdq),
        np.ascontiguousarray(ramp.pixeldq),
        np.array(readnoise.data, np.float32),
        np.array(gain.data, np.float32),
        covariance(exposure.read_pattern, exposure.frame_time),
        *_thresholds(config),
    )
    data, err, var_poisson, var_rnoise, chisq, dumo = planes
    return Image(
        data=data,
        dq=pixeldq,
        err=err,
        var_poisson=var_poisson,
        var_rnoise=var_rnoise,
        chisq=chisq,
        dumo=dumo,
        meta=ramp.meta,
        window=ramp.window,
        extras=ramp.extras,
    )


@functools.lru_cache(maxsize=16)
def covariance(read_pattern: tuple[tuple[int, ...], ...], frame_time: float) -> Covariance:
    """Coefficients of the covariance for 1-based read numbers and seconds between reads."""
    number = np.array([len(reads) for reads in read_pattern], np.float64)
    mean = np.array([frame_time * np.mean(reads) for reads in read_pattern])
    tau = np.array([frame_time * _variance_time(reads) for reads in read_pattern])
    interval = np.diff(mean)
    links = interval[:-1] * interval[1:]
    total, first, second = number.sum(), number @ mean, number @ mean**2
    return Covariance(
        interval=interval,
        photon=(tau[:-1] + tau[1:] - 2 * mean[:-1]) / interval**2,
        photon_link=(mean[1:-1] - tau[1:-1]) / links,
        read=(1 / number[:-1] + 1 / number[1:]) / interval**2,
        read_link=-1 / number[1:-1] / links,
        uniform=number * (total * mean - first) / (total * second - first**2),
        averaged=number[1:-1] > 1,
    )


def _variance_time(reads: tuple[int, ...]) -> float:
    """The time tau of a resultant, in reads: its photon variance is a/g tau."""
    count = len(reads)
    weights = 2 * count - 2 * np.arange(1, count + 1) + 1
    return float(weights @ np.array(reads)) / count**2


def _thresholds(config: RampFitConfig) -> tuple[float, float]:
    """Least drop of chi-square for omitting one difference, and for two.

    Both have the same chance to be passed by noise: the tail of chi-square with two
    degrees of freedom is exp(-x/2).
    """
    if not config.jump_detection:
        return math.inf, math.inf
    sigma = config.rejection_threshold
    return sigma**2, -2 * math.log(math.erfc(sigma / math.sqrt(2)))


def _check(resultants: int, pattern: int) -> None:
    if resultants < FEWEST:
        raise InputError(
            f"{resultants} resultants, but the fit needs at least {FEWEST}",
            where="ramp_fit",
            hint="use an exposure with a longer multiaccum table",
        )
    if pattern != resultants:
        raise InputError(
            f"{resultants} resultants, but meta.exposure.read_pattern has {pattern}",
            where="ramp_fit",
            hint="check the file with `aqueduct show`",
        )


@jit
def _fit(
    data: NDArray[np.float32],
    groupdq: NDArray[np.uint8],
    pixeldq: NDArray[np.uint32],
    readnoise: NDArray[np.float32],
    gain: NDArray[np.float32],
    model: Covariance,
    one: float,
    two: float,
) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Fit every ramp; planes are rate, err, var_poisson, var_rnoise, chisq, dumo."""
    resultants, rows, columns = data.shape
    planes = np.full((6, rows, columns), np.nan, np.float32)
    flags = pixeldq.copy()
    n = resultants - 1
    d, median, used = np.empty(n), np.empty(n), np.empty(n)
    work = np.zeros((6, n))
    for row in range(rows):
        for c in range(columns):
            ramp, groups = data[:, row, c], groupdq[:, row, c]
            g, noise = np.float64(gain[row, c]), np.float64(readnoise[row, c])
            flags[row, c] |= np.uint32(_flags(groups))
            if not 0 < g < np.inf:
                flags[row, c] |= np.uint32(dq.NO_GAIN_VALUE | dq.DO_NOT_USE)
                continue
            guess = _differences(ramp, groups, model.interval, d, used, median)
            if np.sum(used) == 0 or not 0 < noise < np.inf:
                flags[row, c] |= np.uint32(dq.DO_NOT_USE)
                continue
            variance = noise * noise
            rate, jumps = _without_jumps(d, used, guess / g, variance, model, one, two, work)
            if jumps:
                flags[row, c] |= np.uint32(dq.JUMP_DET)
            _final_fit(d, used, max(rate, 0.0) / g, variance, model, work, planes[:, row, c])
            planes[5, row, c] = _uniform_rate(ramp, model.uniform) - planes[0, row, c]
            if not np.isfinite(planes[0, row, c]):
                flags[row, c] |= np.uint32(dq.DO_NOT_USE)
    return planes, flags


@jit
def _flags(groups: NDArray[np.uint8]) -> int:
    """Pixel flags that follow from those of the resultants."""
    union, good = 0, 0
    for i in range(groups.size):
        union |= groups[i]
        good += groups[i] & (dq.SATURATED | dq.DO_NOT_USE) == 0
    return union & (dq.SATURATED | dq.JUMP_DET) | (dq.DO_NOT_USE if good < 2 else 0)


@jit
def _differences(
    ramp: NDArray[np.float32],
    groups: NDArray[np.uint8],
    interval: Vector,
    d: Vector,
    used: Vector,
    ordered: Vector,
) -> float:
    """Fill ``d`` and ``used`` (1 or 0), masked ones as zero; the median of all, or 0."""
    n = d.size
    for i in range(n):
        d[i] = (np.float64(ramp[i + 1]) - ramp[i]) / interval[i]
        at = i
        while at > 0 and ordered[at - 1] > d[i]:
            ordered[at] = ordered[at - 1]
            at -= 1
        ordered[at] = d[i]
        used[i] = 0.0 if groups[i] | groups[i + 1] else 1.0
    for i in range(n):
        if used[i] == 0:
            d[i] = 0.0
    middle: float = (ordered[(n - 1) // 2] + ordered[n // 2]) / 2
    return max(middle, 0.0)


@jit
def _eliminate(
    d: Vector,
    used: Vector,
    photons: float,
    variance: float,
    model: Covariance,
    work: NDArray[np.float64],
) -> tuple[float, float, float]:
    """A, B and C by elimination from the first difference on.

    ``photons`` is a/g. Pivots stay of the size of S, so that ramps of any length neither
    over- nor underflow. ``work`` rows: diagonal, links, 1/pivot, reduced 1, reduced d.
    """
    diagonal, link, inverse, p, q = work[0], work[1], work[2], work[3], work[4]
    a = b = c = factor = 0.0
    for i in range(d.size):
        diagonal[i] = photons * model.photon[i] + variance * model.read[i]
        pivot, p[i], q[i] = diagonal[i], used[i], d[i]
        if i > 0:
            link[i - 1] = (
                used[i - 1]
                * used[i]
                * (photons * model.photon_link[i - 1] + variance * model.read_link[i - 1])
            )
            factor = link[i - 1] * inverse[i - 1]
            pivot -= factor * link[i - 1]
            p[i] -= factor * p[i - 1]
            q[i] -= factor * q[i - 1]
        inverse[i] = 1.0 / pivot
        a += q[i] * q[i] * inverse[i]
        b += p[i] * q[i] * inverse[i]
        c += p[i] * p[i] * inverse[i]
    return a, b, c


@jit
def _substitute(reduced: Vector, link: Vector, inverse: Vector) -> None:
    """Finish the solution that :func:`_eliminate` began, in place."""
    n = reduced.size
    reduced[n - 1] *= inverse[n - 1]
    for i in range(n - 2, -1, -1):
        reduced[i] = (reduced[i] - link[i] * reduced[i + 1]) * inverse[i]


@jit
def _without_jumps(
    d: Vector,
    used: Vector,
    photons: float,
    variance: float,
    model: Covariance,
    one: float,
    two: float,
    work: NDArray[np.float64],
) -> tuple[float, bool]:
    """Mask differences with jumps in ``d`` and ``used``; the rate left, and if there were any."""
    jumps = False
    left = np.sum(used)
    while True:
        a, b, c = _eliminate(d, used, photons, variance, model, work)
        # No omission can lower chi-square by more than chi-square itself.
        if a - b * b / c <= one or left < 3 or (jumps and left < 4):
            return b / c, jumps
        first, count = _best_omission(used, b, c, model.averaged, one, two, work)
        if count == 0:
            return b / c, jumps
        for i in range(first, first + count):
            d[i] = used[i] = 0.0
        left -= count
        jumps = True


@jit
def _best_omission(
    used: Vector,
    b: float,
    c: float,
    averaged: NDArray[np.bool_],
    one: float,
    two: float,
    work: NDArray[np.float64],
) -> tuple[int, int]:
    """First difference and number to omit: the greatest drop of chi-square above threshold.

    With P = S^-1, p = P 1, q = P d and rate = B/C: v = q - p rate, M = P - p p'/C. Omitting one
    lowers chi-square by v_i^2 / M_ii, omitting two neighbours by v' M^-1 v.
    """
    diagonal, link, inverse = work[0], work[1], work[2]
    p, q, tail = work[3], work[4], work[5]
    _substitute(p, link, inverse)
    _substitute(q, link, inverse)
    n = used.size
    tail[n - 1] = diagonal[n - 1]
    for i in range(n - 2, -1, -1):
        tail[i] = diagonal[i] - link[i] * link[i] / tail[i + 1]
    best, best_fall, first, count = 0.0, 0.0, 0, 0
    only_three = np.sum(used) == 3
    before_v = before_m = before_diagonal = 0.0
    for i in range(n):
        # P_ii, from the pivots of the elimination from either end.
        diagonal_p = 1.0 / (1.0 / inverse[i] + tail[i] - diagonal[i])
        v = q[i] - p[i] * b / c
        m = diagonal_p - p[i] * p[i] / c
        if used[i] and v * v / m - one > best:
            best, first, count = v * v / m - one, i, 1
        if i > 0 and averaged[i - 1] and used[i - 1] and used[i]:
            cross = -link[i - 1] / tail[i] * before_diagonal - p[i - 1] * p[i] / c
            scale = before_m * m - cross * cross
            jump = (before_v * m - v * cross) / scale
            next_jump = (v * before_m - before_v * cross) / scale
            drop = before_v * jump + v * next_jump
            fall = p[i - 1] * jump + p[i] * next_jump
            # Either pair of three differences leaves a perfect fit. A jump only adds charge, so
            # the pair to omit is the one that lowers the rate more.
            better = fall > best_fall if count == 2 and only_three else drop - two > best
            if better:
                best, best_fall, first, count = drop - two, fall, i - 1, 2
        before_v, before_m, before_diagonal = v, m, diagonal_p
    return first, count


@jit
def _final_fit(
    d: Vector,
    used: Vector,
    photons: float,
    variance: float,
    model: Covariance,
    work: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Fill rate, err, var_poisson, var_rnoise and chisq of one pixel."""
    a, b, c = _eliminate(d, used, photons, variance, model, work)
    link, inverse, p = work[1], work[2], work[3]
    _substitute(p, link, inverse)
    photon = read = 0.0
    for i in range(d.size):
        photon += p[i] * p[i] * model.photon[i]
        read += p[i] * p[i] * model.read[i]
        if i > 0:
            photon += 2 * p[i - 1] * p[i] * model.photon_link[i - 1]
            read += 2 * p[i - 1] * p[i] * model.read_link[i - 1]
    out[0] = b / c
    out[1] = 1.0 / np.sqrt(c)
    out[2] = photons * photon / c**2
    out[3] = variance * read / c**2
    out[4] = a - b * b / c


@jit
def _uniform_rate(ramp: NDArray[np.float32], weights: Vector) -> float:
    """Rate of the fit that weighs all reads alike, DN/s."""
    rate = 0.0
    for i in range(ramp.size):
        rate += weights[i] * ramp[i]
    return rate
