"""Correlated noise before and after the reference-pixel correction, beside the official step.

    python benchmarks/refpix_noise.py [--train 6] [--test 2] [--peer PYTHON]

Derives the weights from simulated darks and corrects other darks with them: by the line of
each channel alone, by the weights, and with PYTHON (of an environment that has romancal) by
the official step with the same weights. Prints, of the difference of the first two resultants
in pixels without much dark current, DN:

    pixel      RMS of all pixels
    banding    RMS over rows of the mean of a channel's row, less what white noise gives
    stripes    RMS over rows of the mean of a whole row
    power      of a channel, by decade of frequency (cycles per frame), sum = variance

and the CPU seconds of a frame.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from aqueduct.instrument.matables import ma_table
from aqueduct.level2 import _irrc
from aqueduct.level2.refpix import CHANNELS, RefpixConfig, measure_drift
from aqueduct.pipelines.derive_refpix import Sums, add, solve
from aqueduct.pipelines.make_references import detector_truth
from aqueduct.products import Raw
from aqueduct.products.references import MaskReference, RefpixReference
from aqueduct.products.window import BORDER, CHANNEL, FRAME
from aqueduct.simulate import DetectorConfig, DetectorTruth
from aqueduct.simulate.references import ReferenceConfig, reference_pixels
from aqueduct.simulate.signatures import ReadoutConfig, SignaturesConfig, read_out

TABLE = ma_table(4)
DETECTOR = "WFI01"
DECADES = (1, 10, 100, 1000, 10_000, 100_000, _irrc.FREQUENCIES)
OFFICIAL = """
import sys, time
from types import SimpleNamespace
import numpy as np
from romancal.refpix import refpix
folder = sys.argv[1]
read = lambda name: np.load(f"{folder}/{name}.npy")
model = SimpleNamespace(data=read("data").astype("f4"), amp33=read("amp33"), pixeldq=read("dq"))
weights = {name: read(name).astype("c16") for name in ("gamma", "zeta", "alpha")}
start = time.process_time()
refpix.run_steps(model, SimpleNamespace(**weights))
print(time.process_time() - start)
np.save(f"{folder}/out.npy", model.data[:2])
"""


def dark(truth: DetectorTruth, seed: int) -> Raw:
    """A dark exposure: all signatures of the detector, cosmic rays included."""
    sent = read_out(truth.dark, truth, TABLE, SignaturesConfig(), ReadoutConfig(), seed)
    meta: dict[str, Any] = {
        "instrument": {"name": "WFI", "detector": DETECTOR, "optical_element": "DARK"},
        "exposure": {
            "frame_time": TABLE.frame_time,
            "read_pattern": [list(reads) for reads in TABLE.read_pattern],
            "type": "WFI_IM_DARK",
            "start_time": "2027-03-01T00:00:00",
        },
    }
    return Raw(sent.data, sent.amp33, meta)


def ours(
    raw: Raw, mask: MaskReference, weights: RefpixReference | None
) -> tuple[np.ndarray, float]:
    """The first two resultants corrected, and CPU seconds."""
    start = time.thread_time()
    state = measure_drift(raw, RefpixConfig(), mask, weights)
    made = np.empty((2, FRAME, FRAME), np.float32)
    for channel in range(CHANNELS):
        columns = slice(channel * CHANNEL, (channel + 1) * CHANNEL)
        drift = state.values(channel, slice(None))[:2]
        np.subtract(raw.data[:2, :, columns], drift, out=made[:, :, columns])
    return made, time.thread_time() - start


def official(
    raw: Raw, mask: MaskReference, weights: RefpixReference, python: str
) -> tuple[np.ndarray, float]:
    """The same by the official step."""
    with tempfile.TemporaryDirectory() as folder:
        arrays = {"data": raw.data, "amp33": raw.amp33, "dq": mask.dq}
        arrays |= {name: getattr(weights, name) for name in ("gamma", "zeta", "alpha")}
        for name, values in arrays.items():
            np.save(f"{folder}/{name}.npy", values)
        command = [python, "-c", OFFICIAL, folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env={})
        return np.load(Path(folder) / "out.npy"), float(done.stdout)


def figures(pair: np.ndarray, good: np.ndarray) -> list[float]:
    """Pixel RMS, banding, stripes, and power by decade."""
    difference = np.where(good, pair[1].astype(np.float32) - pair[0], 0)
    difference -= np.where(good, np.median(difference[good]), 0)
    difference[np.abs(difference) > 10 * np.std(difference)] = 0
    blocks = difference.reshape(FRAME, CHANNELS, CHANNEL)
    count = np.maximum(good.reshape(blocks.shape).sum(axis=2), 1)
    inside = slice(BORDER, -BORDER)
    means = (blocks.sum(axis=2) / count)[inside]
    white = (blocks**2).sum() / good.sum() * (1 / count[inside]).mean()
    stripes = (difference.sum(axis=1) / np.maximum(good.sum(axis=1), 1))[inside]
    return [
        float(np.sqrt((difference**2).sum() / good.sum())),
        float(np.sqrt(max(means.var() - white, 0))),
        float(stripes.std()),
        *power(difference, float(good.mean())),
    ]


def power(difference: np.ndarray, share: float) -> list[float]:
    """Variance by decade of frequency, mean of the channels."""
    total = np.zeros(_irrc.FREQUENCIES)
    series = np.zeros((FRAME, _irrc.CLOCKS), np.float32)
    for channel in range(CHANNELS):
        part = difference[:, channel * CHANNEL : (channel + 1) * CHANNEL]
        series[:, :CHANNEL] = _irrc.in_order(channel, part)
        total += np.abs(np.fft.rfft(series.ravel())) ** 2
    total *= 2 / CHANNELS / (_irrc.SAMPLES**2 * share * CHANNEL / _irrc.CLOCKS)
    return [float(total[a:b].sum()) for a, b in pairwise(DECADES)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--train", type=int, default=6, help="darks the weights come from")
    parser.add_argument("--test", type=int, default=2, help="darks that are corrected")
    parser.add_argument("--peer", help="python with romancal")
    arguments = parser.parse_args()
    truth = detector_truth(DETECTOR, DetectorConfig())
    mask = MaskReference(dq=truth.dq.astype(np.uint32))
    good = (truth.dq == 0) & (truth.dark < np.median(truth.dark) * 5)
    sums, spent = Sums.empty(), 0.0
    for seed in range(arguments.train):
        raw = dark(truth, 1000 + seed)
        start = time.process_time()
        add(sums, raw, mask)
        spent += time.process_time() - start
    weights = solve(sums)
    print(
        f"weights from {arguments.train} darks: {spent / arguments.train:.1f} CPU s a dark",
        flush=True,
    )
    for name in ("gamma", "zeta", "alpha"):
        used = (getattr(weights, name) != 0).mean(axis=0)
        some = np.flatnonzero(used > 0.5)
        print(f"  {name}: not zero to frequency {some[-1] if some.size else 'none'}")
    known = reference_pixels(truth.pink, ReferenceConfig(), np.random.default_rng(1))
    heads = [f"{a:.0e}" for a in DECADES[1:-1]] + ["Nyquist"]
    print(f"{'':22s}   pixel banding stripes  to " + " ".join(f"{head:>8s}" for head in heads))
    for seed in range(arguments.test):
        raw = dark(truth, 2000 + seed)
        show("uncorrected", raw.data[:2].astype(np.float32), 0.0, good)
        show("line of the channel", *ours(raw, mask, None), good)
        show("analytic, rows only", *ours(raw, mask, known), good)
        show("derived", *ours(raw, mask, weights), good)
        if arguments.peer:
            show("derived, official", *official(raw, mask, weights, arguments.peer), good)


def show(name: str, pair: np.ndarray, spent: float, good: np.ndarray) -> None:
    pixel, banding, stripes, *decades = figures(pair, good)
    print(
        f"{name:22s} {pixel:7.3f} {banding:7.3f} {stripes:7.3f}     "
        + " ".join(f"{value:8.4f}" for value in decades)
        + f"  {spent:5.2f} s CPU",
        flush=True,
    )


if __name__ == "__main__":
    main()
