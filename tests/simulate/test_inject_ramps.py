from __future__ import annotations

import numpy as np
import pytest

from aqueduct.instrument.noise import IPC
from aqueduct.simulate.inject_ramps import _add, _arrivals, _charge

READS = np.array([1, 2, 3, 4, 5, 6, 7, 8])
PATTERN = ((1,), (2, 3), (4, 5, 6, 7), (8,))
STARTS = np.array([0, 1, 3, 7, 8])
GAIN, BEND, PEDESTAL, FULL = 1.8, 8e-7, 5000.0, 54_000.0
SHAPE = (8, 128)


def read_out(electrons: np.ndarray) -> np.ndarray:
    """Resultants before the floor, of electrons at each read."""
    linear = electrons / GAIN + PEDESTAL
    seen = np.minimum(linear - BEND * linear**2, FULL + 1000)
    groups = [np.array(reads) - 1 for reads in PATTERN]
    return np.stack([seen[group].mean(axis=0) for group in groups])


def response() -> dict[str, np.ndarray]:
    forward = np.zeros((8, *SHAPE), np.float32)
    catalan = [1, 1, 2, 5, 14, 42, 132]
    for k, number in enumerate(catalan, start=1):
        forward[k] = number * BEND ** (k - 1)
    backward = np.zeros((3, *SHAPE), np.float32)
    backward[1], backward[2] = 1, -BEND
    return {"forward": forward, "backward": backward}


def injected(before: np.ndarray, charge: np.ndarray, table: np.ndarray, seed: int = 3):
    out = np.floor(before).astype(np.uint16)
    lost = np.random.default_rng(seed).random(out.shape, np.float32)
    known = response()
    _add(
        out,
        np.zeros(SHAPE, np.float32),
        charge.astype(np.float32),
        np.full(SHAPE, GAIN, np.float32),
        known["forward"],
        known["backward"],
        table,
        np.full(SHAPE, FULL, np.float32),
        READS.astype(np.float64),
        STARTS,
        lost,
    )
    return out


@pytest.mark.parametrize("light", [40.0, 900.0, 5000.0])
def test_resultants_are_those_of_all_the_charge_together(light: float) -> None:
    """With a smooth ramp under it: electrons of both in one readout, but for rounding."""
    sky = 300.0 * READS[:, None, None] * np.ones(SHAPE)
    charge = light * READS[:, None, None] * np.ones(SHAPE)
    fraction = np.random.default_rng(1).random(SHAPE)
    before = read_out(sky) + fraction
    together = read_out(sky + charge) + fraction
    made = injected(before, charge, np.zeros((32, 65536)))
    difference = made - together
    # Rounded down twice, with the mean of the first put back.
    assert np.abs(difference).max() < 2.1
    assert difference.mean() == pytest.approx(-0.5, abs=0.05)


def test_converter_nonlinearity_is_in_what_is_read() -> None:
    """A correction that grows by 1 % of the signal lowers what the sources add by as much."""
    table = np.broadcast_to(0.01 * np.arange(65536.0), (32, 65536)).copy()
    sky, charge = (rate * READS[:, None, None] * np.ones(SHAPE) for rate in (300.0, 900.0))
    before = np.floor(read_out(sky))
    plain = injected(before, charge, np.zeros((32, 65536))) - before
    bent = injected(before, charge, table) - before
    assert (bent.mean(axis=(1, 2)) / plain.mean(axis=(1, 2)))[1:] == pytest.approx(0.99, abs=3e-3)


def test_nothing_rises_above_saturation_and_what_is_saturated_stays() -> None:
    sky, charge = (rate * READS[:, None, None] * np.ones(SHAPE) for rate in (9000.0, 20_000.0))
    before = read_out(sky)
    before[3, 0, 0] = FULL + 700
    made = injected(before, charge, np.zeros((32, 65536)))
    assert made.max(initial=0, where=np.indices(made.shape)[1] > 0) == FULL + 1
    assert made[3, 0, 0] == FULL + 700


def test_pixels_without_charge_are_untouched() -> None:
    sky, charge = 300.0 * READS[:, None, None] * np.ones(SHAPE), np.zeros((len(READS), *SHAPE))
    charge[:, 2, 3] = 50.0 * READS
    before = read_out(sky)
    made = injected(before, charge, np.zeros((32, 65536)))
    changed = (made != np.floor(before)).any(axis=0)
    assert np.argwhere(changed).tolist() == [[2, 3]]


def test_charge_is_poisson_shared_by_capacitance_and_the_same_in_any_band() -> None:
    rate = np.zeros((4096, 4096), np.float32)
    rate[100:130, 100:400] = 50.0
    seeds = np.random.default_rng(2).integers(0, 2**63, 4096)
    given = (READS, 3.0, IPC)
    whole = _charge(rate, seeds, (96, 136), *given)
    part = _charge(rate, seeds, (112, 120), *given)
    np.testing.assert_array_equal(whole[:, 16:24], part)
    last = whole[-1, 8:30, 110:390]
    assert last.mean() == pytest.approx(50.0 * 24.0, rel=2e-3)
    assert last.var() == pytest.approx(50.0 * 24.0 * (IPC**2).sum(), rel=0.05)
    assert (np.diff(whole, axis=0) >= 0).all()
    lone = np.zeros((4096, 4096), np.float32)
    lone[50, 60] = 1e6
    spread = _charge(lone, seeds, (48, 53), *given)[-1]
    np.testing.assert_allclose(spread[1:4, 59:62] / spread.sum(), IPC, rtol=1e-5)


@pytest.mark.parametrize("rate", [0.01, 0.1, 5.0])
def test_arrivals_are_poisson_before_each_read_and_independent(rate: float) -> None:
    waits = np.array([3.0, 3.0, 9.0, 3.0])
    rates = np.full(200_000, rate, np.float32)
    drawn = _arrivals(rates, waits, np.random.default_rng(4))
    np.testing.assert_allclose(drawn.mean(axis=1), rate * waits, rtol=0.05)
    np.testing.assert_allclose(drawn.var(axis=1), rate * waits, rtol=0.05)
    links = np.corrcoef(drawn)[np.triu_indices(4, 1)]
    assert np.abs(links).max() < 0.01
