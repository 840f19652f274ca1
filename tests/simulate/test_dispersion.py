from __future__ import annotations

from typing import Any, cast

import galsim
import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.core.threads import limited
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.instrument.dispersers import ORDERS, trace
from aqueduct.instrument.filters import FILTERS, effective_area
from aqueduct.instrument.spectrum import Spectrum, ab_flux, electron_rate
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.simulate.dispersion import (
    DispersionConfig,
    dispersed_rates,
    dispersed_sources,
    margin,
)
from aqueduct.simulate.dispersion.photons import band, deposit, source_spectrum
from aqueduct.simulate.scene import GALAXY, IMAGE, STAR, ImageTemplate, Scene
from aqueduct.simulate.scene.variability import Tabulated

DETECTOR = "WFI05"
SHAPE = (700, 120)
X, Y = 61.3, 480.7
SKY = TangentPlane(270.0, 66.0, x0=60.0, y0=480.0, scale=0.11 / 3600, parity=-1)
WAVE = np.linspace(0.4, 2.5, 2101)
WAVY = Spectrum(WAVE, 1000 * (1 + 0.5 * np.sin(40 * WAVE)))


class Spectra:
    """Stands for SourceSpectra."""

    def __init__(self, *spectra: Spectrum) -> None:
        self.spectra = spectra

    def spectrum(self, source: int, limits: tuple[float, float]) -> Spectrum:
        return self.spectra[source]


def width(wave: float) -> float:
    return 0.4 + 0.4 * wave


def epsf(wave: float) -> Epsf:
    """Gaussians of RMS ``width``, wide enough to be sampled well by pixels."""
    at = (np.arange(81) - 40) / 4
    one = np.exp(-0.5 * (at / width(wave)) ** 2)
    stamp = normalised((one[:, None] * one)[None], 4)
    return Epsf(stamp, 4, np.array([2043.5]), np.array([2043.5]))


def line(wave: float) -> Spectrum:
    """An emission line 0.02 nm wide."""
    near = wave + 1e-5 * np.array([-1, 0, 1])
    return Spectrum(np.array([0.3, *near, 3.0]), np.array([0, 0, 1e8, 0, 0]))


def scene(*spectra: Spectrum, kind: int = STAR, **columns: Any) -> Scene:
    number = len(spectra)
    return Scene(
        ra=np.full(number, 270.0),
        dec=np.full(number, 66.0),
        kind=np.full(number, kind, np.uint8),
        flux={},
        spectra=cast(Any, Spectra(*spectra)),
        **columns,
    )


def draw(
    sky: Scene,
    element: str,
    x: float = X,
    y: float = Y,
    shape: tuple[int, int] = SHAPE,
    **more: Any,
) -> np.ndarray:
    places = (np.full(len(sky), x), np.full(len(sky), y))
    image = dispersed_sources(sky, *places, DETECTOR, element, epsf, SKY, shape=shape, **more)
    assert image.dtype == np.float32 and image.shape == shape
    return image.astype(float)


def moments(image: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Centroid and second moments."""
    y, x = np.indices(image.shape)
    total = image.sum()
    cx, cy = (image * x).sum() / total, (image * y).sum() / total
    dx, dy = x - cx, y - cy
    second = np.array([[dx * dx, dx * dy], [dx * dy, dy * dy]])
    return cx, cy, (second * image).sum(axis=(2, 3)) / total


@pytest.mark.parametrize("order", ["GRISM", "GRISM0", "PRISM"])
def test_nodes_hold_the_rate_of_synthetic_photometry(order: str) -> None:
    cut, nodes = band(DETECTOR, order), np.zeros(8000)
    start = 100.3 - 4 * cut.offset[0]
    for spectrum in (WAVY, line(1.2), Spectrum.flat(1.0)):
        nodes[:] = 0
        columns = (cut.wavelength, cut.area, cut.offset, spectrum.wavelength, spectrum.flux)
        deposit(*columns, start, 4.0, nodes)
        assert nodes.sum() == pytest.approx(electron_rate(spectrum, DETECTOR, order), rel=1e-6)


@pytest.mark.parametrize("element", ["GRISM", "PRISM"])
def test_flux_is_conserved_over_all_orders(element: str) -> None:
    image = draw(scene(WAVY), element, y=1900.0, shape=(2400, 80))
    expected = sum(electron_rate(WAVY, DETECTOR, order) for order in ORDERS[element])
    assert image.sum() == pytest.approx(expected, rel=1e-3)
    if element == "GRISM":
        zeroth = image[1900 - 1359 - 60 : 1900 - 1359 + 60].sum()
        assert zeroth == pytest.approx(electron_rate(WAVY, DETECTOR, "GRISM0"), rel=2e-3)


@pytest.mark.parametrize("angle", [0.0, -2.0])
@pytest.mark.parametrize(("element", "wave"), [("GRISM", 1.2), ("GRISM", 1.71), ("PRISM", 0.9)])
def test_a_line_lands_where_the_dispersion_says(element: str, wave: float, angle: float) -> None:
    config = DispersionConfig.model_validate({"angle": angle})
    image = draw(scene(line(wave)), element, y=350.2, config=config)
    x, y, second = moments(image)
    along = trace(element).to_offset(wave)
    assert x == pytest.approx(X + along * np.sin(np.radians(angle)), abs=0.002)
    assert y == pytest.approx(350.2 + along * np.cos(np.radians(angle)), abs=0.002)
    # And is as wide as the ePSF of its wavelength.
    np.testing.assert_allclose(second, width(wave) ** 2 * np.eye(2), atol=0.01 * width(wave) ** 2)


@pytest.mark.parametrize("angle", [0.0, 3.0])
def test_against_many_stars_of_one_wavelength(angle: float) -> None:
    spectrum = Spectrum(WAVE, 1000 * (1 + 20 * np.exp(-0.5 * ((WAVE - 1.2) / 0.002) ** 2)))
    config = DispersionConfig.model_validate({"angle": angle, "wavelengths": 12})
    image = draw(scene(spectrum), "PRISM", config=config)
    expected, cut = np.zeros(SHAPE, np.float32), band(DETECTOR, "PRISM")
    turn = np.radians(angle)
    for low, high in zip(range(0, 4000, 8), range(8, 4008, 8), strict=True):
        part = slice(low, high + 1)
        wave, area = cut.wavelength[part], cut.area[part]
        if len(wave) < 2:
            break
        photons = spectrum(wave) * area / wave
        # 1 nJy / h, in photons per second, m^2 and unit of ln(lambda).
        rate = np.diff(wave) * 0.5 * (photons[1:] + photons[:-1]) * 1e-35 / 6.62607015e-34
        along = 0.5 * (cut.offset[part][1:] + cut.offset[part][:-1])
        place = (X + along * np.sin(turn), Y + along * np.cos(turn))
        epsf(float(wave.mean())).render(*place, rate, expected)
    assert np.abs(image - expected).max() < 2e-3 * expected.max()
    assert np.abs(image - expected).sum() < 3e-3 * expected.sum()


GALAXIES = {
    "disk": {"sersic": 1.0, "radius": 0.3, "axis_ratio": 0.5, "position_angle": 30.0},
    "spheroid": {"sersic": 4.0, "radius": 0.4, "axis_ratio": 0.8, "position_angle": 100.0},
    "both": {
        "sersic": 1.0,
        "radius": 0.4,
        "axis_ratio": 0.3,
        "position_angle": 70.0,
        "bulge_fraction": 0.4,
        "bulge_sersic": 3.0,
        "bulge_radius": 0.2,
        "bulge_axis_ratio": 0.8,
    },
}


def on_detector(profile: Any) -> Any:
    """A profile drawn with x east and y north, as seen by SKY, where x runs west."""
    return profile.transform(-1, 0, 0, 1)


def compare(image: np.ndarray, profile: Any, wave: float, rate: float) -> None:
    """An image of one line beside GalSim's."""
    y = Y + float(trace("PRISM").to_offset(wave))
    seen = galsim.Convolve(profile.withFlux(rate), galsim.Gaussian(sigma=width(wave)))
    stamp = galsim.Image(101, 101, xmin=round(X) - 50, ymin=round(y) - 50, dtype=float)
    seen.drawImage(stamp, method="no_pixel", center=galsim.PositionD(X, y), scale=1.0)
    part = image[stamp.ymin : stamp.ymax + 1, stamp.xmin : stamp.xmax + 1].copy()
    assert np.abs(part - stamp.array).max() < 4e-3 * stamp.array.max()
    ours, theirs = (galsim.hsm.FindAdaptiveMom(galsim.Image(a)) for a in (part, stamp.array))
    assert ours.moments_sigma == pytest.approx(theirs.moments_sigma, rel=3e-3)
    for name in ("e1", "e2"):
        shapes = [getattr(found.observed_shape, name) for found in (ours, theirs)]
        assert shapes[0] == pytest.approx(shapes[1], abs=2e-3)


@pytest.mark.parametrize("name", list(GALAXIES))
def test_galaxies_against_galsim(name: str) -> None:
    wave, columns = 1.3, GALAXIES[name]
    sky = scene(line(wave), kind=GALAXY, **{key: np.array([of]) for key, of in columns.items()})
    image = draw(sky, "PRISM")
    rate = electron_rate(line(wave), DETECTOR, "PRISM")
    assert image.sum() == pytest.approx(rate, rel=1e-3)

    def profile(prefix: str) -> Any:
        turn = (90 - columns["position_angle"]) * galsim.degrees
        size = columns[f"{prefix}radius"] / 0.11
        round_one = galsim.Sersic(columns[f"{prefix}sersic"], half_light_radius=size)
        return round_one.shear(q=columns[f"{prefix}axis_ratio"], beta=turn)

    share = columns.get("bulge_fraction", 0.0)
    whole = profile("") if not share else (1 - share) * profile("") + share * profile("bulge_")
    compare(image, on_detector(whole), wave, rate)


def test_an_image_template_against_galsim() -> None:
    j, i = np.mgrid[:31, :31] - 15.0
    picture = np.exp(-0.5 * ((i - 4) / 3) ** 2 - 0.5 * (j / 5) ** 2) + 0.5 * np.exp(
        -0.5 * (((i + 5) / 2) ** 2 + ((j - 6) / 2) ** 2)
    )
    wave, angle = 1.3, 35.0
    sky = scene(
        line(wave),
        kind=IMAGE,
        images=(ImageTemplate(picture, 0.06),),
        image=np.array([0]),
        position_angle=np.array([angle]),
    )
    image = draw(sky, "PRISM")
    rate = electron_rate(line(wave), DETECTOR, "PRISM")
    assert image.sum() == pytest.approx(rate, rel=1e-3)
    # Its x axis runs west as that of SKY: seen from there, east of north is to the left.
    shape = galsim.InterpolatedImage(galsim.Image(picture), scale=0.06 / 0.11)
    compare(image, shape.rotate(angle * galsim.degrees), wave, rate)


def test_a_scene_with_fluxes_only() -> None:
    truth = Spectrum(WAVE, 500 * WAVE**1.5)
    sky = Scene(
        ra=np.array([270.0]),
        dec=np.array([66.0]),
        kind=np.array([STAR]),
        flux={name: np.array([ab_flux(truth, "WFI01", name)]) for name in FILTERS},
    )
    at = np.linspace(0.65, 2.1, 50)
    np.testing.assert_allclose(source_spectrum(sky, 0)(at), truth(at), rtol=0.01)
    image = draw(sky, "PRISM")
    assert image.sum() == pytest.approx(electron_rate(truth, DETECTOR, "PRISM"), rel=5e-3)
    assert dispersed_rates(sky, DETECTOR, "PRISM") == pytest.approx(image.sum(), rel=1e-3)
    dark = Scene(sky.ra, sky.dec, sky.kind, {"F158": np.array([0.0])})
    assert not draw(dark, "PRISM").any()
    with pytest.raises(InputError, match="neither spectra nor fluxes"):
        draw(Scene(sky.ra, sky.dec, sky.kind, {}), "PRISM")


def test_spectra_of_templates() -> None:
    from aqueduct.simulate.spectra import SourceSpectra, builtin

    number = 4
    spectra = SourceSpectra(
        builtin(),
        np.arange(number, dtype=np.int32),
        np.array([0.0, 0.0, 0.3, 1.1]),
        np.zeros(number),
        np.full(number, 1e4),
    )
    columns = (np.full(number, 270.0), np.full(number, 66.0), np.full(number, STAR, np.uint8))
    sky = Scene(*columns, {}, spectra=spectra)
    rates = dispersed_rates(sky, DETECTOR, "GRISM")
    for source in range(number):
        alone = draw(sky.take(np.array([source])), "GRISM", y=1900.0, shape=(2400, 80))
        assert alone.sum() == pytest.approx(rates[source], rel=1e-3)


def test_off_the_detector() -> None:
    sky = scene(WAVY)
    assert not draw(sky, "GRISM", x=np.nan, y=np.nan).any()
    # Only the zeroth order of a source far above the image falls on it.
    above = draw(sky, "GRISM", y=SHAPE[0] + 1000.0)
    assert above.sum() == pytest.approx(electron_rate(WAVY, DETECTOR, "GRISM0"), rel=1e-3)
    assert not draw(sky, "GRISM", y=SHAPE[0] + margin("GRISM") + 15.0).any()
    half = draw(sky, "PRISM", x=-0.5)
    assert half.sum() == pytest.approx(electron_rate(WAVY, DETECTOR, "PRISM") / 2, rel=0.02)


def test_light_curves_scale_the_spectra() -> None:
    from astropy.time import Time

    curve = Tabulated.model_validate({"mjd": (61000.0,), "value": (3.0,)})
    varied = scene(WAVY, light_curves=(curve,), light_curve=np.array([0]))
    time = Time(61000.0, format="mjd")
    np.testing.assert_allclose(
        draw(varied, "PRISM", time=time), 3 * draw(varied, "PRISM"), rtol=1e-5, atol=1e-6
    )


def test_same_at_any_number_of_threads() -> None:
    columns = {key: np.full(5, of) for key, of in GALAXIES["disk"].items()}
    sky = scene(*[WAVY.scaled(k + 1.0) for k in range(5)], kind=GALAXY, **columns)
    images = []
    for count in (1, 3):
        with limited(count):
            images.append(draw(sky, "PRISM"))
    np.testing.assert_array_equal(*images)


def test_refusals() -> None:
    with pytest.raises(InputError, match="F158"):
        draw(scene(WAVY), "F158")

    def growing(wave: float) -> Epsf:
        other = epsf(wave)
        return (
            other if wave < 1 else Epsf(other.psf[:, 2:-2, 2:-2], 4, other.pixel_x, other.pixel_y)
        )

    with pytest.raises(InputError, match="a spectrum covers"):
        draw(scene(Spectrum(np.array([0.5, 1.5]), np.ones(2))), "PRISM")
    places = (np.array([X]), np.array([Y]))
    with pytest.raises(InputError, match="differ"):
        dispersed_sources(scene(WAVY), *places, DETECTOR, "PRISM", growing, SKY, shape=SHAPE)


def test_margin_covers_the_furthest_order() -> None:
    for element, orders in ORDERS.items():
        for order in orders:
            edges = effective_area("WFI18", order)[0][[0, -1]]
            assert np.abs(trace(order).to_offset(edges)).max() < margin(element) + 10
