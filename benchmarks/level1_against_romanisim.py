"""One Level 1 frame of the peer kit's scene: Aqueduct beside romanisim, in the same session.

    python benchmarks/level1_against_romanisim.py --kit KIT [--recorded] [--growth]

Frame: WFI01, F158, MA table 4 (9 resultants of 44 reads), the kit's catalog of 5,500 stars
and galaxies, 2,200 of them on the detector, in the pointing of the peer's file. Prints wall
seconds, CPU seconds and peak memory (process tree; anonymous memory beside it) of each side
and their ratios, start-up and the writing of the file included. The peer takes 7 minutes
and 9.2 GB; ``--recorded`` takes the newest record in the kit's log instead, which is fair
only on the same machine.

``--growth`` shows what Aqueduct takes for idealized Levels 2 and 3 of such a scene (a frame,
a sky cell of 5000 x 5000), and for Level 1 as sources, reads and detectors grow; the detectors
are made one after another, so that their memory should stay where it is with one.
Run the kit's setup.sh and ``make_inputs.py catalog`` first.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import metering
import numpy as np
from metering import Cost, metered, peer_environment

from aqueduct import io
from aqueduct.geometry.siaf import aperture as aperture_of
from aqueduct.products import Raw

FRAME = "r0000101001001001001_0001_wfi01_f158_uncal.asdf"
CENTRE = (270.0, 66.0, 0.0)
SOURCES = (2_000, 20_000)
STARS = (2_000, 20_000, 1_000_000)
TABLES = (3, 4, 6, 7)
DETECTORS = (1, 2, 4, 8)
PROGRAM = """\
ra = {ra}
dec = {dec}
pa = {pa}
aperture = "{aperture}"
filters = ["F158"]
start_time = "2026-01-01T00:00:00"
pointing_error = 0.0
roll_error = 0.0
"""


def aqueduct(
    options: argparse.Namespace,
    name: str,
    catalog: Path,
    *,
    pointing: tuple[float, float, float] = CENTRE,
    aperture: str = "WFI01_FULL",
    table: int = 4,
    detectors: int = 1,
    level: str = "l1",
) -> Cost:
    """Simulate one program in a process of its own, into an empty folder."""
    out = options.out / name
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    program = options.out / f"{name}.toml"
    ra, dec, pa = pointing
    program.write_text(PROGRAM.format(ra=ra, dec=dec, pa=pa, aperture=aperture))
    command = metering.aqueduct(
        *("simulate", level, "--config", str(program), "--catalog", str(catalog)),
        *("--detector", ",".join(f"WFI{number:02d}" for number in range(1, detectors + 1))),
        *("--ma-table", str(table), "--seed", "1", "--out", str(out)),
    )
    return metered(command, options.out / f"{name}.log", dict(os.environ))


def romanisim(options: argparse.Namespace) -> Cost:
    """Run the kit's simulation of the same frame with the official tool."""
    env = peer_environment(options.peer, options.peer / "crds")
    python = str(options.peer / "venv/bin/python")
    command = [python, str(options.kit / "make_inputs.py"), "l1", "F158", "0"]
    return metered(command, options.out / "romanisim.log", env)


def recorded(options: argparse.Namespace) -> Cost:
    """The newest record of that frame in the kit's log; it holds no anonymous memory."""
    log = options.peer / "log/timings.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    wanted = {"stage": "romanisim_L1", "filter": "F158", "dither": 0, "rc": 0}
    found = [line for line in lines if wanted.items() <= line.items()]
    if not found:
        sys.exit(f"{log} has no record of the frame; run without --recorded")
    last = found[-1]
    return Cost(last["wall_s"], last["cpu_s"], int(last["peak_rss_GB"] * 2**30), 0)


def compare(options: argparse.Namespace) -> None:
    """Print both sides and their ratios."""
    peer = recorded(options) if options.recorded else romanisim(options)
    catalog, file = options.peer / "data/truth.ecsv", options.peer / "data" / FRAME
    aqueduct(options, "frame", catalog, pointing=pointing_of(file))  # compiles what it needs
    cost = aqueduct(options, "frame", catalog, pointing=pointing_of(file))
    (file,) = (options.out / "frame").glob("*_uncal.asdf")
    raw = io.read(file)
    assert isinstance(raw, Raw)
    print(f"{file.name}: {raw.data.shape}, {on_detector(file)} sources on the detector")
    print(f"aqueduct  {cost}")
    print(f"romanisim {peer}{' (recorded)' if options.recorded else ''}")
    print(
        f"romanisim / aqueduct: wall {peer.wall / cost.wall:.1f}, CPU {peer.cpu / cost.cpu:.1f}, "
        f"peak memory {peer.resident / cost.resident:.1f}"
    )


def pointing_of(file: Path) -> tuple[float, float, float]:
    """Right ascension, declination and position angle of the detector in a Level 1 file."""
    if not file.exists():
        sys.exit(f"{file} is not there; run without --recorded")
    info = io.peek(file).meta["wcsinfo"]
    pa = info["roll_ref"] + aperture_of("WFI01_FULL").v3_angle
    return float(info["ra_ref"]), float(info["dec_ref"]), float(pa)


def on_detector(file: Path) -> int:
    import pyarrow.parquet as parquet

    truth = file.with_name(file.name.replace("_uncal.asdf", "_truth.parquet"))
    return int(parquet.read_metadata(truth).num_rows)


def growth(options: argparse.Namespace) -> None:
    """Print what more sources, reads and detectors cost."""
    for level in ("l2", "l3"):
        catalog = drawn(options.out, SOURCES[0], galaxies=0.5)
        for _ in range(2):  # the first compiles what it needs
            cost = aqueduct(options, level, catalog, level=level)
        print(f"{SOURCES[0]:>9,} sources, {level}            {cost}", flush=True)
    for number in SOURCES:
        cost = aqueduct(options, "mixed", drawn(options.out, number, galaxies=0.5))
        print(f"{number:>9,} sources, half galaxies {cost}", flush=True)
    for number in STARS:
        cost = aqueduct(options, "stars", drawn(options.out, number, galaxies=0.0))
        print(f"{number:>9,} stars                  {cost}", flush=True)
    catalog = drawn(options.out, SOURCES[0], galaxies=0.5)
    for table in TABLES:
        cost = aqueduct(options, "reads", catalog, table=table)
        print(f"MA table {table}, {reads(table):>3} reads            {cost}", flush=True)
    for count in DETECTORS:
        cost = aqueduct(options, "detectors", catalog, aperture="WFI_CEN", detectors=count)
        print(f"{count:>9} detectors              {cost}", flush=True)


def reads(table: int) -> int:
    from aqueduct.instrument.matables import ma_table

    return ma_table(table).reads


def drawn(folder: Path, number: int, galaxies: float) -> Path:
    """A catalog of sources all over one detector, 18 to 26 AB, as Parquet."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    rng = np.random.default_rng(number)
    half = 4088 * 0.11 / 3600 / 2
    east, north = rng.uniform(-half, half, (2, number))
    extended = rng.random(number) < galaxies
    magnitude = 18 + 8 * rng.random(number) ** 0.5
    columns = {
        "ra": CENTRE[0] + east / np.cos(np.radians(CENTRE[1])),
        "dec": CENTRE[1] + north,
        "kind": np.where(extended, "galaxy", "star"),
        "mag_f158": magnitude,
        "sersic": np.where(extended, rng.uniform(0.5, 4.0, number), np.nan),
        "radius": np.where(extended, rng.uniform(0.1, 0.5, number), np.nan),
        "axis_ratio": np.where(extended, rng.uniform(0.2, 1.0, number), np.nan),
        "position_angle": np.where(extended, rng.uniform(0.0, 180.0, number), np.nan),
    }
    path = folder / f"sources_{number}_{galaxies:g}.parquet"
    parquet.write_table(arrow.table(columns), path)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--peer", type=Path, default=Path.home() / ".cache/aqueduct-peers")
    parser.add_argument("--out", type=Path, default=Path("build/level1_against_romanisim"))
    parser.add_argument("--recorded", action="store_true", help="take the peer's cost of its log")
    parser.add_argument("--growth", action="store_true", help="sources, reads and detectors too")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    compare(options)
    if options.growth:
        growth(options)


if __name__ == "__main__":
    main()
