"""Level 1 to Level 2 of one official frame: Aqueduct beside romancal, in the same session.

    python benchmarks/level2_against_romancal.py FRAME_uncal.asdf --kit KIT

Both sides read the peer kit's reference cache (see its README; run its setup.sh and
make_inputs.py first). Prints wall seconds, CPU seconds and peak memory of each side and
their ratios; compares the images pixel by pixel; and has the kit's own check compare each
with the truth.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from aqueduct import io
from aqueduct.core import dq
from aqueduct.products import Image


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds, and peak bytes of a process and its children."""

    wall: float
    cpu: float
    resident: int
    anonymous: int

    def __str__(self) -> str:
        return (
            f"{self.wall:7.1f} s wall {self.cpu:7.1f} s CPU "
            f"{self.resident / 2**30:6.2f} GB peak {self.anonymous / 2**30:6.2f} GB anonymous"
        )


def metered(command: list[str], log: Path, env: dict[str, str]) -> Cost:
    """Run a command; its output goes to ``log``."""
    started = time.perf_counter()
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=env)
        peak = [0, 0]
        watcher = threading.Thread(target=_watch, args=(process, peak))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed; see {log}")
    wall = time.perf_counter() - started
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak[0], peak[1])


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    while process.returncode is None:
        try:
            tree = [psutil.Process(process.pid)]
            tree += tree[0].children(recursive=True)
            found = [one.memory_info() for one in tree]
        except psutil.Error:
            found = []
        peak[0] = max(peak[0], sum(info.rss for info in found))
        peak[1] = max(peak[1], sum(info.rss - info.shared for info in found))
        time.sleep(0.02)


def compare_images(ours: Image, theirs: Image) -> None:
    """Print how two calibrated images of one frame differ, where both call a pixel good."""
    bad = (ours.dq | theirs.dq) & (dq.DO_NOT_USE | dq.SATURATED | dq.JUMP_DET)
    a, b = np.asarray(ours.data, np.float64), np.asarray(theirs.data, np.float64)
    err = np.asarray(theirs.err, np.float64)
    good = (bad == 0) & np.isfinite(a) & np.isfinite(b) & (err > 0)
    bright = good & (b > 1)
    difference = np.abs(a - b)[good] / err[good]
    signed = ((a - b) / np.where(good, err, 1))[good]
    jumps = [(image.dq & dq.JUMP_DET) != 0 for image in (ours, theirs)]
    print(f"pixels good on both sides        {good.mean():.5f}")
    print(f"median ratio, above 1 DN/s       {np.median(a[bright] / b[bright]):.6f}")
    print(f"scatter of that ratio (MAD)      {_mad(a[bright] / b[bright]):.2e}")
    print(f"(ours - theirs)/err: median      {np.median(signed):+.2e}")
    print(f"|ours - theirs|/err: median      {np.median(difference):.2e}")
    print(f"|ours - theirs|/err: 99th perc.  {np.percentile(difference, 99):.2e}")
    errors = np.asarray(ours.err, np.float64)[good] / err[good]
    print(f"err ratio: median                {np.median(errors):.5f}")
    print(
        f"jump flags: ours, theirs, differ {jumps[0].mean():.5f} {jumps[1].mean():.5f} "
        f"{(jumps[0] != jumps[1]).mean():.2e}"
    )


def _mad(values: np.ndarray) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("frame", type=Path)
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--peer", type=Path, default=Path.home() / ".cache/aqueduct-peers")
    parser.add_argument("--out", type=Path, default=Path("build/level2_against_romancal"))
    parser.add_argument("--keep-theirs", action="store_true", help="compare with an earlier run")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    env = {
        **os.environ,
        "CRDS_PATH": str(options.peer / "crds"),
        "CRDS_CONTEXT": "roman_0001.pmap",
        "CRDS_OBSERVATORY": "roman",
        # crds takes an address with this name as no server at all
        "CRDS_SERVER_URL": "https://roman-serverless.stsci.edu",
        "OMP_NUM_THREADS": "2",
    }
    python = str(options.peer / "venv/bin/python")
    element = options.frame.name.split("_")[3].upper()
    theirs, ours = options.out / "romancal", options.out / "aqueduct"
    aqueduct = [
        str(Path(sys.executable).with_name("aqueduct")),
        "run",
        "exposure",
        str(options.frame),
        "--out",
        str(ours),
        "--references",
        str(options.peer / "crds"),
        "--set",
        f"references.astrometry={options.peer / 'data/refcat.ecsv'}",
    ]
    romancal = [
        python,
        str(options.kit / "run_l1_to_l2.py"),
        "l2",
        str(options.frame),
        str(theirs.resolve()),
    ]
    for old in ours.glob("*"):
        old.unlink()
    cost = metered(aqueduct, options.out / "aqueduct.log", env)
    print(f"aqueduct {cost}")
    if not options.keep_theirs:
        peer = metered(romancal, options.out / "romancal.log", env)
        print(f"romancal {peer}")
        print(
            f"romancal / aqueduct: wall {peer.wall / cost.wall:.1f}, "
            f"CPU {peer.cpu / cost.cpu:.1f}, peak memory {peer.resident / cost.resident:.1f}"
        )
    root = options.frame.name.removesuffix("_uncal.asdf")
    mine, other = (io.read(folder / f"{root}_cal.asdf") for folder in (ours, theirs))
    assert isinstance(mine, Image) and isinstance(other, Image)
    compare_images(mine, other)
    for name, folder in (("aqueduct", ours), ("romancal", theirs)):
        print(f"--- truth against {name}", flush=True)
        subprocess.run(
            [
                python,
                str(options.kit / "check_accuracy.py"),
                "L2",
                str(folder / f"{root}_cal.asdf"),
                str(folder / f"{root}_cat.parquet"),
                element,
            ],
            env=env,
            check=True,
        )


if __name__ == "__main__":
    main()
