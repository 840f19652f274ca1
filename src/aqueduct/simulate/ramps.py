"""From electrons per second to resultants, read by read.

For each pixel and read r, in order:

    e_r = e_{r-1} + Poisson(rate dt) + cosmic rays            [electron]
    F_r = min(L - s L^2, full well),  L = e_r / g + p          [DN]

and for each resultant of N reads

    R = floor( mean(F_r) + drift + decay + sigma / sqrt(N) * normal - (N - 1) / (2 N) )

clipped to 0 .. 65535. ``decay`` is what the reset leaves, the mean over the reads of
A exp(-t/tau), t from the middle of the first read; reference pixels have none, and
collect no charge of cosmic rays.

Drift and read noise arise behind the nonlinearity, so that their mean over N reads may be
drawn at once, exactly. On board each read is rounded down and their mean again, which
lowers R by 1/2 + (N - 1) / (2 N) DN: the last floor and the last term stand for both; the
variance of the first, 1/12 DN^2 per read, is added to sigma^2.

Random numbers come from SplitMix64 (Steele, Lea & Flood 2014), one stream for each row,
so that a frame is the same for any number of threads. Poisson numbers are exact: by
inversion for means below 10, by the transformed rejection PTRS (Hormann 1993) above.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import dq
from aqueduct.core.threads import bands, over
from aqueduct.instrument.matables import MATable
from aqueduct.instrument.readout import read_times
from aqueduct.kernels.compile import jit
from aqueduct.products.window import CHANNEL
from aqueduct.simulate.detector import DetectorTruth

Plane = NDArray[Any]

_BAND: Final = 64


def resultants(
    rate: NDArray[np.float32],
    truth: DetectorTruth,
    table: MATable,
    drift: NDArray[np.float32],
    hits: NDArray[Any],
    rng: np.random.Generator,
) -> NDArray[np.uint16]:
    """Read out a frame.

    Parameters
    ----------
    rate : ndarray of float32, (row, column)
        Electron/s collected, dark current included.
    truth : DetectorTruth
        Its maps have the shape of ``rate``.
    table : MATable
    drift : ndarray of float32, (resultant, channel, row)
        DN, added to every pixel of a channel's row.
    hits : ndarray
        Cosmic rays, as :func:`aqueduct.simulate.cosmic_rays.draw_hits` gives them.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of uint16, (resultant, row, column)
        DN.
    """
    rows = rate.shape[0]
    seeds = np.asarray(rng.integers(0, 2**64, rows, dtype=np.uint64))
    lengths = np.array([len(reads) for reads in table.read_pattern])
    reads = np.concatenate([np.asarray(reads) for reads in table.read_pattern])
    first_hit = np.searchsorted(hits["row"], np.arange(rows + 1))
    left = after_reset(truth, table, rows)
    column, read, electrons = (
        np.ascontiguousarray(hits[name]) for name in ("column", "read", "electrons")
    )
    out = np.empty((len(lengths), *rate.shape), np.uint16)

    def band(limits: tuple[int, int]) -> None:
        start, stop = limits
        part = slice(start, stop)
        _read_rows(
            rate[part],
            np.ascontiguousarray(truth.gain[part]),
            truth.nonlinearity[part],
            truth.full_well[part],
            truth.pedestal[part],
            truth.read_noise[part],
            (truth.dq[part] & dq.REFERENCE_PIXEL) == 0,
            np.ascontiguousarray(drift[:, :, part]),
            np.ascontiguousarray(left[:, part]),
            table.frame_time,
            reads,
            lengths,
            seeds[part],
            first_hit[start : stop + 1],
            column,
            read,
            electrons,
            out[:, part],
        )

    over(band, bands(rows, _BAND))
    return out


def after_reset(truth: DetectorTruth, table: MATable, rows: int) -> NDArray[np.float32]:
    """Signal left by the reset in each resultant and row, DN: ``decay`` above."""
    when = read_times(truth.detector, table.frame_time, slice(0, rows), slice(0, 1))[:, 0]
    starts = [(np.array(reads)[:, None] - 1.5) * table.frame_time for reads in table.read_pattern]
    signal = [np.exp(-(start + when) / truth.decay_time).mean(axis=0) for start in starts]
    return np.asarray(truth.decay * np.stack(signal), np.float32)


@jit
def _read_rows(
    rate: Plane,
    gain: Plane,
    nonlinearity: Plane,
    full_well: Plane,
    pedestal: Plane,
    read_noise: Plane,
    sensitive: Plane,
    drift: Plane,
    left: Plane,
    frame_time: float,
    reads: Plane,
    lengths: Plane,
    seeds: Plane,
    first_hit: Plane,
    hit_column: Plane,
    hit_read: Plane,
    hit_electrons: Plane,
    out: Plane,
) -> None:
    """Read some rows; every pixel runs through all its reads before the next."""
    state = np.empty(1, np.uint64)
    for row in range(rate.shape[0]):
        state[0] = seeds[row]
        hit, last_hit = first_hit[row], first_hit[row + 1]
        for column in range(rate.shape[1]):
            mean = max(rate[row, column], 0.0) * frame_time
            none = math.exp(-mean)
            electrons, previous, k = 0.0, 0, 0
            for i in range(len(lengths)):
                total = 0.0
                for _ in range(lengths[i]):
                    read = reads[k]
                    k += 1
                    if read == previous + 1:
                        electrons += _poisson(mean, none, state)
                    else:
                        wait = mean * (read - previous)
                        electrons += _poisson(wait, math.exp(-wait), state)
                    previous = read
                    while hit < last_hit and hit_column[hit] == column and hit_read[hit] <= read:
                        if sensitive[row, column]:
                            electrons += hit_electrons[hit]
                        hit += 1
                    linear = electrons / gain[row, column] + pedestal[row, column]
                    seen = linear - nonlinearity[row, column] * linear * linear
                    # Beyond its maximum the parabola means nothing; the well is long full.
                    if seen > full_well[row, column] or linear > 2 * full_well[row, column]:
                        seen = full_well[row, column]
                    total += seen
                number = lengths[i]
                noise = math.sqrt((read_noise[row, column] ** 2 + 1.0 / 12.0) / number)
                value = total / number + drift[i, column // CHANNEL, row]
                if sensitive[row, column]:
                    value += left[i, row]
                value += noise * _normal(state) - 0.5 * (number - 1) / number
                out[i, row, column] = np.uint16(min(max(math.floor(value), 0.0), 65535.0))
            # Hits after the last read are lost with the exposure.
            while hit < last_hit and hit_column[hit] == column:
                hit += 1


@jit
def _uniform(state: Plane) -> float:
    """A number in (0, 1); advances ``state``."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (float(z >> np.uint64(11)) + 0.5) * 2.0**-53


@jit
def _normal(state: Plane) -> float:
    """A standard normal number (Box & Muller 1958)."""
    radius = math.sqrt(-2.0 * math.log(_uniform(state)))
    return radius * math.cos(2.0 * math.pi * _uniform(state))


@jit
def _poisson(mean: float, none: float, state: Plane) -> float:
    """A Poisson number; ``none`` is exp(-mean)."""
    if mean >= 10.0:
        return _poisson_large(mean, state)
    u = _uniform(state)
    count, term = 0.0, none
    # For u within rounding of 1 the terms vanish before the sum reaches it.
    while u > term and count < 100.0:
        u -= term
        count += 1.0
        term *= mean / count
    return count


@jit
def _poisson_large(mean: float, state: Plane) -> float:
    """A Poisson number of mean 10 or more: PTRS."""
    root = math.sqrt(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    ratio = 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u, v = _uniform(state) - 0.5, _uniform(state)
        us = 0.5 - abs(u)
        k = math.floor((2.0 * a / us + b) * u + mean + 0.43)
        if us >= 0.07 and v <= ratio:
            return k
        if k < 0.0 or (us < 0.013 and v > us):
            continue
        accept = math.log(v * inverse_alpha / (a / (us * us) + b))
        if accept <= k * math.log(mean) - mean - math.lgamma(k + 1.0):
            return k
