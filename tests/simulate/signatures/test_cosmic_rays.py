from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from aqueduct.simulate.signatures import Frame
from aqueduct.simulate.signatures.cosmic_rays import (
    CosmicRayConfig,
    cosmic_rays,
    draw_hits,
    lengths,
)


def test_number_and_order_of_hits(frame_of: Callable[..., Frame]) -> None:
    hits = draw_hits(frame_of((512, 512)), CosmicRayConfig(), np.random.default_rng(4))
    tracks = 8.0 * (0.512) ** 2 * 3.16247 * 44
    # A track of 10 to 20 micrometre touches 2 to 3 pixels of 10.
    assert 1.5 * tracks < len(hits) < 4 * tracks
    key = (hits["row"] * 512 + hits["column"]) * 100 + hits["read"]
    assert (np.diff(key) > 0).all()
    for name, limit in (("row", 512), ("column", 512)):
        assert hits[name].min() >= 0 and hits[name].max() < limit
    assert hits["read"].min() == 1 and hits["read"].max() == 44
    assert (hits["electrons"] >= 0).all()


def test_none_without_flux(frame_of: Callable[..., Frame]) -> None:
    frame = frame_of((64, 64))
    assert cosmic_rays(frame, CosmicRayConfig(flux=0), np.random.default_rng(1)) is None


def test_charge_is_length_times_density(frame_of: Callable[..., Frame]) -> None:
    config = CosmicRayConfig(flux=50.0, charge=1000.0, spread=1e-6)
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    hits = draw_hits(frame_of((400, 400)), config, rng)
    drawn = lengths(int(again.poisson(50.0 * 0.16 * 3.16247 * 44)), again)
    # All charge but that of tracks which leave the detector.
    assert hits["electrons"].sum() == pytest.approx(1000.0 * drawn.sum(), rel=0.03)


def test_energies_are_landau_like(frame_of: Callable[..., Frame]) -> None:
    frame = frame_of((1024, 1024))
    hits = draw_hits(frame, CosmicRayConfig(flux=2.0), np.random.default_rng(8))
    # Mean of a Moyal number is location + width (gamma + ln 2); mean length 10 * 3.33 / 2.33.
    charge = 240 + 100 * (np.euler_gamma + np.log(2))
    tracks = 2.0 * 1.024**2 * 3.16247 * 44
    expected = tracks * charge * 10 * 3.33 / 2.33
    assert hits["electrons"].sum() == pytest.approx(expected, rel=0.15)
    assert stats.skew(hits["electrons"]) > 1.5


def test_lengths_follow_the_power_law() -> None:
    drawn = lengths(200_000, np.random.default_rng(6))
    assert drawn.min() >= 10 and drawn.max() <= 2000
    assert (drawn > 20).mean() == pytest.approx(2**-3.33, rel=0.02)
