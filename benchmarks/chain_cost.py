"""CPU cost of each block step of Level 2, on a whole frame, beside the limits of the machine.

    python benchmarks/chain_cost.py L1.asdf REFERENCES [--tables 3,5,6]

Runs the chain of block steps as the pipeline does, on one thread, best of ``--repeat``, and
prints nanoseconds of CPU per pixel for each step, for what lies between the steps (cutting,
pasting, rounding), and for all of them. Beside them stand the bytes that a step must move
between memory and core, if everything of the block in hand stays in the core's cache, and
the time these take at the copying speed of this machine.

Other MA tables than the frame's own are filled with resultants interpolated from it.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from aqueduct import io
from aqueduct.core.step import Step
from aqueduct.core.threads import limited
from aqueduct.instrument.matables import ma_table
from aqueduct.pipelines.exposure import EXPOSURE
from aqueduct.products import Raw
from aqueduct.products.image import PLANES
from aqueduct.products.meta import updated
from aqueduct.products.window import FRAME
from aqueduct.references import References
from aqueduct.run.blocks import Bound, bind, stream

PIXELS = FRAME**2
APART = ("refpix", "ramp_fit")
"""Steps with budgets of their own, left out of the sum of the others."""

Spent = dict[str, float]


def timed(step: Step, spent: Spent) -> Step:
    """``step``, adding its CPU seconds to ``spent``."""

    def function(*given: Any, **named: Any) -> Any:
        start = time.thread_time()
        made = step.function(*given, **named)
        spent[step.name] += time.thread_time() - start
        return made

    return replace(step, function=function)


def measured(raw: Raw, references: References) -> Spent:
    """CPU seconds of one pass over the frame, by step."""
    spent: Spent = defaultdict(float)
    start = time.thread_time()
    chain = [_bound(step, raw, references, spent) for step in block_steps()]
    stream(raw, chain, _silent)
    spent["between"] = time.thread_time() - start - sum(spent.values())
    return spent


def block_steps() -> list[Step]:
    return [step for step in EXPOSURE.steps().values() if step.shape == "block"]


def _bound(step: Step, raw: Raw, references: References, spent: Spent) -> Bound:
    given = {entry.name: references.get(entry.kind, raw.meta) for entry in step.references}
    start = time.thread_time()
    bound = bind(timed(step, spent), step.config(), given, raw)
    spent[step.name] += time.thread_time() - start
    return bound


def _silent(fraction: float) -> None:
    pass


def with_table(raw: Raw, number: int) -> Raw:
    """The frame as another MA table would have read it: interpolated in time."""
    reads = ma_table(number).read_pattern
    old = [np.mean(each) for each in raw.exposure.read_pattern]
    new = [np.mean(each) for each in reads]
    last = len(old) - 1
    rate = (raw.data[last].astype(np.float32) - raw.data[0]) / (old[last] - old[0])
    data = np.empty((len(new), *raw.data.shape[1:]), np.uint16)
    for i, when in enumerate(new):
        # The table lasts as long as the frame: the same levels, from sky to saturation.
        since = (when - new[0]) / (new[-1] - new[0]) * (old[last] - old[0])
        data[i] = np.clip(raw.data[0] + rate * np.float32(since), 0, 65535)
    pattern = [list(each) for each in reads]
    return replace(raw, data=data, meta=updated(raw.meta, exposure={"read_pattern": pattern}))


def traffic(step: Step, raw: Raw, references: References) -> float:
    """Bytes per pixel that a step must move: its references' planes, frame and image."""
    moved = sum(_planes(references.get(entry.kind, raw.meta)) for entry in step.references)
    if any(entry.kind is Raw for entry in step.products):
        moved += raw.data.nbytes / PIXELS
    if step.name == "flat":  # the last: its image goes to memory
        moved += sum(np.dtype(kind).itemsize for kind in PLANES.values())
    return moved


def _planes(reference: Any) -> float:
    arrays = (getattr(reference, entry.name) for entry in fields(reference))
    return sum(
        each.nbytes / PIXELS
        for each in arrays
        if isinstance(each, np.ndarray) and each.shape[-1:] > (FRAME // 2,) and each.ndim > 1
        and each.shape[-2] == each.shape[-1]
    )  # fmt: skip


def copying_speed() -> float:
    """Bytes a second, read and written, of one core copying what is larger than its cache."""
    source = np.ones(32 << 20, np.float32)
    target = np.empty_like(source)
    return 2 * source.nbytes / _best(lambda: np.copyto(target, source))


def _best(function: Callable[[], Any], repeat: int = 5) -> float:
    spent = []
    for _ in range(repeat):
        start = time.thread_time()
        function()
        spent.append(time.thread_time() - start)
    return min(spent)


def show(raw: Raw, references: References, repeat: int, speed: float) -> None:
    """Print the table of one frame."""
    runs = [measured(raw, references) for _ in range(repeat)]
    best = {name: min(run[name] for run in runs) for name in runs[0]}
    count, reads = len(raw.data), sum(map(len, raw.exposure.read_pattern))
    print(f"\n{count} resultants, {reads} reads      CPU ns/pixel   bytes/pixel   limit ns/pixel")
    moved = {step.name: traffic(step, raw, references) for step in block_steps()}
    for name, seconds in best.items():
        size = moved.get(name, 0.0)
        print(
            f"  {name:24s} {seconds / PIXELS * 1e9:12.1f} {size:13.0f} {size / speed * 1e9:16.1f}"
        )
    rest = sum(seconds for name, seconds in best.items() if name not in APART)
    size = sum(size for name, size in moved.items() if name not in APART)
    print(
        f"  without {' and '.join(APART):16s} {rest / PIXELS * 1e9:12.1f} {size:13.0f} "
        f"{size / speed * 1e9:16.1f}   {rest:.2f} CPU s a frame"
    )
    print(f"  all {'':33s}{'':31s} {sum(best.values()):.2f} CPU s a frame")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("frame", type=Path)
    parser.add_argument("references", type=Path)
    parser.add_argument("--tables", default="", help="more MA tables, such as 3,5,6")
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    raw, references = io.read(options.frame), References(options.references)
    speed = copying_speed()
    print(f"copying: {speed / 1e9:.1f} GB/s")
    with limited(1):
        show(raw, references, options.repeat, speed)
        for number in filter(None, options.tables.split(",")):
            show(with_table(raw, int(number)), references, options.repeat, speed)


if __name__ == "__main__":
    main()
