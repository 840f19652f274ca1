"""Maps of whole exposures, drawn from the model itself."""

from functools import lru_cache

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry.fieldfit import (
    COMMON_GROUP,
    GROUPS,
    OWN_GROUP,
    Pairs,
    common_basis,
    fit_field,
    known_priors,
    legendre,
)

DETECTORS = 6
MIDDLES = np.stack([np.tile([-0.6, 0.0, 0.6], 2), np.repeat([-0.3, 0.3], 3)], axis=1)
MAS = 1e-3
GRID = np.stack([axis.ravel() for axis in np.meshgrid(*2 * [np.linspace(-0.95, 0.95, 9)])], 1)
TAUS = {
    "shift": {"shift": 300.0},
    "rshift": {"shift": 300.0, "roll": 50.0},
    "general": {"shift": 300.0, "roll": 50.0, "scale": 20.0, "shear": 20.0},
    "field": {"shift": 300.0, "roll": 50.0, "scale": 20.0, "field_2": 5.0, "field_3": 5.0},
    "detector": {"shift": 300.0, "roll": 50.0, "detector_1": 20.0, "detector_2": 3.0},
}


def taus(kind):
    return MAS * np.array([TAUS[kind].get(group, 0.0) for group in GROUPS])


def exposure(kind, count=100, sigma=2.0, seed=1, outliers=0.0):
    """Pairs, and the true parameters."""
    rng = np.random.default_rng(seed)
    spread = taus(kind)
    common = spread[COMMON_GROUP] * rng.normal(size=COMMON_GROUP.size)
    own = spread[OWN_GROUP] * rng.normal(size=(DETECTORS, 2, OWN_GROUP.size))
    place = rng.uniform(-1, 1, (DETECTORS * count, 2))
    which = np.repeat(np.arange(DETECTORS), count)
    field = MIDDLES[which] + 0.25 * place
    true = common_basis(field) @ common + np.einsum("np,nap->na", legendre(place), own[which])
    errors = MAS * sigma * rng.uniform(0.5, 2.0, (len(place), 2))
    offset = true + errors * rng.normal(size=errors.shape)
    bad = rng.random(len(place)) < outliers
    offset[bad] += MAS * rng.uniform(-300, 300, (bad.sum(), 2))
    starts = count * np.arange(DETECTORS + 1)
    return Pairs(field, place, starts, offset, errors), common, own, bad


def errors_of(fit, common, own):
    """Errors (detectors, n, 2) on a grid."""
    made = []
    for d in range(DETECTORS):
        field = MIDDLES[d] + 0.25 * GRID
        true = common_basis(field) @ common + legendre(GRID) @ own[d].T
        made.append(fit.displacement(d, field, GRID) - true)
    return np.array(made)


def variances_of(fit):
    return np.array(
        [
            np.einsum("nana->na", fit.covariance(d, MIDDLES[d] + 0.25 * GRID, GRID))
            for d in range(DETECTORS)
        ]
    )


@lru_cache
def fitted(kind, seed=1, outliers=0.0):
    pairs, common, own, bad = exposure(kind, seed=seed, outliers=outliers)
    return fit_field(pairs, pairs.offset, None, 0.7, 5.0), common, own, bad


def test_basis_is_orthonormal_over_the_square():
    nodes, weights = np.polynomial.legendre.leggauss(8)
    place = np.stack([axis.ravel() for axis in np.meshgrid(nodes, nodes)], axis=1)
    weight = np.outer(weights, weights).ravel() / 4
    basis = legendre(place)
    np.testing.assert_allclose((basis.T * weight) @ basis, np.eye(21), atol=1e-13)


@pytest.mark.parametrize("kind", TAUS)
def test_the_evidence_finds_the_geometry(kind):
    assert fitted(kind)[0].geometry == kind


@pytest.mark.parametrize("kind", ["rshift", "field", "detector"])
def test_covariance_is_the_scatter_over_trials(kind):
    """Detectors and places share parameters: some twenty independent numbers a trial."""
    squares, expected = [], []
    for seed in range(6):
        fit, common, own, _ = fitted(kind, seed)
        squares.append(np.mean(errors_of(fit, common, own) ** 2))
        expected.append(np.mean(variances_of(fit)))
    assert 0.5 < np.mean(squares) / np.mean(expected) < 1.7


def test_priors_come_out():
    fit = fitted("detector")[0]
    for group, tau in zip(GROUPS, fit.taus, strict=True):
        if group.startswith("detector_"):
            assert tau == pytest.approx(MAS * TAUS["detector"].get(group, 0.0), rel=0.35, abs=3e-4)


def test_known_priors_agree_with_the_dense_solution():
    """Against the textbook posterior, with all parameters in one matrix."""
    pairs, *_ = exposure("detector", count=4)
    spread = taus("detector")
    fit = known_priors(pairs, spread)
    which = np.repeat(np.arange(DETECTORS), 4)
    size = OWN_GROUP.size
    design = np.zeros((2, len(which), COMMON_GROUP.size + DETECTORS * 2 * size))
    design[:, :, : COMMON_GROUP.size] = np.moveaxis(common_basis(pairs.field), 1, 0)
    for axis in range(2):
        for star, d in enumerate(which):
            start = COMMON_GROUP.size + (2 * d + axis) * size
            design[axis, star, start : start + size] = legendre(pairs.place)[star]
    prior = np.concatenate([spread[COMMON_GROUP], np.tile(spread[OWN_GROUP], 2 * DETECTORS)])
    flat = design.reshape(-1, design.shape[2]) * prior
    sigma, offset = pairs.sigma.T.ravel(), pairs.offset.T.ravel()
    fisher = (flat / sigma[:, None] ** 2).T @ flat + np.eye(flat.shape[1])
    scaled = np.linalg.solve(fisher, flat.T @ (offset / sigma**2))
    found = np.concatenate([fit.common, fit.detector.ravel()])
    np.testing.assert_allclose(found, prior * scaled, atol=1e-9)
    part = slice(4, 8)
    whole = (design * prior)[:, part].reshape(8, -1)
    expected = (whole @ np.linalg.inv(fisher) @ whole.T).reshape(2, 4, 2, 4)
    given = fit.covariance(1, pairs.field[part], pairs.place[part])
    np.testing.assert_allclose(given.transpose(1, 0, 3, 2), expected, rtol=1e-6, atol=1e-13)


def test_outliers_cost_little():
    clean, common, own, _ = fitted("field")
    fit, *truth, bad = fitted("field", outliers=0.15)
    assert (fit.good[bad] < 0.5).mean() > 0.95 and (fit.good[~bad] > 0.5).mean() > 0.99
    rms = [
        np.sqrt(np.mean(errors_of(fit, *truth) ** 2)),
        np.sqrt(np.mean(errors_of(clean, common, own) ** 2)),
    ]
    assert rms[0] < 1.4 * rms[1]


def test_errors_that_are_too_small_are_enlarged():
    pairs, *_ = exposure("rshift")
    small = Pairs(pairs.field, pairs.place, pairs.starts, pairs.offset, pairs.sigma / 2)
    fit = fit_field(small, small.offset, None, 0.7, 9.0)
    assert fit.geometry == "rshift"
    assert fit.noise == pytest.approx(2.0, rel=0.1)


def test_a_detector_without_stars_follows_the_others():
    pairs, common, own, _ = exposure("rshift")
    kept = slice(0, pairs.starts[-2])
    starts = np.append(pairs.starts[:-1], pairs.starts[-2])
    fewer = Pairs(
        pairs.field[kept], pairs.place[kept], starts, pairs.offset[kept], pairs.sigma[kept]
    )
    fit = fit_field(fewer, fewer.offset, None, 0.7, 5.0)
    assert np.abs(errors_of(fit, common, own)[-1]).max() < 1.5 * MAS


def test_one_pair_is_too_few():
    pairs, *_ = exposure("shift", count=1)
    one = Pairs(
        pairs.field[:1], pairs.place[:1], np.array([0, 1]), pairs.offset[:1], pairs.sigma[:1]
    )
    with pytest.raises(InputError, match="too few"):
        fit_field(one, one.offset, None, 0.7, 5.0)
