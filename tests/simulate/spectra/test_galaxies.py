from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from aqueduct.simulate.spectra.galaxies import GALAXIES
from aqueduct.simulate.spectra.grid import GRID

EDGES = np.array([0.4, 0.48, 0.55, 0.64, 0.73, 0.84, 0.96, 1.1, 1.3, 1.5, 1.75, 2.0])
"""Micrometre."""


def magnitudes(wave: np.ndarray, flux: np.ndarray) -> np.ndarray:
    means = [np.interp(np.linspace(a, b, 400), wave, flux).mean() for a, b in pairwise(EDGES)]
    return -2.5 * np.log10(means)


@pytest.mark.parametrize("name", ["E", "Sbc", "Scd", "Im"])
def test_colours_are_those_of_coleman_wu_and_weedman(name: str) -> None:
    import galsim

    path = Path(galsim.meta_data.share_dir) / "SEDs" / f"CWW_{name}_ext.sed"
    angstrom, flam = np.loadtxt(path, unpack=True)
    theirs = magnitudes(angstrom * 1e-4, flam * angstrom**2)
    ours = magnitudes(GRID, GALAXIES[name]())
    assert np.abs((ours - ours[2]) - (theirs - theirs[2])).max() < 0.2


def test_the_sequence_from_red_to_blue() -> None:
    spectra = [GALAXIES[name]() for name in ("E", "Sbc", "Scd", "Im", "starburst")]

    def mean(flux: np.ndarray, blue: float, red: float) -> float:
        return float(flux[(blue <= GRID) & (red >= GRID)].mean())

    ratio = [mean(flux, 0.327, 0.383) / mean(flux, 0.558, 0.688) for flux in spectra]
    assert (np.diff(ratio) > 0).all()
    break_4000 = [mean(flux, 0.405, 0.425) / mean(flux, 0.375, 0.395) for flux in spectra]
    assert (np.diff(break_4000) < 0).all()
    # Bruzual 1983: about 2 in ellipticals, 1.2 to 1.5 in spirals.
    assert 1.8 < break_4000[0] < 2.4
    assert 1.1 < break_4000[2] < 1.5


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("E", -2, 2), ("Sbc", 10, 35), ("Im", 30, 110), ("starburst", 110, 400)],
)
def test_h_alpha_has_the_width_of_its_kind(name: str, least: float, most: float) -> None:
    flux = GALAXIES[name]() / GRID**2
    line = (GRID > 0.652) & (GRID < 0.661)
    beside = (GRID > 0.646) & (GRID < 0.652) | (GRID > 0.661) & (GRID < 0.6635)
    level = np.polynomial.Polynomial.fit(GRID[beside], flux[beside], 1)(GRID[line])
    # With [N II], as in Kennicutt 1998.
    width = np.trapezoid(flux[line] / level - 1, GRID[line]) * 1e4
    assert least < width < most
