from __future__ import annotations

import numpy as np
import pytest

from aqueduct.simulate.spectra.dust import calzetti, milky_way

# Cardelli, Clayton & Mathis 1989, table 3: 1 / lambda, a, b. The row of B is left out: it
# doesn't follow from their eq. 3.
TABLE_3 = [
    (2.78, 0.9530, 1.9090),
    (1.82, 1.0000, 0.0000),
    (1.43, 0.8686, -0.3660),
    (1.11, 0.6800, -0.6239),
    (0.80, 0.4008, -0.3679),
    (0.63, 0.2693, -0.2473),
    (0.46, 0.1615, -0.1483),
]


@pytest.mark.parametrize(("x", "a", "b"), TABLE_3)
def test_milky_way_is_the_published_table(x: float, a: float, b: float) -> None:
    assert milky_way(np.array([1 / x]))[0] / 3.1 == pytest.approx(a + b / 3.1, abs=4e-3)


def test_milky_way_has_the_bump_at_2175_angstrom_and_e_of_b_minus_v_one() -> None:
    wave = np.linspace(0.19, 0.25, 601)
    assert wave[np.argmax(milky_way(wave))] == pytest.approx(0.2175, abs=0.003)
    blue, visual = milky_way(1 / np.array([2.27, 1.82]))
    assert blue - visual == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("curve", [milky_way, calzetti])
def test_curves_are_continuous_and_not_negative(curve) -> None:
    wave = np.geomspace(0.05, 5, 20_000)
    k = curve(wave)
    assert (k >= 0).all()
    assert np.abs(np.diff(k)).max() < 0.05


@pytest.mark.parametrize(
    ("wave", "k"), [(0.55, 4.05), (0.6563, 3.33), (0.4861, 4.60), (0.16, 9.97), (0.3727, 5.86)]
)
def test_calzetti_has_the_values_in_use(wave: float, k: float) -> None:
    assert calzetti(np.array([wave]))[0] == pytest.approx(k, abs=0.02)
