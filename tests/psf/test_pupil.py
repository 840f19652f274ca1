from __future__ import annotations

import galsim
import numpy as np
import pytest
from galsim.roman import roman_psfs

from aqueduct.core.errors import ConfigError
from aqueduct.psf.pupil import SPACING, aberrations, pupil, wavefront


@pytest.mark.parametrize("sca", [1, 3, 18])
def test_aberrations_are_those_of_galsim(sca: int) -> None:
    place = galsim.PositionD(100.5, 3000.5)
    table, x, y = roman_psfs._read_aberrations(sca)
    truth = roman_psfs._interp_aberrations_bilinear(table, x, y, place)
    np.testing.assert_allclose(aberrations(f"WFI{sca:02d}", 100, 3000)[4:], truth[4:], atol=1e-12)


def test_aberrations_are_added_to() -> None:
    plain, more = aberrations("WFI02", 5, 7), aberrations("WFI02", 5, 7, {4: 0.1, 11: -0.2})
    difference = more - plain
    assert difference[4] == pytest.approx(0.1)
    assert difference[11] == pytest.approx(-0.2)
    assert np.count_nonzero(np.abs(difference) > 1e-12) == 2


def test_unknown_zernike() -> None:
    with pytest.raises(ConfigError, match="term 23"):
        aberrations("WFI02", 5, 7, {23: 0.1})


def test_pupil_has_the_diameter_of_the_telescope() -> None:
    cells = pupil("WFI01", "F158", 4)
    across = np.flatnonzero(cells.transmission.any(axis=0))
    assert cells.spacing == pytest.approx(SPACING, rel=1e-5)
    assert np.ptp(cells.axis[across]) + cells.step == pytest.approx(2.363, abs=2 * cells.step)


def test_binning_keeps_the_area() -> None:
    fine, coarse = pupil("WFI09", "F213", 2), pupil("WFI09", "F213", 8)
    area = [np.sum(p.transmission, dtype=float) * p.step**2 for p in (fine, coarse)]
    assert area[0] == pytest.approx(area[1], rel=1e-9)
    assert coarse.spacing == fine.spacing


def test_long_waves_have_their_own_mask() -> None:
    narrow, wide = (pupil("WFI01", element).transmission.sum() for element in ("F213", "F158"))
    assert narrow < 0.99 * wide


def test_wavefront_of_focus() -> None:
    axis = np.linspace(-1.18, 1.18, 5)
    terms = np.zeros(23)
    terms[4] = 0.5
    plane = wavefront(axis, terms)
    assert plane[2, 2] == pytest.approx(-0.5 * np.sqrt(3) * 1.293, rel=1e-6)
    assert plane[2, 4] == pytest.approx(0.5 * np.sqrt(3) * 1.293, rel=1e-6)
