"""Progress of a run: bars on a terminal, one line per finished unit elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from aqueduct.cli import output
from aqueduct.run import Unit, Watcher
from aqueduct.run.forecast import Forecast
from aqueduct.run.job import Outcome

if TYPE_CHECKING:
    from rich.progress import Progress as Bars


class Progress(Watcher):
    """Tells of a run on standard error."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._total = self._done = 0
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Progress:
        if sys.stderr.isatty() and not output.is_quiet():
            self._bars = _bars()
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def planned(self, units: Sequence[Unit], expected: Forecast) -> None:
        """Say what the run will take."""
        self._total, self._done = len(units), 0
        self._say(str(expected))

    def progress(self, unit: Unit, outcome: Outcome | None, step: str, fraction: float) -> None:
        """Move the unit's bar, or say that it ended."""
        if outcome is not None:
            self._done += 1
            self._say(f"[{self._done}/{self._total}] {sentence(outcome)}")
        if self._bars is None:
            return
        if unit.name not in self._tasks:
            self._tasks[unit.name] = self._bars.add_task(unit.name, total=1.0, step="")
        task = self._tasks[unit.name]
        self._bars.update(task, completed=fraction, step=_short(step), visible=outcome is None)

    def _say(self, text: str) -> None:
        if self._bars is None:
            output.note(text)
        else:
            self._bars.console.print(text)


def sentence(outcome: Outcome) -> str:
    """What became of a unit: ``made x_cal.asdf 12.3 s 1.8 GB``."""
    if outcome.error is not None:
        return f"failed {outcome.unit.key}: {outcome.error.what}"
    if not outcome.files:
        return f"{outcome.status} {outcome.unit.key}"
    first, *others = [path.name for path in outcome.files]
    files = f"{first} and {len(others)} more" if others else first
    if not outcome.readings:
        return f"{outcome.status} {files}"
    seconds = sum(reading.seconds for reading in outcome.readings.values())
    memory = max(reading.resident for reading in outcome.readings.values())
    return f"{outcome.status} {files} {seconds:.1f} s {output.gigabytes(memory)}"


def _short(step: str) -> str:
    """``dq_init...flat`` for a chain of steps."""
    first, *others = step.split("+")
    return f"{first}...{others[-1]}" if others else first


def _bars() -> Bars:
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    return Bars(
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}", markup=False),
        TextColumn("{task.description}", markup=False),
        console=output.console(err=True),
        transient=True,
    )
