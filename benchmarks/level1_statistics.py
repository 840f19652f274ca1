"""Statistics of simulated Level 1 frames beside theory and the published ground tests.

    python benchmarks/level1_statistics.py [--rows 512] [--detectors WFI01 WFI09 ...]

Noise and dark current of each detector beside the tables of Roman technical information
(TVAC2: medians of differences of reads, and of slopes through 55 reads times 170 s), then
the relation of variance to mean, the covariance of resultants, the kernel of inter-pixel
capacitance, cosmic rays and the spectrum of the correlated noise. A strip of ``--rows`` rows
of each detector is simulated; 4096 makes a full frame (about 3 GB).
"""

from __future__ import annotations

import argparse
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.instrument import DETECTORS, MATable, detector_noise, ma_table
from aqueduct.instrument.noise import IPC, TOTAL_TIME
from aqueduct.instrument.readout import PIXEL_CLOCK, ROW_CLOCKS
from aqueduct.products.window import CHANNEL, FRAME
from aqueduct.simulate.detector import DetectorConfig, DetectorTruth, Pink, Telegraph, draw_detector
from aqueduct.simulate.signatures import ORDER, Frame, ReadoutConfig, SignaturesConfig, read_out
from aqueduct.simulate.signatures.cosmic_rays import CosmicRayConfig, draw_hits

DARKS = MATable(0, "darks", 3.16247, tuple((read,) for read in range(1, 56)))
NO_HITS = tuple(name for name in ORDER if name not in ("cosmic_rays", "snowballs"))


def strip(truth: DetectorTruth, rows: int) -> DetectorTruth:
    """The first rows of a detector."""
    cut: dict[str, Any] = {}
    for one in fields(truth):
        value = getattr(truth, one.name)
        if isinstance(value, np.ndarray) and value.shape == (FRAME, FRAME):
            cut[one.name] = value[:rows]
    near = truth.telegraph.pixel < rows * FRAME
    spots = Telegraph(*(column[near] for column in truth.telegraph))
    return replace(truth, **cut, telegraph=spots)


def drift(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """The line along the rows of each channel: what reference pixels would take out."""
    half = len(signal) // 2
    parts = (signal[4:half], signal[half:-4])
    ends = [np.median(part.reshape(len(part), -1, CHANNEL), axis=(0, 2)) for part in parts]
    place = (np.arange(len(signal)) - (half + 4) / 2) / half
    line = ends[0] + place[:, None] * (ends[1] - ends[0])
    return np.repeat(line, CHANNEL, axis=1).astype(np.float32)


def slopes(truth: DetectorTruth, seed: int) -> tuple[NDArray[Any], float]:
    """Slope image (electron/s) of a dark of 55 reads, and the noise of a difference."""
    config = SignaturesConfig(order=NO_HITS)
    data = read_out(truth.dark, truth, DARKS, config, ReadoutConfig(), seed).data
    lever = (np.arange(55) - 27) / (np.arange(55) - 27.0).dot(np.arange(55) - 27) / 3.16247
    slope = np.zeros(data.shape[1:])
    last, noise = None, []
    for read, weight in zip(data, lever, strict=True):
        signal = read.astype(np.float32)
        signal -= drift(signal) - 5000
        slope += weight * signal
        if last is not None and len(noise) < 5:
            noise.append((signal - last)[4:-4, 4:-4] * truth.gain[4:-4, 4:-4])
        last = signal
    spread = np.median([np.median(np.abs(one)) for one in noise]) / 0.6745
    return slope * truth.gain, float(spread)


def dark_slope(truth: DetectorTruth) -> NDArray[Any]:
    """Electron/s between the first and last read of a dark without drift."""
    config = SignaturesConfig(order=("photons", "ipc", "gain", "read_noise"))
    table = replace(DARKS, read_pattern=(tuple(range(1, 11)), tuple(range(46, 56))))
    data = read_out(truth.dark, truth, table, config, ReadoutConfig(), 3).data.astype(np.float32)
    # A median of whole numbers is one; the converter's step is spread out again.
    data += np.random.default_rng(0).random(data.shape, np.float32)
    return (data[1] - data[0]) * truth.gain / np.float32(45 * DARKS.frame_time)


def noise_table(names: list[str], rows: int) -> None:
    print("detector   CDS e (published)   total e (published)   dark e/s (published)")
    for name in names:
        known, rng = detector_noise(name), np.random.default_rng([7, DETECTORS.index(name)])
        truth = strip(draw_detector(name, DetectorConfig(decay=0.0), rng), rows)
        inside = (slice(4, -4), slice(4, -4))
        (one, cds), (two, _) = (slopes(truth, seed) for seed in (1, 2))
        difference = (one - two)[inside]
        total = np.median(np.abs(difference)) / 0.6745 / 2**0.5 * TOTAL_TIME
        dark = np.median(dark_slope(truth)[inside])
        print(
            f"{name:9s} {cds:7.2f} ({known.read * 2**0.5:5.2f})"
            f"      {total:6.2f} ({known.total:4.2f})          {dark:6.4f} ({known.dark:5.3f})"
        )


def uniform(rows: int, columns: int, **values: float) -> DetectorTruth:
    """A detector of equal pixels."""
    given = {"gain": 1.8, "response": 1.0, "dark": 0.0, "read_noise": 6.9, "nonlinearity": 0.0}
    given |= {"full_well": 60_000.0, "pedestal": 5000.0} | values
    planes = {key: np.full((rows, columns), value, np.float32) for key, value in given.items()}
    return DetectorTruth("WFI01", **planes, dq=np.zeros((rows, columns), np.uint32))


def photon_transfer(rows: int) -> None:
    print("\nvariance over mean, 1/gain = 0.5556; with capacitance lower by the sum of K^2")
    for label, order in (("without", ()), ("with", ("ipc",))):
        config = SignaturesConfig(order=("photons", *order, "gain", "read_noise"))
        means, variances = [], []
        for rate in (5.0, 20.0, 60.0, 120.0):
            plane = np.full((rows, FRAME), rate, np.float32)
            truth = uniform(rows, FRAME)
            image = read_out(plane, truth, ma_table(4), config, ReadoutConfig(), 3).data[-1]
            image = image[2:-2].astype(np.float64)
            means.append(image.mean())
            variances.append(image.var())
        slope = np.polyfit(means, variances, 1)[0]
        expected = (np.sum(IPC**2) if order else 1.0) / 1.8
        print(f"  {label:8s} {slope:.4f}   expected {expected:.4f}")


def covariance(rows: int) -> None:
    rate, table = 8.0, ma_table(4)
    config = SignaturesConfig(order=("photons", "gain", "read_noise"))
    plane, truth = np.full((rows, FRAME), rate, np.float32), uniform(rows, FRAME)
    data = read_out(plane, truth, table, config, ReadoutConfig(), 5).data
    found = np.cov(data.reshape(len(data), -1).astype(np.float64))
    times = [np.array(reads) * table.frame_time for reads in table.read_pattern]
    photon = [[np.minimum.outer(a, b).mean() for b in times] for a in times]
    read = [(6.9**2 + 1 / 12) / n + (1 - n**-2) / 12 for n in map(len, times)]
    expected = rate / 1.8**2 * np.array(photon) + np.diag(read)
    error = np.sqrt((expected**2 + np.outer(np.diag(expected), np.diag(expected))) / plane.size)
    pulls = ((found - expected) / error)[np.triu_indices(len(times))]
    print("\ncovariance of resultants: 45 elements beside tau and mean times of Casertano (2022)")
    worst = np.abs(found / expected - 1).max()
    print(f"  largest difference {worst:.2%}, RMS {pulls.std():.2f} sigma")


def kernel(rows: int) -> None:
    config = SignaturesConfig(order=("photons", "ipc", "gain", "read_noise"))
    plane = np.zeros((rows, FRAME), np.float32)
    plane[8:-8:8, 8:-8:8] = 300.0
    data = read_out(plane, uniform(rows, FRAME), ma_table(4), config, ReadoutConfig(), 9).data
    step = data[-1].astype(np.float64) - data[0]
    row, column = np.nonzero(plane)
    stamp = [[step[row + dy, column + dx].mean() for dx in (-1, 0, 1)] for dy in (-1, 0, 1)]
    worst = np.abs(np.array(stamp) / np.sum(stamp) - IPC).max()
    print(f"\nkernel of capacitance from {len(row)} hot pixels: largest error {worst:.1e} of 1")


def cosmic_rays() -> None:
    table = ma_table(4)
    reads, truth = np.arange(1, 45), uniform(FRAME, FRAME)
    frame = Frame(truth.dark, truth, table, reads)
    hits = draw_hits(frame, CosmicRayConfig(), np.random.default_rng(1))
    expected = 8 * (FRAME * 1e-3) ** 2 * 44 * table.frame_time
    charge = 240 + 100 * (np.euler_gamma + np.log(2))
    ratio = hits["electrons"].sum() / (expected * charge * 10 * 3.33 / 2.33)
    print(f"\ncosmic rays: {expected:.0f} tracks expected, {len(hits)} pixels hit, ", end="")
    print(f"charge {ratio:.3f} of the expected, median {np.median(hits['electrons']):.0f} electron")


def spectrum() -> None:
    config = SignaturesConfig(order=("gain", "pink"))
    # Strong enough to stand above the converter's steps.
    noise = Pink(common=20.0)
    truth = replace(uniform(FRAME, CHANNEL), pink=noise)
    plane = np.zeros((FRAME, CHANNEL), np.float32)
    table = ma_table(4).truncated(2)
    amp33 = read_out(plane, truth, table, config, ReadoutConfig(), 4).amp33
    power: NDArray[Any] = np.zeros(FRAME // 2 + 1)
    for resultant in amp33:
        line = resultant.mean(axis=1)
        power += np.abs(np.fft.rfft((line - line.mean()) * np.hanning(FRAME))) ** 2
    frequency = np.fft.rfftfreq(FRAME, ROW_CLOCKS * PIXEL_CLOCK)
    use = (frequency > 3) & (frequency < 150)
    slope = np.polyfit(np.log(frequency[use]), np.log(power[use]), 1)[0]
    within = amp33[0].astype(np.float64)
    print(f"\n1/f noise in amp33, 3 to 150 Hz: slope {slope:.2f} (expected -1), ", end="")
    print(f"RMS in a frame {within.std():.2f} DN (given {noise.common:.2f})")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS), choices=DETECTORS)
    given = parser.parse_args()
    noise_table(given.detectors, given.rows)
    photon_transfer(given.rows)
    covariance(given.rows)
    kernel(given.rows)
    cosmic_rays()
    spectrum()


if __name__ == "__main__":
    main()
