"""What the multiaccum table alone decides in a ramp fit."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


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
