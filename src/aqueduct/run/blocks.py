"""Stream a chain of block steps over a frame, some rows of one channel at a time.

A block of 512 rows x 128 columns x 9 float32 resultants is 2.4 MB: it stays in cache from the
first step of the chain to the last, and the float ramp of a whole frame never exists; smaller
blocks cost more in calls than they save in memory traffic. Channels are spread over threads,
each from its first row to its last, so that what a step makes once for a channel serves all
its blocks and can then be let go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from threading import Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import StepConfig
from aqueduct.core.step import Step
from aqueduct.core.threads import bands, over
from aqueduct.io.layout import read_ahead
from aqueduct.products import Image, Ramp, Raw
from aqueduct.products.references import FileReference, cut
from aqueduct.products.window import CHANNEL, FRAME, Window

ROWS = 512


@dataclass(frozen=True)
class Bound:
    """A block step with its config, references and prepared state."""

    step: Step
    config: StepConfig
    references: Mapping[str, FileReference | None]
    state: Any = None


def bind(
    step: Step, config: StepConfig, references: Mapping[str, FileReference | None], frame: Raw
) -> Bound:
    """Give ``step`` what it needs, and its first look at the frame if it wants one."""
    state = step.prepare(frame, config, **references) if step.prepare else None
    return Bound(step, config, references, state)


def stream(
    frame: Raw | Ramp | Image, chain: Sequence[Bound], advance: Callable[[float], None]
) -> Ramp | Image:
    """Run ``chain`` over ``frame``, block by block.

    Parameters
    ----------
    frame : Raw, Ramp or Image
        The whole frame; only the parts in hand are read.
    chain : sequence of Bound
    advance : callable
        Told the fraction done after each channel.

    Returns
    -------
    Ramp or Image
        Of the whole frame; an image loses its reference pixels.
    """
    Thread(target=read_ahead, args=(_arrays(frame, chain),), daemon=True).start()
    halo = sum(bound.step.halo(bound.config) for bound in chain)
    rows = bands(FRAME, ROWS)
    channels = bands(FRAME, CHANNEL)
    first: Ramp | Image = _run(frame, chain, Window(0, 0, ROWS, CHANNEL), halo)
    whole: Ramp | Image = first.widened()
    done: list[int] = []

    def one_channel(channel: tuple[int, int]) -> None:
        for band in rows:
            window = Window(band[0], channel[0], band[1] - band[0], channel[1] - channel[0])
            whole.paste(_run(frame, chain, window, halo), window)
        done.append(channel[0])
        advance(len(done) / len(channels))

    over(one_channel, channels)
    return whole.settled() if isinstance(whole, Image) else whole


def _arrays(frame: Raw | Ramp | Image, chain: Sequence[Bound]) -> list[NDArray[Any]]:
    """The arrays of a frame and of the references of a chain."""
    holders = [frame, *(one for bound in chain for one in bound.references.values() if one)]
    values = [getattr(holder, entry.name) for holder in holders for entry in fields(holder)]
    return [value for value in values if isinstance(value, np.ndarray)]


def _run(frame: Raw | Ramp | Image, chain: Sequence[Bound], window: Window, halo: int) -> Any:
    block = frame.cut(window.grown(halo))
    cover = block.window
    for bound in chain:
        arguments: dict[str, Any] = {
            name: reference and cut(reference, cover)
            for name, reference in bound.references.items()
        }
        if bound.step.uses_state:
            arguments["state"] = bound.state
        block = bound.step.function(block, config=bound.config, **arguments)
        if isinstance(block, Image):
            block = block.rounded()
    return block
