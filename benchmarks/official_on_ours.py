"""The official pipeline on a simulated Level 1 file with our references, against the truth.

    python benchmarks/official_on_ours.py FRAME_uncal.asdf REFERENCES --zodiacal Z

FRAME comes from ``aqueduct simulate l1`` (its truth beside it), REFERENCES from ``aqueduct
references make`` for its detector and filter. romancal runs in the environment of the peer
kit, with the references as its CRDS cache. Its rates, divided by the true sensitivity, are
compared with what was put in: the median of the blank sky, and the fluxes of isolated stars
within 0.7 arcsec. Aqueduct's own calibration of the same file stands beside it.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from metering import aqueduct, peer_environment
from scipy.spatial import cKDTree

from aqueduct import io
from aqueduct.core import dq
from aqueduct.io.table import read_table
from aqueduct.pipelines.make_references import detector_truth
from aqueduct.pipelines.simulation import STARS
from aqueduct.products import Image
from aqueduct.products.references import EpsfReference
from aqueduct.products.window import SCIENCE
from aqueduct.psf.epsf import Epsf
from aqueduct.references import References
from aqueduct.simulate import DetectorConfig
from aqueduct.simulate.references import mean_gain
from aqueduct.simulate.render import background_rate, pixel_area

RADIUS = 6
"""Pixels of the aperture; the sky is the median between twice and three times as far."""
APART = 25
"""Pixels to the next source of any kind."""
RUN = """
import os, sys
from romancal.pipeline import ExposurePipeline
os.chdir(sys.argv[2])
ExposurePipeline.call(
    sys.argv[1],
    steps={"source_catalog": {"skip": True}, "tweakreg": {"skip": True}},
    save_results=True,
    output_dir=sys.argv[2],
)
"""


def official(frame: Path, references: Path, peer: Path, out: Path) -> Path:
    """Calibrate ``frame`` with romancal; its Level 2 file."""
    out.mkdir(parents=True, exist_ok=True)
    env = peer_environment(peer, references.resolve(), References(references).context)
    command = [str(peer / "venv/bin/python"), "-c", RUN, str(frame.resolve()), str(out.resolve())]
    with (out / "romancal.log").open("w") as log:
        if subprocess.run(command, env=env, stdout=log, stderr=log, check=False).returncode:
            sys.exit(f"romancal failed; see {out / 'romancal.log'}")
    return out / frame.name.replace("_uncal", "_cal")


def own(frame: Path, references: Path, out: Path) -> Path:
    """Calibrate ``frame`` with Aqueduct; its Level 2 file."""
    where = ("--references", str(references), "--out", str(out))
    stars = f"references.astrometry={frame.with_name(STARS)}"
    subprocess.run(
        aqueduct("run", "exposure", str(frame), *where, "--set", stars),
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return out / frame.name.replace("_uncal", "_cal")


def report(name: str, path: Path, truth: dict[str, np.ndarray], zodiacal: float, model: np.ndarray):
    """Print rates of the sky and of stars over those put in."""
    image = io.read(path)
    assert isinstance(image, Image)
    detector, element = (image.meta["instrument"][k] for k in ("detector", "optical_element"))
    gain = mean_gain(detector_truth(detector, DetectorConfig()))
    data = np.asarray(image.data, np.float64) * gain
    bad = (image.dq & (dq.DO_NOT_USE | dq.SATURATED)) != 0
    good = ~bad & np.isfinite(data)
    area = pixel_area(detector)
    blank = good & ~_near(truth)
    sky = np.median(data[blank])
    expected = float(np.median(background_rate(element, detector, zodiacal)))
    pull = (data[blank] - sky) / (np.asarray(image.err, np.float64)[blank] * gain)
    width = 1.4826 * np.median(np.abs(pull))
    print(f"{name:10s} good pixels {good.mean():.4f}   sky {sky / expected:.5f} of that put in")
    print(f"{'':10s} scatter of the blank sky over err {width:.4f}")
    for low, high in ((3e1, 3e2), (3e2, 3e3), (3e3, 3e4)):
        # The flat field makes a uniform sky uniform: a star is dimmer where pixels are large.
        ratios = stars(data * (area / area.mean()), good, truth, (low, high), model)
        if len(ratios) > 4:
            scatter = 1.4826 * np.median(np.abs(ratios - np.median(ratios)))
            print(
                f"{'':10s} stars of {low:.0e} to {high:.0e} e/s: n {len(ratios):4d} "
                f"median {np.median(ratios):.5f} +- {scatter / np.sqrt(len(ratios)):.5f}"
            )


def _near(truth: dict[str, np.ndarray]) -> np.ndarray:
    """Pixels near a source, the brighter the farther."""
    near = np.zeros((SCIENCE, SCIENCE), bool)
    reach = np.clip(12 * np.maximum(truth["rate"], 1) ** 0.3, 15, 200).astype(int)
    for x, y, r in zip(truth["x"], truth["y"], reach, strict=True):
        row, column = round(y), round(x)
        near[max(row - r, 0) : row + r + 1, max(column - r, 0) : column + r + 1] = True
    return near


def stars(data, good, truth, limits, model) -> np.ndarray:
    """Aperture rates of isolated stars over those of a noiseless image of them."""
    x, y, rate = truth["x"], truth["y"], truth["rate"]
    inside = np.minimum(np.minimum(x, y), SCIENCE - 1 - np.maximum(x, y)) > 3 * RADIUS + 2
    distance = cKDTree(np.stack([x, y], axis=1)).query(np.stack([x, y], axis=1), 2)[0][:, 1]
    pick = inside & (truth["kind"] == 0) & (distance > APART)
    pick &= (rate >= limits[0]) & (rate < limits[1])
    ratios = np.array(
        [
            aperture(data, good, x[k], y[k]) / aperture(model, good, x[k], y[k])
            for k in np.flatnonzero(pick)
        ]
    )
    return ratios[np.isfinite(ratios)]


def aperture(data, good, x: float, y: float) -> float:
    """Sum within the aperture, the median around it subtracted; NaN with bad pixels."""
    row, column, reach = round(y), round(x), 3 * RADIUS + 2
    part = (slice(row - reach, row + reach + 1), slice(column - reach, column + reach + 1))
    rows, columns = np.mgrid[part]
    radius = np.hypot(rows - y, columns - x)
    weight = np.clip(RADIUS - radius + 0.5, 0, 1)
    if not good[part][weight > 0].all():
        return np.nan
    ring = (radius > 2 * RADIUS) & (radius < 3 * RADIUS) & good[part]
    return float(((data[part] - np.median(data[part][ring])) * weight).sum())


def rendered(epsf: Epsf, truth: dict[str, np.ndarray]) -> np.ndarray:
    """All stars as the reference ePSF has them, electron/s."""
    image = np.zeros((SCIENCE, SCIENCE), np.float32)
    point = truth["kind"] == 0
    epsf.render(truth["x"][point], truth["y"][point], truth["rate"][point], image)
    return image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("frame", type=Path)
    parser.add_argument("references", type=Path)
    parser.add_argument("--zodiacal", type=float, default=1.5, help="as simulated")
    parser.add_argument("--peer", type=Path, default=Path.home() / ".cache/aqueduct-peers")
    parser.add_argument("--out", type=Path, default=Path("build/official_on_ours"))
    parser.add_argument("--keep", action="store_true", help="compare files of an earlier run")
    options = parser.parse_args()
    truth, _ = read_table(
        options.frame.with_name(options.frame.name.replace("_uncal.asdf", "_truth.parquet"))
    )
    meta = io.peek(options.frame).meta
    reference = References(options.references).get(EpsfReference, meta)
    model = rendered(Epsf.from_reference(reference), truth)
    product = options.frame.name.replace("_uncal", "_cal")
    for name, calibrate in (
        ("aqueduct", lambda out: own(options.frame, options.references, out)),
        ("romancal", lambda out: official(options.frame, options.references, options.peer, out)),
    ):
        folder = options.out / name
        path = folder / product if options.keep else calibrate(folder)
        report(name, path, truth, options.zodiacal, model)


if __name__ == "__main__":
    main()
