"""Fit a count rate to each ramp, leaving jumps out.

``likelihood``: with d_i the differences of resultants that are used one after the other, D_i
the seconds between their mean times, and S the tridiagonal covariance of d (in
:mod:`aqueduct.level2._likelihood`), A = d'S^-1 d, B = D'S^-1 d and C = D'S^-1 D give

    rate = B/C   [DN/s],   err = C^-1/2,   chisq = A - B^2/C

(Brandt 2024, PASP 136, 045004). A jump spoils one difference, or the two next to a resultant
of several reads; those are left out, one search after the other, whose omission lowers
chi-square most and by more than a threshold (Brandt 2024, PASP 136, 045005). The threshold is
higher for a loss of charge, which a cosmic ray does not cause: that halves the false alarms,
and tells on which side of the jump the good part of a short ramp is. S uses the median
of d_i/D_i during the search, and the rate found by it in the final fit, neither below zero.

``weighted``: least squares with weights that follow from the signal-to-noise ratio of each
ramp (in :mod:`aqueduct.level2._weighted`; Casertano et al. 2022, Roman-STScI-000394).
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.kernels.compile import jit
from aqueduct.level2 import _likelihood, _weighted
from aqueduct.level2._likelihood import JUMPED, Search, Timing
from aqueduct.products import Image, Ramp
from aqueduct.products.image import in_order
from aqueduct.products.references import GainReference, ReadnoiseReference
from aqueduct.products.window import BORDER

FEWEST = 2
"""Resultants that a rate needs. Jumps can be told from noise with four or more."""

Flags = Literal["bridge", "drop"]


class RampFitConfig(StepConfig):
    """Parameters of :func:`ramp_fit`."""

    algorithm: Literal["likelihood", "weighted"] = Field(
        "likelihood", description="Likelihood of all differences, or weighted least squares"
    )
    jump_detection: bool = Field(True, description="Look for jumps and leave them out")
    rejection_threshold: float = Field(
        4.5,
        gt=0,
        le=30,
        description="Significance, in sigma, above which the likelihood fit leaves a jump out",
    )
    loss_penalty: float = Field(
        10.0,
        ge=0,
        le=1000,
        description="Further drop of chi-square for leaving out a sudden loss of charge: "
        "cosmic rays add charge, and losses are rarer by exp(-penalty/2)",
    )
    flagged: Flags = Field(
        "bridge",
        description="What a flag costs the likelihood fit: the resultant alone, JUMP_DET the "
        "difference that it ends (bridge), or any flag the differences on both sides (drop)",
    )


@step(shape="block", cal_step="ramp_fit")
def ramp_fit(
    ramp: Ramp, readnoise: ReadnoiseReference, gain: GainReference, config: RampFitConfig
) -> Image:
    """Fit count rates to ramps, with their errors, and record jumps.

    Without a difference to use, or with an unusable gain or read noise, the planes are NaN
    and the pixel is DO_NOT_USE. So is one with fewer than two resultants that are neither
    SATURATED nor DO_NOT_USE. SATURATED and JUMP_DET are set if any resultant has them.

    Parameters
    ----------
    ramp : Ramp
        Linear DN; at least two resultants. With fewer than four there is no search for jumps.
    readnoise : ReadnoiseReference
        DN, of one read.
    gain : GainReference
        e/DN.
    config : RampFitConfig

    Returns
    -------
    Image
        Planes float32: data, err and dumo DN/s, variances (DN/s)^2. ``dumo`` ignores all
        flags; ``chisq`` of the weighted fit is NaN. ``jumps`` has those found, and those
        that JUMP_DET told of.

    Raises
    ------
    InputError
        With fewer than two resultants, or a read pattern that doesn't match them.
    """
    timing = timing_of(ramp)
    shape = ramp.pixeldq.shape
    data, groups = _flat(ramp.data, np.float32), _flat(ramp.groupdq, np.uint8)
    references = _flat(gain.data, np.float32), _flat(readnoise.data, np.float32)
    if config.algorithm == "likelihood":
        how = search_for(
            config.jump_detection,
            config.rejection_threshold,
            config.flagged,
            config.loss_penalty,
        )
        planes, state = _by_likelihood(data, groups, *references, timing, how, config.flagged)
    else:
        planes, state = _by_weights(data, groups, *references, timing, config.jump_detection)
    flags = _flags(groups, state, planes[0], references[0], _flat(ramp.pixeldq, np.uint32))
    dumo = _likelihood.uniform_rate(data, timing.uniform) - planes[0]
    names = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo")
    images: dict[str, Any] = {
        name: plane.reshape(shape) for name, plane in zip(names, (*planes, dumo), strict=True)
    }
    return Image(
        **images,
        dq=flags.reshape(shape),
        meta=ramp.meta,
        window=ramp.window,
        extras=ramp.extras,
        jumps=_positions(state, ramp),
    )


def timing_of(ramp: Ramp) -> Timing:
    """The times of a ramp's resultants.

    Raises
    ------
    InputError
        With fewer than two resultants, or a read pattern that doesn't match them.
    """
    resultants, exposure = len(ramp.data), ramp.exposure
    if len(exposure.read_pattern) != resultants:
        raise InputError(
            f"{resultants} resultants, but meta.exposure.read_pattern has "
            f"{len(exposure.read_pattern)}",
            where="ramp_fit",
            hint="check the file with `aqueduct show`",
        )
    if resultants < FEWEST:
        raise InputError(
            f"{resultants} resultant, but a rate needs at least {FEWEST}",
            where="ramp_fit",
            hint="use an exposure with a longer multiaccum table",
        )
    return _likelihood.timing(exposure.read_pattern, exposure.frame_time)


def search_for(jumps: bool, sigma: float, flagged: Flags, penalty: float) -> Search:
    """How jumps are looked for, ``penalty`` being that for a loss of charge.

    The least drop of chi-square for omitting one difference, and that for two, have the same
    chance to be passed by noise: the tail of chi-square with two degrees of freedom is
    exp(-x/2).
    """
    chance = math.erfc(sigma / math.sqrt(2))
    one, two = sigma**2, -2 * math.log(chance) if chance > 0 else math.inf
    if not jumps:
        one = two = math.inf
    return Search(np.float32(one), np.float32(two), flagged == "drop", np.float32(penalty))


def _flat(plane: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """``plane`` of some type with rows and columns as one axis."""
    return np.ascontiguousarray(plane, kind).reshape(*plane.shape[:-2], -1)


def _by_likelihood(
    data: NDArray[np.float32],
    groups: NDArray[np.uint8],
    gain: NDArray[np.float32],
    noise: NDArray[np.float32],
    timing: Timing,
    how: Search,
    flagged: Flags,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    state = _likelihood.states(groups, flagged == "bridge")
    rate = _likelihood.search(data, state, gain, noise, timing, how)
    return _likelihood.fit(data, state, gain, noise, rate, timing), state


def _by_weights(
    data: NDArray[np.float32],
    groups: NDArray[np.uint8],
    gain: NDArray[np.float32],
    noise: NDArray[np.float32],
    timing: Timing,
    jumps: bool,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    planes, found = _weighted.fit(data, groups, gain, noise, timing, jumps)
    known = found | ((groups & np.uint8(dq.JUMP_DET)) != 0)
    return planes, np.where(known, np.uint8(JUMPED), np.uint8(0))


@jit
def _flags(
    groups: NDArray[np.uint8],
    state: NDArray[np.uint8],
    rate: NDArray[np.float32],
    gain: NDArray[np.float32],
    pixeldq: NDArray[np.uint32],
) -> NDArray[np.uint32]:
    """Pixel flags with those that follow from the resultants and the fit."""
    flags = pixeldq.copy()
    good = np.zeros(rate.size, np.uint8)
    for i in range(len(groups)):
        for k in range(rate.size):
            group = groups[i, k]
            flags[k] |= group & np.uint8(dq.SATURATED | dq.JUMP_DET)
            flags[k] |= np.uint32(dq.JUMP_DET) if state[i, k] == JUMPED else np.uint32(0)
            good[k] += np.uint8((group & np.uint8(dq.SATURATED | dq.DO_NOT_USE)) == 0)
    for k in range(rate.size):
        if good[k] < FEWEST or not np.isfinite(rate[k]):
            flags[k] |= np.uint32(dq.DO_NOT_USE)
        if not 0 < gain[k] < np.inf:
            flags[k] |= np.uint32(dq.NO_GAIN_VALUE)
    return flags


def _positions(state: NDArray[np.uint8], ramp: Ramp) -> NDArray[np.int16]:
    """Jumps as (resultant, y, x) on the science area."""
    with_any = np.flatnonzero((state == JUMPED).any(axis=0))
    resultant, which = np.nonzero(state[:, with_any] == JUMPED)
    row, column = np.divmod(with_any[which], ramp.window.width)
    y, x = row + ramp.window.row - BORDER, column + ramp.window.column - BORDER
    return in_order(np.stack([resultant, y, x], axis=1).astype(np.int16))
