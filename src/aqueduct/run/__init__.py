"""The runner: opens files, finds references, runs steps, writes and records.

``aqueduct.run`` is this package and may be called: ``aqueduct.run("exposure", path)``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from aqueduct.run.pipeline import OnRequest, Pipeline, Source, Stage, Unit
from aqueduct.run.runner import Summary, Watcher, named, pipeline_names, run

__all__ = [
    "OnRequest",
    "Pipeline",
    "Source",
    "Stage",
    "Summary",
    "Unit",
    "Watcher",
    "named",
    "pipeline_names",
    "run",
]


class _Callable(ModuleType):
    """A module that runs a pipeline when called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Summary:
        return run(*args, **kwargs)


sys.modules[__name__].__class__ = _Callable
