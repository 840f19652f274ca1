"""What the Level 2 source catalog costs: CPU seconds by number of stars and by function.

    python benchmarks/catalog_cost.py REFERENCES [--stars 100,2000,10000,100000] [--out FOLDER]

REFERENCES is a set of ``aqueduct references make`` for WFI01 and F158. Full frames with stars
of 18 to 25 AB strewn over the detector are simulated once (``aqueduct simulate l2``). Times
are CPU seconds on one thread, the best of ``--repeat`` runs after one that compiles; memory is
the anonymous memory that the step adds to a process that holds the image.
"""

from __future__ import annotations

import argparse
import cProfile
import os
import pstats
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
from metering import aqueduct, metered

from aqueduct import io
from aqueduct.core.threads import limited
from aqueduct.level2.source_catalog import SourceCatalogConfig, source_catalog
from aqueduct.products import Catalog, Image
from aqueduct.products.references import ApcorrReference, EpsfReference
from aqueduct.references import References

PROGRAM = """\
ra = 270.0
dec = 66.0
aperture = "WFI01_FULL"
detectors = ["WFI01"]
filters = ["F158"]
start_time = "2027-06-01T00:00:00"
ma_table = 4
"""
HALF = 225.0
"""Arcsec from the middle of the detector to the edge of the square of stars."""
SHOWN = 0.005
"""CPU seconds from which a function is listed."""


def simulated(folder: Path, level: str, magnitudes: np.ndarray, seed: int) -> Path:
    """A product of ``level`` (l1, l2) with stars of these magnitudes, made once."""
    folder.mkdir(parents=True, exist_ok=True)
    found = list(folder.glob("*_uncal.asdf" if level == "l1" else "*_cal.asdf"))
    if not found:
        catalog, program = folder / "stars.ecsv", folder / "program.toml"
        write_stars(catalog, magnitudes, seed)
        program.write_text(PROGRAM)
        words = ("--config", program, "--catalog", catalog, "--out", folder, "--seed", seed)
        command = aqueduct("simulate", level, *map(str, words))
        metered(command, folder / "simulate.log", dict(os.environ))
        found = list(folder.glob("*_uncal.asdf" if level == "l1" else "*_cal.asdf"))
    return found[0]


def write_stars(path: Path, magnitudes: np.ndarray, seed: int) -> None:
    """A catalog of stars at random places of the detector."""
    from astropy.table import Table

    rng = np.random.default_rng(seed)
    north, east = rng.uniform(-HALF, HALF, (2, len(magnitudes))) / 3600
    rows = [270.0 + east / np.cos(np.radians(66.0)), 66.0 + north, magnitudes]
    Table(rows, names=("ra", "dec", "mag_f158")).write(path, overwrite=True)


def cataloged(path: Path, references: Path) -> Callable[[], Catalog]:
    """The step on one image, ready to run."""
    image = io.read(path)
    assert isinstance(image, Image)
    store = References(references)
    epsf, apcorr = store.get(EpsfReference, image.meta), store.get(ApcorrReference, image.meta)
    return lambda: source_catalog(image, epsf, apcorr, SourceCatalogConfig())[0]


def seconds(work: Callable[[], Catalog], repeat: int) -> float:
    """Least CPU seconds of one thread."""
    taken = []
    with limited(1):
        for _ in range(repeat):
            start = time.thread_time()
            work()
            taken.append(time.thread_time() - start)
    return min(taken)


def added(work: Callable[[], Catalog]) -> int:
    """Bytes of anonymous memory that ``work`` adds at its peak."""
    process, peak, done = psutil.Process(), [0], threading.Event()

    def watch() -> None:
        while not done.wait(0.002):
            info = process.memory_info()
            peak[0] = max(peak[0], info.rss - info.shared)

    info = process.memory_info()
    watcher = threading.Thread(target=watch)
    watcher.start()
    work()
    done.set()
    watcher.join()
    return peak[0] - (info.rss - info.shared)


def functions(work: Callable[[], Catalog]) -> None:
    """Print the CPU seconds of each function of the package that takes long."""
    profile = cProfile.Profile(time.thread_time)
    with limited(1):
        profile.runcall(work)
    rows = []
    for (file, _, name), (_, calls, own, whole, _) in pstats.Stats(profile).stats.items():
        if "/aqueduct/" in file and whole >= SHOWN:
            rows.append((whole, own, calls, f"{Path(file).stem}.{name}"))
    print("  CPU s with callees, alone, calls")
    for whole, own, calls, name in sorted(rows, reverse=True):
        print(f"  {whole:8.3f} {own:8.3f} {calls:6d}  {name}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("references", type=Path)
    parser.add_argument("--stars", default="100,2000,10000,100000")
    parser.add_argument("--out", type=Path, default=Path("build/catalog"))
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    print("  stars sources   CPU s  us a source   MB added")
    for count in map(int, options.stars.split(",")):
        magnitudes = np.random.default_rng(count).uniform(18, 25, count)
        path = simulated(options.out / f"stars{count}", "l2", magnitudes, count)
        work = cataloged(path, options.references)
        sources = len(work())
        memory, cpu = added(work), seconds(work, options.repeat)
        each = 1e6 * cpu / max(sources, 1)
        print(f"{count:7d} {sources:7d} {cpu:7.2f} {each:12.1f} {memory / 2**20:10.0f}")
        functions(work)


if __name__ == "__main__":
    main()
