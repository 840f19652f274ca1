"""The run ledger: seconds, memory, host and date of each unit, beside the products.

What differs from run to run is kept here and out of the products, so that products of
one recipe are the same but for their date.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aqueduct.run.job import Outcome

NAME = "ledger.jsonl"


def record(folder: Path, outcome: Outcome) -> None:
    """Append one unit's line. A single write, so that runs in one folder don't mix lines."""
    line = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": platform.node(),
        "process": os.getpid(),
        "stage": outcome.unit.stage,
        "unit": outcome.unit.key,
        "status": outcome.status,
        "files": [path.name for path in outcome.files],
        "steps": {name: asdict(reading) for name, reading in outcome.readings.items()},
        "error": str(outcome.error) if outcome.error else None,
    }
    with (folder / NAME).open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The ledger's lines, oldest first."""
    path = folder / NAME
    if path.exists():
        yield from (json.loads(text) for text in path.read_text().splitlines())
