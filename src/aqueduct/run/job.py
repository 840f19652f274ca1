"""What the runner hands to :func:`aqueduct.run.execute.execute`, and what comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aqueduct.core.errors import AqueductError
from aqueduct.io import Generation
from aqueduct.references import References
from aqueduct.run.meter import Reading
from aqueduct.run.pipeline import Stage, Unit

Report = Callable[[str, float], None]
"""Told (step, fraction done) as work goes on."""

Used = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Job:
    """How to run the units of a stage: plain values, fit to be sent to a worker.

    Attributes
    ----------
    configs : dict
        Parameter values by step name: those that the run was given, no defaults.
    pipeline : str
        Name of the pipeline, by which its parameter reference is found.
    rad : str
        Schema generation to write.
    skipped, skipped_status : tuple of str
        Steps left out, and the names under which ``meta.cal_step`` records them.
    save : tuple of str
        Steps after which a checkpoint is written.
    threads : int
        Threads a unit may use; 0 for all cores.
    """

    stage: Stage
    configs: dict[str, dict[str, Any]]
    references: References
    rad: Generation
    pipeline: str = ""
    skipped: tuple[str, ...] = ()
    skipped_status: tuple[str, ...] = ()
    save: tuple[str, ...] = ()
    until: str | None = None
    since: str | None = None
    threads: int = 0


@dataclass(frozen=True)
class Outcome:
    """What became of a unit: ``made``, ``kept`` (already there), ``failed`` or ``waiting``.

    ``consequence`` marks a failure that only follows from that of another unit.
    """

    unit: Unit
    status: str
    files: tuple[Path, ...] = ()
    readings: dict[str, Reading] = field(default_factory=dict)
    error: AqueductError | None = None
    consequence: bool = False
