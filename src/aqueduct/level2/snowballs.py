"""Grow the jumps of snowballs: round events with a core that saturates.

The halo of a snowball reaches further than jumps can be told from noise. In each resultant,
pixels that are first SATURATED there, and those with a jump that ends there or in the one
before, are joined where they touch. A snowball is such a group with enough jumps around
enough newly saturated pixels. With its area of A pixels, hence a radius r = (A / pi)^1/2,

* pixels within ``expansion`` r of its middle are JUMP_DET in these resultants, and
* its core, grown by ``core_growth`` pixels, is SATURATED from there on.

It needs the flags of :mod:`aqueduct.level2.jump`. The parameters are those of the official
pipeline (stcal ``jump``), which draws circles around contours instead.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products import Ramp

Flags = NDArray[np.uint8]
Mask = NDArray[np.bool_]

_JUMP = np.uint8(dq.JUMP_DET)
_FULL = np.uint8(dq.SATURATED)


class SnowballsConfig(StepConfig):
    """Parameters of :func:`snowballs`."""

    minimum_area: int = Field(6, ge=1, description="Least pixels with a jump around a core")
    minimum_core: int = Field(1, ge=1, description="Least newly saturated pixels of a core")
    expansion: float = Field(
        1.9, ge=1, le=10, description="Radius that is flagged, in radii of what was found"
    )
    core_growth: int = Field(2, ge=0, le=50, description="Pixels by which a core is grown")


@step(shape="frame")
def snowballs(ramp: Ramp, config: SnowballsConfig) -> Ramp:
    """Flag the surroundings of snowballs.

    Parameters
    ----------
    ramp : Ramp
        The whole frame, with SATURATED and JUMP_DET in its group flags; DN.
    config : SnowballsConfig

    Returns
    -------
    Ramp
        The same data, with more group flags.
    """
    groupdq = ramp.groupdq.copy()
    for i in range(1, len(groupdq)):
        before, now = ramp.groupdq[i - 1], ramp.groupdq[i]
        core = (now & ~before & _FULL) != 0
        if core.any():
            jumps = ((before | now) & _JUMP) != 0
            for place, member in _snowballs(core, jumps, config):
                _grow(groupdq, ramp.groupdq, i, place, member & core[place], member, config)
    return replace(ramp, groupdq=groupdq)


def _snowballs(
    core: Mask, jumps: Mask, config: SnowballsConfig
) -> Iterator[tuple[tuple[slice, slice], Mask]]:
    """Where each snowball is, with room to grow, and its pixels there."""
    labels, count = ndimage.label(core | jumps, np.ones((3, 3)))
    cores = np.bincount(labels[core], minlength=count + 1)
    rings = np.bincount(labels[jumps & ~core], minlength=count + 1)
    found = (cores >= config.minimum_core) & (rings >= config.minimum_area)
    boxes = ndimage.find_objects(labels)
    for label in np.flatnonzero(found):
        area = cores[label] + rings[label]
        room = math.ceil(config.expansion * math.sqrt(area / math.pi)) + config.core_growth + 1
        rows, columns = boxes[label - 1]
        place = (_wider(rows, room), _wider(columns, room))
        yield place, labels[place] == label


def _wider(part: slice, room: int) -> slice:
    return slice(max(part.start - room, 0), part.stop + room)


def _grow(
    groupdq: Flags,
    known: Flags,
    i: int,
    place: tuple[slice, slice],
    core: Mask,
    member: Mask,
    config: SnowballsConfig,
) -> None:
    """Flag one snowball in the resultants whose jumps it has, and its core from ``i`` on."""
    y, x = np.nonzero(member)
    rows, columns = np.indices(member.shape)
    radius = config.expansion * math.sqrt(y.size / math.pi)
    near = np.hypot(rows - y.mean(), columns - x.mean()) <= radius
    for k in (i - 1, i):
        if np.any(known[(k, *place)][member] & _JUMP):
            groupdq[(k, *place)][near] |= _JUMP
    reach = ndimage.distance_transform_edt(~core) <= config.core_growth
    groupdq[(slice(i, None), *place)] |= reach * _FULL
