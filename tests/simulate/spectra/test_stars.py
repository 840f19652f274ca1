from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aqueduct.instrument.filters import FILTERS
from aqueduct.instrument.spectrum import Spectrum, ab_flux
from aqueduct.simulate.spectra import builtin
from aqueduct.simulate.spectra.grid import GRID
from aqueduct.simulate.spectra.stars import STARS


def mean(name: str, blue: float, red: float) -> float:
    return float(STARS[name]()[(blue <= GRID) & (red >= GRID)].mean())


def test_a0_is_like_vega() -> None:
    import galsim

    table = np.loadtxt(Path(galsim.meta_data.share_dir) / "SEDs" / "vega.txt")
    vega = Spectrum.from_flam(table[:, 0] * 1e-3, table[:, 1])
    ours = builtin().spectrum("star-A0")
    # The file ends at 2.2 micrometre, within F213.
    ratio = [ab_flux(ours, "WFI01", f) / ab_flux(vega, "WFI01", f) for f in FILTERS[:-1]]
    assert np.ptp(2.5 * np.log10(ratio)) < 0.12


def test_stars_redden_with_type() -> None:
    names = ["O5", "B5", "A0", "F0", "G2", "K0", "K5", "M0", "M4", "M8", "L5"]
    colour = [mean(name, 1.155, 1.325) / mean(name, 0.558, 0.688) for name in names]
    assert (np.diff(colour) > 0).all()


def test_the_sun_has_its_colours() -> None:
    # Willmer 2018, ApJS 236, 47: AB magnitudes of the Sun in g, r, i, z, J, H, K.
    sun = np.array([5.11, 4.65, 4.53, 4.50, 4.54, 4.66, 5.08])
    bands = [(0.41, 0.54), (0.56, 0.69), (0.69, 0.83), (0.85, 0.97), (1.16, 1.33), (1.52, 1.78)]
    ours = -2.5 * np.log10([mean("G2", *band) for band in [*bands, (2.02, 2.30)]])
    np.testing.assert_allclose(ours - ours[4], sun - sun[4], atol=0.06)


def test_the_balmer_jump_is_largest_in_a_stars() -> None:
    jump = {n: mean(n, 0.395, 0.40) / mean(n, 0.350, 0.360) for n in ("O5", "B5", "A0", "K0")}
    assert jump["O5"] < jump["B5"] < jump["A0"]
    assert jump["A0"] > 2


@pytest.mark.parametrize(
    ("name", "inside", "beside", "most"),
    [
        ("M6", (0.7070, 0.7150), (0.695, 0.704), 0.8),  # TiO
        ("L5", (1.38, 1.45), (1.25, 1.32), 0.7),  # H2O
        ("T6", (1.38, 1.45), (1.25, 1.32), 0.2),
        ("T6", (1.65, 1.75), (1.53, 1.58), 0.3),  # CH4
        ("M4", (2.30, 2.36), (2.24, 2.28), 0.95),  # CO
    ],
)
def test_cool_stars_have_their_bands(
    name: str, inside: tuple[float, float], beside: tuple[float, float], most: float
) -> None:
    assert mean(name, *inside) < most * mean(name, *beside)


def test_methane_tells_t_from_l_dwarfs() -> None:
    blueness = {name: mean(name, 1.16, 1.33) / mean(name, 2.02, 2.3) for name in ("L5", "T6")}
    assert blueness["T6"] > 3 * blueness["L5"]
