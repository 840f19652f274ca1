from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.instrument import DETECTORS
from aqueduct.instrument.filters import FILTERS, effective_area, njy_per_electron
from aqueduct.instrument.spectrum import Spectrum, ab_flux, electron_rate

WAVE = np.geomspace(0.2, 4, 3000)


def black_body(temperature: float) -> Spectrum:
    flux = 1 / (WAVE**3 * np.expm1(14387.77 / (WAVE * temperature)))
    return Spectrum(WAVE, 100 * flux / flux.max())


def emission_line() -> Spectrum:
    wave = np.union1d(WAVE, np.linspace(1.5, 1.6, 2001))
    return Spectrum(wave, 3 + 1000 * np.exp(-0.5 * ((wave - 1.556) / 4e-4) ** 2))


def step() -> Spectrum:
    """Hardly any light below 1.55 micrometre, sampled by four points."""
    return Spectrum(np.array([0.2, 1.55, 1.55001, 4.0]), np.array([0.01, 0.01, 5.0, 5.0]))


CASES = {
    "flat": Spectrum(np.array([0.2, 4.0]), np.array([7.0, 7.0])),
    "3000 K": black_body(3000),
    "6000 K": black_body(6000),
    "30000 K": black_body(30000),
    "line": emission_line(),
    "step": step(),
}


@pytest.mark.parametrize("name", CASES)
def test_rates_are_those_of_synphot(name: str) -> None:
    import astropy.units as u
    from synphot import Observation, SourceSpectrum, SpectralElement
    from synphot.models import Empirical1D

    spectrum = CASES[name]
    # synphot is linear in photons per wavelength: give it enough points of ours.
    wave = np.union1d(spectrum.wavelength, np.geomspace(0.3, 3.9, 4000))
    source = SourceSpectrum(
        Empirical1D, points=wave * u.micron, lookup_table=spectrum(wave) * 1e-9 * u.Jy
    )
    for detector in ("WFI01", "WFI09", "WFI18"):
        for element in FILTERS:
            curve, area = effective_area(detector, element)
            band = SpectralElement(Empirical1D, points=curve * u.micron, lookup_table=area)
            expected = Observation(source, band, binset=wave * u.micron).countrate(
                area=1e4 * u.cm**2
            )
            rate = electron_rate(spectrum, detector, element)
            assert rate == pytest.approx(expected.value, rel=1e-4), (detector, element)
    again = electron_rate(Spectrum.from_synphot(source), "WFI09", "F146")
    assert again == pytest.approx(electron_rate(spectrum, "WFI09", "F146"), rel=1e-5)


@pytest.mark.parametrize("element", FILTERS)
def test_a_flat_spectrum_has_the_published_zero_points(element: str) -> None:
    for detector in DETECTORS:
        unit = njy_per_electron(detector, element)
        assert electron_rate(Spectrum.flat(unit), detector, element) == pytest.approx(1, rel=1e-5)
        assert ab_flux(Spectrum.flat(unit), detector, element) == pytest.approx(unit)


@pytest.mark.parametrize("element", ["GRISM", "GRISM0", "PRISM"])
def test_dispersers_have_an_effective_area(element: str) -> None:
    wave, area = effective_area("WFI05", element)
    expected = 1e-35 / 6.62607015e-34 * np.trapezoid(area / wave, wave)
    rate = electron_rate(Spectrum.flat(), "WFI05", element)
    assert rate == pytest.approx(expected, rel=1e-4)
    assert rate > 0


def test_effective_area_ends_in_zeros_and_cannot_be_changed() -> None:
    wave, area = effective_area("WFI02", "F158")
    assert area[0] == area[-1] == 0
    assert (area[1:-1] > 0).mean() > 0.99
    assert (np.diff(wave) > 0).all()
    with pytest.raises(ValueError, match="read-only"):
        area[5] = 1.0
    with pytest.raises(InputError, match="F158"):
        effective_area("WFI02", "F15")


def test_a_spectrum_of_two_samples_is_integrated_exactly() -> None:
    spectrum = Spectrum(np.array([0.4, 3.0]), np.array([1.0, 9.0]))
    wave, area = effective_area("WFI03", "F106")
    fine = np.linspace(wave[0], wave[-1], 2_000_001)
    middle = 0.5 * (fine[1:] + fine[:-1])
    integrand = spectrum(middle) * np.interp(middle, wave, area) / middle
    expected = 1e-35 / 6.62607015e-34 * integrand.sum() * (fine[1] - fine[0])
    assert electron_rate(spectrum, "WFI03", "F106") == pytest.approx(expected, rel=1e-9)


def test_flux_per_wavelength_is_converted_between_its_samples() -> None:
    flam = Spectrum.from_flam(np.array([0.3, 1.0, 4.0]), np.array([1e-18, 1e-18, 1e-18]))
    # f_nu = f_lambda lambda^2 / c
    expected = 1e-18 * 1e8 * (WAVE * 1e-4) ** 2 / 2.99792458e10 * 1e32
    inside = WAVE > 0.3
    np.testing.assert_allclose(flam(WAVE)[inside], expected[inside], rtol=3e-6)


def test_redshift_and_scale() -> None:
    line = emission_line()
    moved = line.redshifted(0.2).scaled(3.0)
    assert moved.wavelength[np.argmax(moved.flux)] == pytest.approx(1.556 * 1.2, abs=1e-3)
    assert moved.flux.max() == 3 * line.flux.max()
    with pytest.raises(InputError, match="redshift"):
        line.redshifted(-1.0)


@pytest.mark.parametrize(
    ("wave", "flux", "message"),
    [
        ([1.0, 2.0], [1.0, -1.0], "not negative; at 2 micrometre"),
        ([1.0, 2.0], [np.nan, 1.0], "finite"),
        ([1.0, 1.0], [1.0, 1.0], "ascend"),
        ([2.0, 1.0], [1.0, 1.0], "ascend"),
        ([-1.0, 1.0], [1.0, 1.0], "positive"),
        ([1.0], [1.0], "two or more"),
        ([1.0, 2.0], [1.0, 1.0, 1.0], "two or more"),
    ],
)
def test_what_is_no_spectrum_is_refused(wave: list[float], flux: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Spectrum(np.array(wave), np.array(flux))


def test_a_spectrum_must_cover_the_band() -> None:
    short = Spectrum(np.array([0.4, 1.5]), np.array([1.0, 1.0]))
    with pytest.raises(InputError, match=r"covers 0.4 to 1.5 micrometre, F158 needs"):
        electron_rate(short, "WFI01", "F158")
    assert electron_rate(short, "WFI01", "F106") > 0
    beyond = Spectrum(np.array([3.0, 5.0]), np.array([1.0, 1.0]))
    with pytest.raises(InputError, match="F158"):
        electron_rate(beyond, "WFI01", "F158")


def test_a_spectrum_does_not_change_with_the_array_it_came_from() -> None:
    flux = np.ones(2)
    spectrum = Spectrum(np.array([1.0, 2.0]), flux)
    flux[0] = 5.0
    assert spectrum.flux[0] == 1.0
