"""Pictures of what the demo made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aqueduct import io
from aqueduct.pipelines.compare import Comparison
from aqueduct.products import Mosaic
from aqueduct.products.plot import plot


def pictures(
    out: Path,
    image: Path,
    coadds: Sequence[Path],
    segmentation: Path,
    comparisons: dict[str, Comparison],
) -> list[Path]:
    """Draw an exposure, the co-adds in colour, the sources found and the completeness.

    Returns
    -------
    list of Path
        PNG files in ``out``.
    """
    import matplotlib

    matplotlib.use("Agg")
    out.mkdir(parents=True, exist_ok=True)
    made = [
        _saved(plot(io.read(image)), out / "level2.png"),
        _saved(_colour(coadds), out / "level3.png"),
        _saved(plot(io.read(segmentation)), out / "level4.png"),
        _saved(_completeness(comparisons), out / "completeness.png"),
    ]
    return made


def _saved(axes: Any, path: Path) -> Path:
    from matplotlib import pyplot

    axes.figure.savefig(path, dpi=110)
    pyplot.close(axes.figure)
    return path


def _axes(title: str) -> Any:
    from matplotlib import pyplot

    axes = pyplot.subplots(figsize=(9, 8), layout="constrained")[1]
    axes.set_title(title)
    return axes


def _colour(coadds: Sequence[Path]) -> Any:
    """Two filters as blue and red, their mean as green; the middle of the cell."""
    planes, names = [], []
    for path in coadds:
        coadd = io.read(path)
        assert isinstance(coadd, Mosaic)
        middle = coadd.data.shape[0] // 2
        part = np.asarray(coadd.data[middle - 500 : middle + 500, middle - 500 : middle + 500])
        level, width = np.nanmedian(part), np.nanstd(part[part < np.nanpercentile(part, 90)])
        planes.append(np.arcsinh(np.nan_to_num(part - level) / (3 * width)) / 5)
        names.append(coadd.optical_element)
    order = np.argsort(names)
    blue, red = planes[order[0]], planes[order[-1]]
    axes = _axes(f"Level 3, {' and '.join(sorted(names))}, middle 55 arcsec")
    axes.imshow(np.clip(np.dstack([red, (red + blue) / 2, blue]), 0, 1), origin="lower")
    return axes


def _completeness(comparisons: dict[str, Comparison]) -> Any:
    axes = _axes("Isolated stars found")
    for name, one in comparisons.items():
        shares = [found / present for found, present in one.completeness.values()]
        axes.plot(list(one.completeness), shares, marker="o", label=name)
    axes.set(xlabel="AB magnitude", ylabel="share found", ylim=(-0.02, 1.02))
    axes.legend()
    return axes
