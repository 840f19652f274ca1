"""Level 1 to Level 2 of one frame: Aqueduct beside romancal, stock and mended, in one session.

    python benchmarks/level2_against_romancal.py FRAME_uncal.asdf --kit KIT [--references ROOT]

Both sides read the same reference files: those of ROOT (``aqueduct references make``, with
real coefficients of the reference-pixel correction), or the kit's own cache. "Mended" is
romancal without the array that its fit allocates for every row (see the kit's README).

Prints wall seconds, CPU seconds and peak memory of each side and their ratios, then how the
images differ, pixel by pixel: Aqueduct with preset ``romancal-1.1`` and as it comes. For a
frame of the kit (``--truth``) the kit's own check compares each with the truth.
"""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import numpy as np
from metering import Cost, aqueduct, metered, peer_environment

from aqueduct import io
from aqueduct.core import dq
from aqueduct.products import Image
from aqueduct.references import References

CLOSE = 0.02
"""Sigma within which two images agree."""


def ours(options: argparse.Namespace, name: str, *words: str) -> Cost:
    """Run Aqueduct into an empty folder of its own."""
    folder = options.out / name
    for old in folder.glob("*"):
        old.unlink()
    command = aqueduct(
        *("run", "exposure", str(options.frame), "--out", str(folder)),
        *("--references", str(options.references)),
        *("--set", f"references.astrometry={options.astrometry}"),
        *words,
    )
    return metered(command, options.out / f"{name}.log", options.env)


def theirs(options: argparse.Namespace, name: str, script: str) -> Cost:
    """Run the official pipeline by a script of the kit."""
    python = str(options.peer / "venv/bin/python")
    words = (name, str(options.frame.resolve()), str((options.out / name).resolve()))
    return metered(
        [python, str(options.kit / script), *words], options.out / f"{name}.log", options.env
    )


def image(options: argparse.Namespace, name: str) -> Image:
    """The calibrated image that a side made."""
    found = io.read(options.out / name / options.frame.name.replace("_uncal", "_cal"))
    assert isinstance(found, Image)
    return found


def compare_images(ours: Image, theirs: Image) -> None:
    """Print how two calibrated images of one frame differ, where both call a pixel good."""
    bad = (ours.dq | theirs.dq) & dq.DO_NOT_USE
    a, b = np.asarray(ours.data, np.float64), np.asarray(theirs.data, np.float64)
    err = np.asarray(theirs.err, np.float64)
    good = (bad == 0) & np.isfinite(a) & np.isfinite(b) & (err > 0)
    signed = np.where(good, a - b, 0) / np.where(good, err, 1)
    far = good & (np.abs(signed) > CLOSE)
    bright = good & (b > 1)
    print(f"  good on both sides               {good.mean():.5f}")
    print(f"  within {CLOSE} sigma                {1 - far.sum() / good.sum():.6f}")
    print(f"  median ratio, above 1 DN/s       {np.median(a[bright] / b[bright]):.6f}")
    print(f"  (ours - theirs)/err: median      {np.median(signed[good]):+.2e}")
    print(f"  |ours - theirs|/err: 99th perc.  {np.percentile(np.abs(signed[good]), 99):.2e}")
    errors = np.asarray(ours.err, np.float64)[good] / err[good]
    print(f"  err ratio: median                {np.median(errors):.5f}")
    for name in ("JUMP_DET", "SATURATED", "DO_NOT_USE"):
        flags = [(one.dq & getattr(dq, name)) != 0 for one in (ours, theirs)]
        differ = flags[0] != flags[1]
        shares = " ".join(f"{share.mean():.6f}" for share in (*flags, differ, far & differ))
        print(f"  {name:10s} ours, theirs, differ, differ and far: {shares}")
    print(f"  far with all these flags alike   {_alike(ours, theirs, far):.2e}")


def _alike(ours: Image, theirs: Image, far: np.ndarray) -> float:
    same = (ours.dq ^ theirs.dq) & (dq.JUMP_DET | dq.SATURATED | dq.DO_NOT_USE) == 0
    return float((far & same).mean())


def check_truth(options: argparse.Namespace, name: str) -> None:
    """Have the kit compare a product with the truth."""
    root = options.frame.name.removesuffix("_uncal.asdf")
    files = [str(options.out / name / f"{root}_{end}") for end in ("cal.asdf", "cat.parquet")]
    element = root.split("_")[3].upper()
    python = str(options.peer / "venv/bin/python")
    command = [python, str(options.kit / "check_accuracy.py"), "L2", *files, element]
    print(f"--- truth against {name}", flush=True)
    subprocess.run(command, env=options.env, check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("frame", type=Path)
    parser.add_argument("--kit", type=Path, required=True)
    parser.add_argument("--peer", type=Path, default=Path.home() / ".cache/aqueduct-peers")
    parser.add_argument("--references", type=Path, help="default: the kit's cache")
    parser.add_argument("--astrometry", type=Path, help="default: the kit's catalog")
    parser.add_argument("--out", type=Path, default=Path("build/level2_against_romancal"))
    parser.add_argument("--keep-theirs", action="store_true", help="compare with an earlier run")
    parser.add_argument("--truth", action="store_true", help="a frame of the kit's truth catalog")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    options.references = options.references or options.peer / "crds"
    options.astrometry = options.astrometry or options.peer / "data/refcat.ecsv"
    context = References(options.references).context
    options.env = peer_environment(options.peer, options.references.resolve(), context)
    ours(options, "aqueduct")  # compiles what it needs
    cost = ours(options, "aqueduct")
    print(f"aqueduct         {cost}")
    print(f"preset           {ours(options, 'preset', '--preset', 'romancal-1.1')}")
    if not options.keep_theirs:
        for name, script in (
            ("romancal", "run_l1_to_l2.py"),
            ("romancal-mended", "run_l1_to_l2_mended.py"),
        ):
            peer = theirs(options, name, script)
            print(f"{name:16s} {peer}")
            print(
                f"{name} / aqueduct: wall {peer.wall / cost.wall:.1f}, "
                f"CPU {peer.cpu / cost.cpu:.1f}, peak memory {peer.resident / cost.resident:.1f}"
            )
    for name in ("preset", "aqueduct"):
        print(f"--- {name} against romancal")
        compare_images(image(options, name), image(options, "romancal"))
    for name in ("aqueduct", "romancal") if options.truth else ():
        check_truth(options, name)


if __name__ == "__main__":
    main()
