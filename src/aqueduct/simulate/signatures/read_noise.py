"""Noise of each pixel's own: white, slow, and telegraph.

    n_r = w normal_r + A sum_k k^(-1/2) z_k cos(pi k (r - 1/2) / R),   k = 1 .. 4     [DN]

w is the white noise of one read; the slow noise has power ~ 1/f down to half a cycle in
the R reads of the exposure: the first cosine modes of its Karhunen-Loeve series, of one
normal number z_k each. A telegraph pixel jumps between two levels with a given chance from
one read to the next.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.kernels.compile import jit
from aqueduct.simulate.detector import PIXEL_MODES
from aqueduct.simulate.signatures.frame import Act, Band, Frame
from aqueduct.simulate.signatures.random import bits, normal_pair, row_keys

Plane = NDArray[Any]


class TelegraphConfig(StepConfig):
    """Parameters of :func:`telegraph`."""

    chance: float = Field(0.05, ge=0, le=1, description="Chance of a jump between two reads")


def read_noise(frame: Frame, config: StepConfig, rng: np.random.Generator) -> Act:
    """Add white and slow noise."""
    keys = row_keys(rng, frame.shape[0])
    mode = np.arange(1, PIXEL_MODES + 1)[:, None]
    modes = np.cos(np.pi * mode * (frame.reads - 0.5) / frame.reads[-1]) / np.sqrt(mode)
    modes = (frame.truth.pink.pixel * modes).astype(np.float32)

    def apply(band: Band) -> None:
        _add_noise(frame.truth.read_noise[band.rows], modes, keys[band.rows], band.signal)

    return Act(apply)


def telegraph(frame: Frame, config: TelegraphConfig, rng: np.random.Generator) -> Act | None:
    """Let telegraph pixels jump."""
    pixel, amplitude = frame.truth.telegraph
    if not len(pixel):
        return None
    jumps = rng.random((len(pixel), len(frame.reads))) < config.chance
    jumps[:, 0] = rng.random(len(pixel)) < 0.5
    level = amplitude[:, None] * (np.cumsum(jumps, axis=1) % 2).astype(np.float32)
    row, column = np.divmod(pixel, frame.shape[1])
    first = np.searchsorted(row, np.arange(frame.shape[0] + 1))

    def apply(band: Band) -> None:
        which = slice(first[band.rows.start], first[band.rows.stop])
        band.signal[row[which] - band.first, :, column[which]] += level[which]

    return Act(apply)


@jit
def _add_noise(sigma: Plane, modes: Plane, keys: Plane, signal: Plane) -> None:
    rows, reads, columns = signal.shape
    one, two = np.empty(columns, np.float32), np.empty(columns, np.float32)
    slow = np.empty((modes.shape[0] + 1, columns), np.float32)
    for row in range(rows):
        for k in range(0, modes.shape[0], 2):
            _normals(~keys[row], k // 2, slow[k], slow[k + 1])
        for read in range(0, reads, 2):
            _normals(keys[row], read // 2, one, two)
            _add(signal[row, read], sigma[row], one, modes[:, read], slow)
            if read + 1 < reads:
                _add(signal[row, read + 1], sigma[row], two, modes[:, read + 1], slow)


@jit
def _normals(key: np.uint64, pair: int, one: Plane, two: Plane) -> None:
    """Two rows of normal numbers."""
    number = np.uint64(pair * one.shape[0])
    for x in range(one.shape[0]):
        one[x], two[x] = normal_pair(bits(key, number + np.uint64(x)))


@jit
def _add(out: Plane, sigma: Plane, white: Plane, mode: Plane, slow: Plane) -> None:
    a, b, c, d = mode[0], mode[1], mode[2], mode[3]
    z1, z2, z3, z4 = slow[0], slow[1], slow[2], slow[3]
    for x in range(out.shape[0]):
        out[x] += sigma[x] * white[x] + a * z1[x] + b * z2[x] + c * z3[x] + d * z4[x]
