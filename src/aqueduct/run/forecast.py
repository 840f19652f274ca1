"""What a run will take, said before it starts."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from aqueduct.core.errors import OutputError
from aqueduct.core.step import Product
from aqueduct.products import Image, Mosaic, Segmentation, SkyCell
from aqueduct.products.image import PLANES
from aqueduct.products.window import SCIENCE
from aqueduct.run.pipeline import Pipeline, Unit

# Mosaic: five float32 planes, one of context. Segmentation: as large as the larger grid.
_FILE_BYTES: Final[dict[type[Product], int]] = {
    Image: SCIENCE**2 * (sum(np.dtype(kind).itemsize for kind in PLANES.values()) + 4),
    Mosaic: SkyCell.pixels**2 * 24,
    Segmentation: SkyCell.pixels**2 * 4,
}


@dataclass(frozen=True)
class Forecast:
    """Units, bytes of memory at the peak, and bytes of disk for files not there yet."""

    units: int
    memory: int
    disk: int

    def __str__(self) -> str:
        return (
            f"{self.units} units, up to {self.memory / 2**30:.1f} GB of memory "
            f"and {self.disk / 2**30:.1f} GB of disk"
        )


def forecast(pipeline: Pipeline, units: Sequence[Unit], jobs: int) -> Forecast:
    """Count what ``units`` will take when ``jobs`` of them run at a time."""
    new = {path: kind for unit in units for kind, paths in unit.outputs.items() for path in paths}
    disk = sum(_FILE_BYTES.get(kind, 1 << 20) for path, kind in new.items() if not path.exists())
    peak = 0
    for unit in units:
        fixed, each = pipeline.stage(unit.stage).memory
        peak = max(peak, fixed + each * len(unit.inputs))
    return Forecast(len(units), peak * jobs, disk)


def check_space(folder: Path, needed: int) -> None:
    """Stop before the work if the disk can't hold what it makes.

    Raises
    ------
    OutputError
    """
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(
            f"{needed / 2**30:.1f} GB are needed and {free / 2**30:.1f} GB are free",
            where=str(folder),
            hint="free some space or choose another --out",
        )
