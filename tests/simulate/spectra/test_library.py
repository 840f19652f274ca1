from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.instrument.spectrum import Spectrum, electron_rate
from aqueduct.simulate.spectra import SpectralLibrary, builtin
from aqueduct.simulate.spectra.grid import GRID, STEP, at


def test_builtin_templates_are_spectra_with_a_free_licence() -> None:
    library = builtin()
    assert library is builtin()
    assert set(library.licence) == {"BSD-3-Clause"}
    for name in library.names:
        assert electron_rate(library.spectrum(name), "WFI01", "F213") > 0
    assert (library.spectrum("flat").flux == 1).all()
    with pytest.raises(InputError, match="galaxy-Sbc"):
        library.index("galaxy-Sb")


def test_the_grid_is_even_in_the_logarithm() -> None:
    assert GRID[0] == 0.05
    assert GRID[-1] == pytest.approx(5.0, rel=STEP)
    np.testing.assert_allclose(np.diff(np.log(GRID)), STEP, rtol=1e-9)
    assert GRID[at(1.0)] == pytest.approx(1.0, rel=STEP / 2)


def test_a_foreign_spectrum_keeps_its_rate_and_its_narrow_lines() -> None:
    # A line a tenth of a cell wide, between two points of the grid.
    wave = np.union1d(np.geomspace(0.3, 4, 50), 1.5001 + np.array([-4e-5, 0, 4e-5]))
    flux = np.where(np.abs(wave - 1.5001) < 1e-6, 5000.0, 1 + wave)
    spectrum = Spectrum(wave, flux)
    library = SpectralLibrary.of({"line": spectrum}, "CC0-1.0")
    for element in ("F146", "F158"):
        expected = electron_rate(spectrum, "WFI01", element)
        rate = electron_rate(library.spectrum("line"), "WFI01", element)
        assert rate == pytest.approx(expected, rel=1e-4)
    np.testing.assert_allclose(library.coverage, [[0.3, 4.0]])


def test_libraries_are_joined() -> None:
    mine = SpectralLibrary.of({"mine": Spectrum.flat(3.0)}, "CC0-1.0")
    both = builtin().extended(mine)
    assert len(both) == len(builtin()) + 1
    assert both.licence[both.index("mine")] == "CC0-1.0"
    np.testing.assert_allclose(both.spectrum("mine").flux, 3.0)
    with pytest.raises(InputError, match="one name"):
        both.extended(mine)


def test_a_spectrum_off_the_grid_is_refused() -> None:
    with pytest.raises(InputError, match="no light"):
        SpectralLibrary.of({"radio": Spectrum(np.array([10.0, 20.0]), np.ones(2))}, "CC0-1.0")


def test_a_library_off_the_grid_or_negative_is_refused() -> None:
    good = np.ones((1, len(GRID)))
    limits = np.array([[0.05, 5.0]])
    with pytest.raises(InputError, match="those of its grid"):
        SpectralLibrary(("a",), GRID * 1.1, good, ("CC0-1.0",), limits)
    with pytest.raises(InputError, match="1 names"):
        SpectralLibrary(("a",), GRID, good[:, :5], ("CC0-1.0",), limits)
    with pytest.raises(InputError, match="not negative"):
        SpectralLibrary(("a",), GRID, -good, ("CC0-1.0",), limits)
