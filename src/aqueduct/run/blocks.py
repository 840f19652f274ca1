"""Stream a chain of block steps over a frame, a few rows of one channel at a time.

A block of 64 rows x 128 columns x 9 float32 resultants is 0.3 MB: it stays in the
core's cache from the first step of the chain to the last, and the float ramp of a
whole frame never exists. Bands of rows are spread over threads. A band takes its 32
channels one after the other, so the pages of the memory-mapped frame and references
are each touched once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aqueduct.core.config import StepConfig
from aqueduct.core.step import Step
from aqueduct.core.threads import bands, over
from aqueduct.products import Image, Ramp, Raw
from aqueduct.products.references import FileReference, cut
from aqueduct.products.window import CHANNEL, FRAME, Window

ROWS = 64


@dataclass(frozen=True)
class Bound:
    """A block step with its config, references and prepared state."""

    step: Step
    config: StepConfig
    references: dict[str, FileReference]
    state: Any = None


def bind(step: Step, config: StepConfig, references: dict[str, FileReference], frame: Raw) -> Bound:
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
        Told the fraction done after each band of rows.

    Returns
    -------
    Ramp or Image
        Of the whole frame; an image loses its reference pixels.
    """
    halo = sum(bound.step.halo(bound.config) for bound in chain)
    rows = bands(FRAME, ROWS)
    first: Ramp | Image = _run(frame, chain, Window(0, 0, ROWS, CHANNEL), halo)
    whole: Ramp | Image = first.widened()
    done: list[int] = []

    def one_band(band: tuple[int, int]) -> None:
        for column in range(0, FRAME, CHANNEL):
            window = Window(band[0], column, band[1] - band[0], CHANNEL)
            whole.paste(_run(frame, chain, window, halo), window)
        done.append(band[0])
        advance(len(done) / len(rows))

    over(one_band, rows)
    return whole


def _run(frame: Raw | Ramp | Image, chain: Sequence[Bound], window: Window, halo: int) -> Any:
    block = frame.cut(window.grown(halo))
    cover = block.window
    for bound in chain:
        arguments: dict[str, Any] = {
            name: cut(reference, cover) for name, reference in bound.references.items()
        }
        if bound.step.uses_state:
            arguments["state"] = bound.state
        block = bound.step.function(block, config=bound.config, **arguments)
        if isinstance(block, Image):
            block = block.rounded()
    return block
