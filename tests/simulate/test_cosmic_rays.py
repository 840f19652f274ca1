from __future__ import annotations

import numpy as np
import pytest

from aqueduct.simulate.cosmic_rays import CosmicRayConfig, _lengths, draw_hits


def test_number_and_order_of_hits() -> None:
    shape, reads = (512, 512), 44
    hits = draw_hits(shape, 3.16247, reads, CosmicRayConfig(), np.random.default_rng(4))
    tracks = 8.0 * (0.512) ** 2 * 3.16247 * reads
    # A track of 10 to 20 micrometre touches 2 to 3 pixels of 10.
    assert 1.5 * tracks < len(hits) < 4 * tracks
    key = (hits["row"] * 512 + hits["column"]) * 100 + hits["read"]
    assert (np.diff(key) > 0).all()
    assert hits["row"].min() >= 0 and hits["row"].max() < 512
    assert hits["column"].min() >= 0 and hits["column"].max() < 512
    assert hits["read"].min() == 1 and hits["read"].max() == reads
    assert (hits["electrons"] >= 0).all()


def test_none_without_flux() -> None:
    assert len(draw_hits((64, 64), 3.0, 10, CosmicRayConfig(flux=0), np.random.default_rng(1))) == 0


def test_charge_is_length_times_density() -> None:
    config = CosmicRayConfig(flux=2000.0, charge=1000.0, spread=1e-6)
    rng, again = np.random.default_rng(5), np.random.default_rng(5)
    hits = draw_hits((400, 400), 1.0, 1, config, rng)
    lengths = _lengths(int(again.poisson(2000.0 * 0.16)), again)
    # All charge but that of tracks which leave the detector.
    assert hits["electrons"].sum() == pytest.approx(1000.0 * lengths.sum(), rel=0.03)


def test_lengths_follow_the_power_law() -> None:
    lengths = _lengths(200_000, np.random.default_rng(6))
    assert lengths.min() >= 10 and lengths.max() <= 2000
    assert (lengths > 20).mean() == pytest.approx(2**-3.33, rel=0.02)
