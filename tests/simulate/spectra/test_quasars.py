from __future__ import annotations

import numpy as np
import pytest

from aqueduct.simulate.spectra.grid import GRID
from aqueduct.simulate.spectra.quasars import quasar


def slope(blue: float, red: float) -> float:
    """d ln f_nu / d ln nu between two wavelengths free of lines."""
    low, high = np.interp([blue, red], GRID, quasar())
    return float(np.log(high / low) / np.log(blue / red))


def test_continuum_has_the_published_slopes() -> None:
    assert slope(0.1700, 0.3300) == pytest.approx(-0.44, abs=0.03)
    assert slope(0.0600, 0.0900) == pytest.approx(-1.6, abs=0.03)


def test_hot_dust_takes_over_in_the_infrared() -> None:
    assert slope(1.5, 2.2) < -1.3
    assert slope(0.75, 1.0) > -0.9


@pytest.mark.parametrize(
    ("centre", "half", "width"), [(0.154615, 0.0070, 23.78), (0.280026, 0.0150, 32.28)]
)
def test_lines_have_their_equivalent_widths(centre: float, half: float, width: float) -> None:
    near = np.abs(GRID - centre) < half
    flux = quasar()
    ends = np.interp([centre - half, centre + half], GRID, flux)
    level = np.interp(GRID[near], [centre - half, centre + half], ends)
    assert np.trapezoid(flux[near] / level - 1, GRID[near]) * 1e4 == pytest.approx(width, rel=0.05)
