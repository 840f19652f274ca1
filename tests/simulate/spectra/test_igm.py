from __future__ import annotations

import numpy as np
import pytest

from aqueduct.simulate.spectra.igm import lines, transmission


def test_the_lyman_series() -> None:
    # Rydberg: 1 / lambda_n = (1 - 1 / n^2) / 911.753 A
    order = np.arange(2, 41)
    np.testing.assert_allclose(lines(), 0.0911753 / (1 - 1 / order**2), rtol=5e-6)


@pytest.mark.parametrize(("z", "depth"), [(2.0, 0.127), (2.4, 0.208), (3.0, 0.362), (4.0, 0.830)])
def test_lyman_alpha_absorbs_as_observed(z: float, depth: float) -> None:
    # Effective optical depths of Faucher-Giguere et al. 2008, ApJ 681, 831, without metals.
    seen = transmission(np.array([0.1215]) * (1 + z), z)[0]
    assert seen == pytest.approx(np.exp(-depth), abs=0.05)


def test_between_beta_and_gamma_it_is_near_madau() -> None:
    ratio = 4 * 0.1000 / np.array([0.1216, 0.1026])
    madau = np.exp(-(np.array([0.0036, 0.0017]) * ratio**3.46).sum())
    assert transmission(np.array([0.4]), 3.0)[0] == pytest.approx(madau, abs=0.09)


# The continuum's optical depths as the paper prints them, eqs. 25 to 29.
def forest(x: float, z: float) -> float:
    if z < 1.2:
        return 0.325 * (x**1.2 - (1 + z) ** -0.9 * x**2.1)
    if z < 4.7 and x >= 2.2:
        return 2.55e-2 * ((1 + z) ** 1.6 * x**2.1 - x**3.7)
    if z < 4.7:
        return 2.55e-2 * (1 + z) ** 1.6 * x**2.1 + 0.325 * x**1.2 - 0.250 * x**2.1
    if x >= 5.7:
        return 5.22e-4 * ((1 + z) ** 3.4 * x**2.1 - x**5.5)
    if x >= 2.2:
        return 5.22e-4 * (1 + z) ** 3.4 * x**2.1 + 0.218 * x**2.1 - 2.55e-2 * x**3.7
    return 5.22e-4 * (1 + z) ** 3.4 * x**2.1 + 0.325 * x**1.2 - 3.14e-2 * x**2.1


def damped(x: float, z: float) -> float:
    if z < 2:
        return 0.211 * (1 + z) ** 2 - 7.66e-2 * (1 + z) ** 2.3 * x**-0.3 - 0.135 * x**2
    common = 4.70e-2 * (1 + z) ** 3 - 1.78e-2 * (1 + z) ** 3.3 * x**-0.3
    if x < 3:
        return 0.634 + common - 0.135 * x**2 - 0.291 * x**-0.3
    return common - 2.92e-2 * x**3


@pytest.mark.parametrize(
    ("x", "z"),
    [(1.5, 0.8), (2.0, 1.5), (2.1, 3.0), (2.9, 3.0), (3.5, 3.2), (2.0, 6), (4, 6), (6, 6)],
)
def test_lyman_continuum_is_that_of_the_paper(x: float, z: float) -> None:
    wave = 0.09118 * x
    below = transmission(np.array([wave]), z)[0]
    # Were the source's Lyman limit just below this wavelength, the series alone would absorb.
    above = transmission(np.array([wave]), x * (1 - 1e-9) - 1)[0]
    assert -np.log(below / above) == pytest.approx(forest(x, z) + damped(x, z), rel=0.02, abs=0.01)


def test_nothing_is_lost_redward_or_at_redshift_zero() -> None:
    assert (transmission(np.array([0.1216, 0.2, 1.0]) * 7.001, 6.0) == 1).all()
    assert (transmission(np.array([0.06, 0.1, 1.0]), 0.0) == 1).all()


def test_transmission_falls_with_redshift() -> None:
    seen = [transmission(np.array([0.105]) * (1 + z), z)[0] for z in (0.5, 1, 2, 3, 4, 5, 6, 7)]
    assert (np.diff(seen) < 0).all()
