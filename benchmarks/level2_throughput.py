"""What Level 2 costs: many frames, one frame, the first frame ever, and how cost grows.

    python benchmarks/level2_throughput.py L1FOLDER REFERENCES --sustained [--jobs 2]
    python benchmarks/level2_throughput.py L1FOLDER REFERENCES --one-shot
    python benchmarks/level2_throughput.py L1FOLDER REFERENCES --first
    python benchmarks/level2_throughput.py L1FOLDER REFERENCES --growth

L1FOLDER holds the exposures of ``aqueduct simulate l1`` with their catalog of stars;
REFERENCES the files of ``aqueduct references make`` for their detectors and filter. Every run
includes reading, writing, the source catalog and the joint alignment. ``--sustained`` takes
all frames there; ``--first`` gives the process an empty cache, so that it compiles every
kernel. ``--growth`` simulates what it needs: MA tables of 6 to 16 resultants, and 100 to
100,000 stars on a detector.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
from metering import Cost, aqueduct, metered

from aqueduct.pipelines.simulation import STARS

TABLES = (1049, 4, 109, 5, 110)
COUNTS = (100, 1_000, 10_000, 100_000)
PROGRAM = """\
ra = 270.0
dec = 66.0
aperture = "WFI01_FULL"
detectors = ["WFI01"]
filters = ["F158"]
start_time = "2027-06-01T00:00:00"
ma_table = {table}
"""


def calibrate(
    frames: list[Path], options: argparse.Namespace, jobs: int, env: dict[str, str] | None = None
) -> Cost:
    """Run the exposure pipeline in a process of its own, into an empty folder."""
    out = options.out / "l2"
    shutil.rmtree(out, ignore_errors=True)
    stars = next(frames[0].parent.glob(STARS))
    command = aqueduct(
        *("run", "exposure", *map(str, frames), "--out", str(out), "--jobs", str(jobs)),
        *("--references", str(options.references)),
        *("--set", f"references.astrometry={stars}", "--set", 'tweakreg.on_failure="flag"'),
    )
    cost = metered(command, options.out / "run.log", {**os.environ, **(env or {})})
    shutil.rmtree(out)
    return cost


def sustained(frames: list[Path], options: argparse.Namespace) -> None:
    """All frames, with the alignment of each exposure's detectors together."""
    cost = calibrate(frames, options, options.jobs)
    print(f"{len(frames)} frames, {options.jobs} at a time: {cost}")
    print(f"  {cost.wall / len(frames):.2f} s and {cost.cpu / len(frames):.2f} CPU s a frame")


def first(frames: list[Path], options: argparse.Namespace) -> None:
    """One frame with nothing compiled and nothing unpacked."""
    with tempfile.TemporaryDirectory(dir=options.out) as cache:
        print(f"first run: {calibrate(frames[:1], options, 1, {'AQUEDUCT_CACHE': cache})}")


def one_shot(frames: list[Path], options: argparse.Namespace) -> None:
    """One frame in a process of its own, three times."""
    for _ in range(3):
        print(f"one frame: {calibrate(frames[:1], options, 1)}")


def growth(options: argparse.Namespace) -> None:
    """One frame with more resultants, and one with more stars."""
    for table in TABLES:
        frames = simulated(options, f"table{table}", table, 1_000)
        print(f"MA table {table:4d}: {calibrate(frames, options, 1)}")
    for count in COUNTS:
        frames = simulated(options, f"stars{count}", 4, count)
        print(f"{count:6d} stars: {calibrate(frames, options, 1)}")


def simulated(options: argparse.Namespace, name: str, table: int, count: int) -> list[Path]:
    """A frame of stars of 18 to 25 AB strewn over the detector."""
    folder = options.out / name
    folder.mkdir(exist_ok=True)
    if not list(folder.glob("*_uncal.asdf")):
        rng = np.random.default_rng(count)
        dec = 66.0 + rng.uniform(-225, 225, count) / 3600
        ra = 270.0 + rng.uniform(-225, 225, count) / 3600 / np.cos(np.radians(66.0))
        rows = np.stack([ra, dec, rng.uniform(18, 25, count)], axis=1)
        catalog, program = folder / "stars.ecsv", folder / "program.toml"
        _write_catalog(catalog, rows)
        program.write_text(PROGRAM.format(table=table))
        command = aqueduct(
            *("simulate", "l1", "--config", str(program), "--catalog", str(catalog)),
            *("--out", str(folder)),
        )
        metered(command, folder / "simulate.log", dict(os.environ))
    return sorted(folder.glob("*_uncal.asdf"))


def _write_catalog(path: Path, rows: np.ndarray) -> None:
    from astropy.table import Table

    Table(rows, names=("ra", "dec", "mag_f158")).write(path, overwrite=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("references", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/level2_throughput"))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--sustained", action="store_true")
    parser.add_argument("--one-shot", action="store_true")
    parser.add_argument("--first", action="store_true")
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    frames = sorted(options.folder.glob("*_uncal.asdf"))
    if options.first:
        first(frames, options)
    if options.one_shot:
        one_shot(frames, options)
    if options.sustained:
        sustained(frames, options)
    if options.growth:
        growth(options)


if __name__ == "__main__":
    main()
