from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core import threads
from aqueduct.core.errors import InputError
from aqueduct.instrument.spectrum import Spectrum, ab_flux, electron_rate
from aqueduct.simulate.spectra import SourceSpectra, SpectralLibrary, builtin
from aqueduct.simulate.spectra.dust import calzetti, milky_way


def one(name: str, z: float = 0.0, ebv: float = 0.0, galactic: float = 0.0) -> SourceSpectra:
    library = builtin()
    columns = (np.array([value]) for value in (z, ebv, 1.0, galactic))
    return SourceSpectra(library, np.array([library.index(name)], np.int32), *columns)


def mixed(number: int, redshift: float) -> SourceSpectra:
    rng, library = np.random.default_rng(5), builtin()
    return SourceSpectra(
        library,
        rng.integers(0, len(library), number).astype(np.int32),
        rng.uniform(0, redshift, number),
        rng.exponential(0.2, number),
        rng.uniform(1, 100, number),
        rng.exponential(0.05, number),
    )


@pytest.mark.parametrize("element", ["F062", "F146", "F158", "F213", "GRISM", "PRISM"])
def test_rates_are_those_of_the_whole_spectra(element: str) -> None:
    sources = mixed(60, 5.0)
    expected = [electron_rate(sources.spectrum(k), "WFI07", element) for k in range(60)]
    np.testing.assert_allclose(sources.rates("WFI07", element), expected, rtol=1e-4)


@pytest.mark.parametrize("z", [0.0, 3.0, 9.0, 25.0])
def test_a_part_of_a_spectrum_is_that_of_the_whole(z: float) -> None:
    sources = one("galaxy-starburst", z, 0.1)
    part, whole = sources.spectrum(0, (0.9, 2.0)), sources.spectrum(0)
    wave = np.linspace(0.9, 2.0, 500)
    np.testing.assert_array_equal(part(wave), whole(wave))
    assert part.wavelength[-1] == pytest.approx(2.0, rel=1e-3)
    assert len(part.wavelength) < 2010


@pytest.mark.parametrize("z", [6.9, 7.4, 9.1, 10.3])
def test_a_lyman_break_within_the_band(z: float) -> None:
    sources = one("galaxy-starburst", z, 0.1)
    expected = electron_rate(sources.spectrum(0), "WFI01", "F106")
    assert sources.rates("WFI01", "F106")[0] == pytest.approx(expected, rel=1e-4)


def test_a_redshift_is_that_of_the_template() -> None:
    flat = electron_rate(Spectrum.flat(), "WFI01", "F129")
    assert one("flat", 2.0).rates("WFI01", "F129")[0] == pytest.approx(flat, rel=1e-6)
    moved = builtin().spectrum("galaxy-Im").redshifted(1.0)
    expected = electron_rate(moved, "WFI01", "F129")
    assert one("galaxy-Im", 1.0).rates("WFI01", "F129")[0] == pytest.approx(expected, rel=1e-6)


def test_dust_in_the_source_reddens_at_rest_and_that_of_the_milky_way_as_observed() -> None:
    wave = np.linspace(0.9, 2.1, 200)
    bare = one("galaxy-E", 1.0).spectrum(0)(wave)
    host = one("galaxy-E", 1.0, ebv=0.5).spectrum(0)(wave)
    galactic = one("galaxy-E", 1.0, galactic=0.5).spectrum(0)(wave)
    np.testing.assert_allclose(
        -2.5 * np.log10(host / bare), 0.5 * calzetti(wave / 2), rtol=1e-3, atol=1e-4
    )
    np.testing.assert_allclose(-2.5 * np.log10(galactic / bare), 0.5 * milky_way(wave), rtol=1e-3)


def test_normalised_sources_have_the_flux_asked_for() -> None:
    flux = np.linspace(10, 500, 40)
    sources = mixed(40, 2.0).normalised("F158", flux)
    seen = [ab_flux(sources.spectrum(k), "WFI01", "F158") for k in range(40)]
    np.testing.assert_allclose(seen, flux, rtol=1e-4)
    with pytest.raises(InputError, match="no light in F062"):
        one("galaxy-E", 12.0).normalised("F062", 10.0)


def test_rates_do_not_depend_on_threads_or_on_company() -> None:
    sources = mixed(1000, 3.0)
    with threads.limited(1):
        alone = sources.rates("WFI01", "F087")
    np.testing.assert_array_equal(sources.rates("WFI01", "F087"), alone)
    few = np.array([700, 3, 999])
    np.testing.assert_array_equal(sources.take(few).rates("WFI01", "F087"), alone[few])
    mask = alone > np.median(alone)
    assert len(sources.take(mask)) == 500


def test_no_sources() -> None:
    assert len(mixed(0, 1.0).rates("WFI01", "F158")) == 0


def test_a_template_must_cover_the_band_at_its_redshift() -> None:
    spectrum = Spectrum(np.array([0.4, 1.9]), np.ones(2))
    library = SpectralLibrary.of({"optical": spectrum}, "CC0-1.0")
    zero, unit = np.zeros(1), np.ones(1)
    near = SourceSpectra(library, np.zeros(1, np.int32), zero, zero, unit)
    expected = electron_rate(Spectrum.flat(), "WFI01", "F158")
    assert near.rates("WFI01", "F158")[0] == pytest.approx(expected, rel=1e-6)
    far = SourceSpectra(library, np.zeros(1, np.int32), 4 * unit, zero, unit)
    with pytest.raises(InputError, match="do not cover F158, first 'optical'"):
        far.rates("WFI01", "F158")


@pytest.mark.parametrize(
    ("column", "value"), [("redshift", np.nan), ("ebv", -0.1), ("scale", -1.0), ("template", 99)]
)
def test_unphysical_columns_are_refused(column: str, value: float) -> None:
    columns = {
        "template": np.zeros(2, np.int32),
        "redshift": np.zeros(2),
        "ebv": np.zeros(2),
        "scale": np.ones(2),
    }
    columns[column] = np.array([0, value]).astype(columns[column].dtype)
    with pytest.raises(InputError, match=column):
        SourceSpectra(builtin(), **columns)
    columns[column] = columns[column][:1]
    with pytest.raises(InputError, match="values for"):
        SourceSpectra(builtin(), **columns)
