from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import ConfigError
from aqueduct.instrument.filters import effective_area
from aqueduct.instrument.spectrum import Spectrum
from aqueduct.psf.light import blackbody, photon_nodes


def test_mean_wavelength_is_that_of_the_photons() -> None:
    wave, area = effective_area("WFI01", "F158")
    nodes, shares = photon_nodes("WFI01", "F158", None, 7)
    truth = np.average(wave, weights=area / wave)
    assert (nodes * shares).sum() == pytest.approx(truth, rel=1e-9)


@pytest.mark.parametrize("number", [1, 7])
def test_nodes_stand_for_the_whole_band(number: int) -> None:
    spectrum = blackbody(4000.0)
    wave, area = effective_area("WFI01", "F146")
    fine = np.linspace(wave[0], wave[-1], 200_001)
    photons = spectrum(fine) * np.interp(fine, wave, area) / fine
    nodes, shares = photon_nodes("WFI01", "F146", spectrum, number)
    assert shares.sum() == pytest.approx(1)
    assert (np.diff(nodes) > 0).all()
    mean = (photons * fine).sum() / photons.sum()
    assert (nodes * shares).sum() == pytest.approx(mean, rel=1e-5)


def test_red_stars_have_longer_waves() -> None:
    means = []
    for kind in ("A0V", "G2V", "K0V", "M5V"):
        nodes, shares = photon_nodes("WFI01", "F146", kind, 7)
        means.append((nodes * shares).sum())
    assert means == sorted(means)


def test_one_wavelength() -> None:
    nodes, shares = photon_nodes("WFI01", "F158", 1.6, 7)
    assert (nodes.tolist(), shares.tolist()) == ([1.6], [1.0])


def test_a_narrow_line_is_one_wavelength() -> None:
    line = Spectrum(np.array([1.5999, 1.6, 1.6001]), np.array([0.0, 5.0, 0.0]))
    nodes, shares = photon_nodes("WFI01", "F158", line, 7)
    np.testing.assert_allclose(nodes, [1.6], rtol=1e-9)
    np.testing.assert_allclose(shares, [1.0])


def test_black_body_of_the_sun_peaks_in_nu_at_0_88_micrometre() -> None:
    light = blackbody(5772.0)
    assert light.wavelength[light.flux.argmax()] == pytest.approx(5099 / 5772, abs=0.002)


def test_no_light() -> None:
    blue = Spectrum(np.array([0.5, 0.6]), np.array([1.0, 1.0]))
    with pytest.raises(ConfigError, match="passes F158"):
        photon_nodes("WFI01", "F158", blue, 7)


def test_unknown_spectral_type() -> None:
    with pytest.raises(ConfigError, match="G2V"):
        photon_nodes("WFI01", "F158", "G2", 7)
