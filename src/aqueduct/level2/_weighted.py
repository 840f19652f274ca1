"""Weighted least squares fit of ramps (Casertano et al. 2022, Roman-STScI-000394).

In electrons, with resultants R_i of N_i reads, mean times t_i, tau_i as in the likelihood fit,
and read noise s, each run of resultants 0 to n without flags is fitted with the weights

    w_i = (1 + P) N_i / (1 + P N_i) |(t_i - t_mid) / t_half|^P

where P follows from the signal-to-noise ratio x = S / sqrt(s^2 + S), S = max(R_n - R_0, 0):
0 below 5, 0.4 below 10, 1 below 20, 3 below 50, 6 below 100, else 10. A jump between i and i+1
is the largest of the statistics, over i and j = 1, 2 with D = t_{i+j} - t_i,

    [(R_{i+j} - R_i)/D - a] / sqrt{[s^2 (1/N_i + 1/N_{i+j}) + a (tau_i + tau_{i+j} - 2 t_i)]/D^2
                                   - a / (t_n - t_0)}

if it is above 5.5 - log10(a)/3, a held between 1 and 10^4 electron/s. Both resultants are left
out, and the runs on either side are fitted anew. Runs are averaged with weights 1/var_rnoise.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit
from aqueduct.level2._likelihood import Timing

Floats = NDArray[np.float32]
Vector = NDArray[np.float64]
Bytes = NDArray[np.uint8]

_INTERCEPT: Final = 5.5
_SLOPE: Final = 1 / 3


@jit
def fit(
    data: Floats, groups: Bytes, gain: Floats, noise: Floats, timing: Timing, find_jumps: bool
) -> tuple[Floats, NDArray[np.bool_]]:
    """Planes as of the likelihood fit, without chisq, and the resultants with jumps."""
    count, pixels = data.shape
    planes = np.full((5, pixels), np.nan, np.float32)
    jumps = np.zeros((count, pixels), np.bool_)
    ramp = np.empty(count)
    for k in range(pixels):
        g = np.float64(gain[k])
        if not (0 < g < np.inf and 0 < noise[k] < np.inf):
            continue
        for i in range(count):
            ramp[i] = data[i, k] * g
        rate, photon, read = _fit_ramp(
            ramp, groups[:, k], noise[k] * g, timing, find_jumps, jumps[:, k]
        )
        planes[0, k], planes[1, k] = rate / g, math.sqrt(photon + read) / g
        planes[2, k], planes[3, k] = photon / g**2, read / g**2
    return planes, jumps


@jit
def _fit_ramp(
    ramp: Vector,
    groups: Bytes,
    noise: float,
    timing: Timing,
    find_jumps: bool,
    jumps: NDArray[np.bool_],
) -> tuple[float, float, float]:
    """Rate and variances of one pixel, electron/s; NaN without two resultants in a run."""
    total = rate = photon = read = 0.0
    first = 0
    while first < ramp.size:
        last = first
        while last < ramp.size and groups[last] == 0 and not jumps[last]:
            last += 1
        last -= 1
        if last <= first:
            first = max(last, first) + 1
            continue
        slope, light, dark = _fit_run(ramp, first, last, noise, timing)
        if find_jumps:
            at = _jump(ramp, first, last, noise, slope, timing)
            if at >= 0:
                # What is left of this run is fitted next, from the same resultant on.
                jumps[at] = jumps[at + 1] = True
                continue
        weight = 1.0 / dark
        total += weight
        rate += weight * slope
        photon += weight**2 * light
        read += weight**2 * dark
        first = last + 1
    if total == 0.0:
        return np.nan, np.nan, np.nan
    rate /= total
    return rate, max(rate, 0.0) * photon / total**2, read / total**2


@jit
def _fit_run(
    ramp: Vector, first: int, last: int, noise: float, timing: Timing
) -> tuple[float, float, float]:
    """Slope of one run, its photon variance for a rate of 1 electron/s, and its read variance."""
    time = timing.time
    signal = max(ramp[last] - ramp[first], 0.0)
    power = _power(signal / math.sqrt(noise**2 + signal))
    middle = (np.float64(time[first]) + time[last]) / 2
    half = (np.float64(time[last]) - time[first]) / 2
    f0 = f1 = f2 = 0.0
    for i in range(first, last + 1):
        weight = _weight(time[i] - middle, half, timing.share[i], power)
        f0 += weight
        f1 += weight * (time[i] - middle)
        f2 += weight * (time[i] - middle) ** 2
    slope = light = dark = before = 0.0
    for i in range(first, last + 1):
        t = np.float64(time[i])
        weight = _weight(t - middle, half, timing.share[i], power)
        k = (f0 * (t - middle) - f1) * weight / (f2 * f0 - f1**2)
        slope += k * ramp[i]
        dark += k**2 * noise**2 * timing.share[i]
        light += k**2 * (t + timing.excess[i]) + 2 * k * before
        before += k * t
    return slope, light, dark


@jit
def _power(ratio: float) -> float:
    """Exponent for a signal-to-noise ratio."""
    if ratio < 10.0:
        return 0.0 if ratio < 5.0 else 0.4
    if ratio < 50.0:
        return 1.0 if ratio < 20.0 else 3.0
    return 6.0 if ratio < 100.0 else 10.0


@jit
def _weight(off: float, half: float, share: float, power: float) -> float:
    return float((1 + power) / (share + power) * abs(off / half) ** power)


@jit
def _jump(ramp: Vector, first: int, last: int, noise: float, slope: float, timing: Timing) -> int:
    """The resultant before the jump in a run, or -1."""
    common = slope / (timing.time[last] - timing.time[first])
    best = _statistic(ramp, last - 1, last, noise, slope, common, timing)
    at = last - 1
    for i in range(first, last - 1):
        found = _statistic(ramp, i, i + 1, noise, slope, common, timing)
        wide = _statistic(ramp, i, i + 2, noise, slope, common, timing)
        found = wide if math.isnan(found) or wide > found else found
        if found > best:
            best, at = found, i
    limit = _INTERCEPT - _SLOPE * math.log10(min(max(slope, 1.0), 1e4))
    return at if best > limit else -1


@jit
def _statistic(
    ramp: Vector, i: int, j: int, noise: float, slope: float, common: float, timing: Timing
) -> float:
    t, u = np.float64(timing.time[i]), np.float64(timing.time[j])
    tau = timing.excess[i] + timing.excess[j] + (u - t)
    variance = noise**2 * (timing.share[i] + timing.share[j]) + slope * tau
    return float(
        ((ramp[j] - ramp[i]) / (u - t) - slope) / np.sqrt(variance / (u - t) ** 2 - common)
    )
