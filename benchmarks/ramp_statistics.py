"""Statistics of ramp fits: pulls, bias, cosmic rays found, false alarms, CPU time.

    python benchmarks/ramp_statistics.py [--tables 3 4 1049] [--rates 0.05 ... 1000]
        [--pixels 400000] [--hit 0.01] [--electrons 100 20000]
        [--algorithm weighted] [--flagged drop] [--loss-penalty 0]
    python benchmarks/ramp_statistics.py --speed        # CPU ns a pixel, blocks as in a run

Ramps are drawn read by read: Poisson charge, read noise of each read, jumps at random times
within the resultants, saturation at 55 000 DN; no systematics. The pull is (rate - truth) over
the error by the covariance at the true rate, from full matrices, of the differences that the
fit used; "err" is the same with the error that the fit gives. With cosmic rays, a share of the
pixels is hit, by charges even in their logarithm; "theory" is the share of those hits that lowers
chi-square by more than the threshold when what the jump touches is left out. False alarms are
jumps found in pixels that were not hit; theory is their number for normal noise, if no two
differences or pairs of them were alike: an upper limit.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, ncx2

from aqueduct.instrument.matables import MATable, ma_table
from aqueduct.level2.ramp_fit import RampFitConfig, ramp_fit
from aqueduct.products import Image, Ramp, Window
from aqueduct.products.references import GainReference, ReadnoiseReference
from aqueduct.products.window import BORDER

GAIN, NOISE, FULL = 1.8, 6.0, 55_000.0
COLUMNS = 128
Floats = NDArray[np.float64]


@dataclass
class Draw:
    """Ramps and what struck them: electrons, and the read after which they are there."""

    ramp: Ramp
    electrons: Floats
    read: NDArray[np.int64]


def draw(
    table: MATable, rate: float, pixels: int, hit: float, electrons: list[float], seed: int
) -> Draw:
    """Simulate ramps of one rate, DN/s, a share of them hit by some electrons."""
    rng = np.random.default_rng(seed)
    shape = (pixels // COLUMNS, COLUMNS)
    struck = rng.random(shape) < hit
    fallen = np.where(
        struck, np.exp(rng.uniform(math.log(electrons[0]), math.log(electrons[1]), shape)), 0.0
    )
    # A jump before read 1 is none.
    read = np.where(struck, rng.integers(2, table.reads + 1, shape), 0)
    data = np.zeros((len(table.read_pattern), *shape), np.float32)
    flags = np.zeros(data.shape, np.uint8)
    charge = np.zeros(shape)
    of_read = {number: i for i, reads in enumerate(table.read_pattern) for number in reads}
    for number in range(1, table.reads + 1):
        charge += rng.poisson(rate * GAIN * table.frame_time, shape)
        charge += np.where(read == number, fallen, 0.0)
        if number in of_read:
            i = of_read[number]
            data[i] += (charge / GAIN + rng.normal(0, NOISE, shape)) / len(table.read_pattern[i])
            flags[i:, charge / GAIN > FULL] = 2
    meta = {
        "instrument": {"detector": "WFI01", "optical_element": "F158"},
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": table.frame_time,
            "read_pattern": [list(reads) for reads in table.read_pattern],
            "start_time": None,
        },
    }
    window = Window(0, 0, *shape)
    ramp = Ramp(data, flags, np.zeros(shape, np.uint32), meta, window)
    return Draw(ramp, fallen, read)


def fit(ramp: Ramp, config: RampFitConfig) -> Image:
    shape = ramp.pixeldq.shape
    noise = ReadnoiseReference(data=np.full(shape, NOISE, np.float32))
    gain = GainReference(data=np.full(shape, GAIN, np.float32))
    image: Image = ramp_fit(ramp, readnoise=noise, gain=gain, config=config)
    return image


class Theory:
    """Errors and detection of the likelihood fit, from full matrices at the true rate."""

    def __init__(self, table: MATable, rate: float, resultants: int) -> None:
        reads = np.arange(1, table.reads + 1)
        average = np.zeros((resultants, table.reads))
        for i, numbers in enumerate(table.read_pattern[:resultants]):
            average[i, np.array(numbers) - 1] = 1 / len(numbers)
        self.difference = np.diff(average, axis=0)
        times = table.frame_time * reads
        photon = self.difference @ np.minimum.outer(times, times) @ self.difference.T
        read = self.difference @ self.difference.T
        self.covariance = photon * rate / GAIN + read * NOISE**2
        self.inverse = np.linalg.inv(self.covariance)
        self.step = self.difference @ times
        self.error = (self.step @ self.inverse @ self.step) ** -0.5
        self.averaged = [len(numbers) > 1 for numbers in table.read_pattern[1 : resultants - 1]]

    def seen(self, sigma: float) -> Floats:
        """Chance (read, electrons in 60 steps) that a jump passes the threshold, times 1."""
        project = self.inverse - self.error**2 * np.outer(
            self.inverse @ self.step, self.inverse @ self.step
        )
        one, two = sigma**2, -2 * math.log(math.erfc(sigma / math.sqrt(2)))
        shapes = np.cumsum(self.difference[:, ::-1], axis=1)[:, ::-1]  # by read of the jump
        chances = np.zeros((shapes.shape[1], len(STEPS)))
        if len(self.step) < 3:
            return chances
        for read, pattern in enumerate(shapes.T):
            touched = np.flatnonzero(abs(pattern) > 1e-9)
            if not touched.size:
                continue
            part = np.ix_(touched, touched)
            # Omitting what the jump touches lowers chi-square by a chi-square of this excess.
            shift = pattern[touched] @ project[part] @ pattern[touched] * (STEPS / GAIN) ** 2
            limit = one if touched.size == 1 else two
            chances[read] = ncx2.sf(limit, touched.size, shift)
        return chances

    def errors(self, image: Image) -> Floats:
        """The error of each pixel, without the differences that its jumps spoil."""
        assert image.jumps is not None
        resultant, row, column = image.jumps.T.astype(np.int64)
        spoilt = np.zeros(image.data.shape, np.int64)
        np.bitwise_or.at(spoilt, (row + BORDER, column + BORDER), 1 << (resultant - 1))
        patterns, inverse = np.unique(spoilt, return_inverse=True)
        return np.array([self._error(pattern) for pattern in patterns])[inverse]

    def _error(self, spoilt: int) -> float:
        used = np.array([not spoilt >> i & 1 for i in range(len(self.step))])
        step = self.step[used]
        left = self.covariance[np.ix_(used, used)]
        return float((step @ np.linalg.solve(left, step)) ** -0.5) if used.any() else math.nan

    def false_alarms(self, sigma: float, penalty: float) -> float:
        """Expected false alarms a pixel, no two of them the same."""
        if len(self.step) < 3:
            return 0.0
        chance = float(chi2.sf(sigma**2, 1) + chi2.sf(sigma**2 + penalty, 1)) / 2
        return chance * (len(self.step) + sum(self.averaged))


STEPS = np.geomspace(20, 2e4, 60)


def line(table: MATable, rate: float, config: RampFitConfig, given: argparse.Namespace) -> str:
    """One row of the table."""
    clean = draw(table, rate, given.pixels, 0.0, given.electrons, given.seed)
    struck = draw(table, rate, given.pixels, given.hit, given.electrons, given.seed + 1)
    quiet, hit = fit(clean.ramp, config), fit(struck.ramp, config)
    good, good_hit = ((one.ramp.groupdq == 0).sum(axis=0) for one in (clean, struck))
    resultants = int(np.bincount(good.ravel()).argmax())
    theory = Theory(table, rate, resultants)
    whole, usual = good == resultants, good_hit == resultants
    off, off_hit = (quiet.data - rate)[whole], (hit.data - rate)[usual]
    found = (hit.dq & 4) != 0
    alarms = np.mean((quiet.dq & 4) != 0)
    chances = theory.seen(config.rejection_threshold)
    expected = theory.false_alarms(config.rejection_threshold, config.loss_penalty)
    return " ".join(
        (
            f"{table.number:5d} {rate:8.2f} {resultants:3d}",
            _pull(off / theory.error),
            f"{100 * off.mean() / rate:+8.3f} {100 * theory.error / rate / off.size**0.5:6.3f}",
            _pull(off / quiet.err[whole]),
            _pull(off_hit / theory.errors(hit)[usual]),
            f"{_complete(struck, found, usual):6.3f} {_expected(struck, chances, usual):6.3f}",
            f"{1e4 * alarms:6.2f} {1e4 * expected:6.2f}",
        )
    )


def _pull(values: Floats) -> str:
    return f"{values.mean():+7.4f} {values.std():6.4f}"


def _complete(struck: Draw, found: NDArray[np.bool_], usual: NDArray[np.bool_]) -> float:
    where = (struck.electrons > 0) & usual
    return float(found[where].mean()) if where.any() else math.nan


def _expected(struck: Draw, chances: Floats, usual: NDArray[np.bool_]) -> float:
    where = (struck.electrons > 0) & usual
    step = np.abs(np.log(struck.electrons[where][:, None] / STEPS)).argmin(axis=1)
    return float(chances[struck.read[where] - 1, step].mean()) if where.any() else math.nan


def speed(table: MATable, config: RampFitConfig, given: argparse.Namespace) -> str:
    """CPU time of blocks of 64 rows of a channel, best of several."""
    ramp = draw(table, 0.7, 64 * COLUMNS, given.hit, given.electrons, 1).ramp
    fit(ramp, config)
    best = math.inf
    for _ in range(30):
        start = time.thread_time()
        fit(ramp, config)
        best = min(best, time.thread_time() - start)
    each = best / ramp.pixeldq.size
    return (
        f"MA table {table.number}, {len(ramp.data)} resultants: {1e9 * each:.0f} ns a pixel, "
        f"{each * 4096**2:.2f} CPU s a frame"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", type=int, nargs="+", default=[3, 4, 1049])
    parser.add_argument(
        "--rates", type=float, nargs="+", default=[0.05, 0.2, 0.7, 3, 10, 30, 100, 300, 1000]
    )
    parser.add_argument("--pixels", type=int, default=400_000)
    parser.add_argument("--hit", type=float, default=0.01, help="share of pixels that are hit")
    parser.add_argument("--electrons", type=float, nargs=2, default=[100, 20_000])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--algorithm", default="likelihood")
    parser.add_argument("--flagged", default="bridge")
    parser.add_argument("--loss-penalty", type=float, default=10.0)
    parser.add_argument("--speed", action="store_true", help="CPU time only")
    given = parser.parse_args()
    config = RampFitConfig(
        algorithm=given.algorithm, flagged=given.flagged, loss_penalty=given.loss_penalty
    )
    if given.speed:
        for number in given.tables:
            print(speed(ma_table(number), config, given))
        return
    print("             of     pull no hits     bias %, error       with err        "
          "pull with hits  found theory  false theory (1e-4)")  # fmt: skip
    for number in given.tables:
        for rate in given.rates:
            print(line(ma_table(number), rate, config, given), flush=True)


if __name__ == "__main__":
    main()
