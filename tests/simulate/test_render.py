from __future__ import annotations

import numpy as np
import pytest

from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.pointing import Pointing
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.instrument import njy_per_electron
from aqueduct.instrument.filters import background
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.simulate.render import background_rate, pixel_area, rates, sources
from aqueduct.simulate.scene import GALAXY, STAR, Scene

WIDTH = 0.75


@pytest.fixture(scope="module")
def sky() -> PixelMap:
    wcsinfo = Pointing(270.0, 66.0, 20.0, "WFI01_FULL").wcsinfo("WFI01")
    wcs = detector_wcs(aperture("WFI01").model(), wcsinfo)
    return PixelMap.from_gwcs(wcs, (4088, 4088))


@pytest.fixture(scope="module")
def epsf() -> Epsf:
    at = (np.arange(161) - 80) / 4
    one = np.exp(-0.5 * (at / WIDTH) ** 2)
    stamp = normalised((one[:, None] * one)[None], 4)
    return Epsf(stamp, 4, np.array([2043.5]), np.array([2043.5]))


def one_source(kind: int, n: float, radius: float, ratio: float, angle: float) -> Scene:
    def array(value: float) -> np.ndarray:
        return np.array([value])

    return Scene(
        ra=array(270.0),
        dec=array(66.0),
        kind=np.array([kind], np.uint8),
        flux={"F158": array(1000.0)},
        sersic=array(n),
        radius=array(radius),
        axis_ratio=array(ratio),
        position_angle=array(angle),
        pmra=array(0.0),
        pmdec=array(0.0),
        parallax=array(0.0),
    )


def draw(scene: Scene, x: float, y: float, epsf: Epsf, sky: PixelMap) -> np.ndarray:
    return sources(scene, np.array([x]), np.array([y]), np.array([10.0]), epsf, sky)


def moments(image: np.ndarray, x: float, y: float) -> tuple[float, float, float, np.ndarray]:
    """Flux, centroid and second moments within 60 pixels."""
    rows, columns = (slice(round(at) - 60, round(at) + 61) for at in (y, x))
    part = image[rows, columns].astype(float)
    j, i = np.mgrid[rows, columns]
    flux = part.sum()
    dx, dy = i - x, j - y
    second = np.array([[dx * dx, dx * dy], [dx * dy, dy * dy]])
    return (
        flux,
        (part * dx).sum() / flux,
        (part * dy).sum() / flux,
        (second * part).sum(axis=(2, 3)) / flux,
    )


@pytest.mark.parametrize("kind", [STAR, GALAXY])
def test_flux_and_place(kind: int, epsf: Epsf, sky: PixelMap) -> None:
    image = draw(one_source(kind, 1.0, 0.2, 0.6, 30.0), 1500.27, 2600.61, epsf, sky)
    flux, dx, dy, _ = moments(image, 1500.27, 2600.61)
    assert flux == pytest.approx(10.0, rel=1e-3)
    assert abs(dx) < 2e-3 and abs(dy) < 2e-3


def test_shape_of_a_galaxy_on_the_sky(epsf: Epsf, sky: PixelMap) -> None:
    # A Sersic profile of index 1/2 is a Gaussian of sigma = radius / 1.17741.
    ratio, angle, radius, (x, y) = 0.5, 30.0, 0.4, (700.0, 3300.0)
    image = draw(one_source(GALAXY, 0.5, radius, ratio, angle), x, y, epsf, sky)
    *_, seen = moments(image, x, y)
    sigma = radius / 1.17741
    major, minor = sigma**2 / ratio, sigma**2 * ratio
    along = np.array([np.sin(np.radians(angle)), np.cos(np.radians(angle))])
    across = np.array([along[1], -along[0]])
    on_sky = major * np.outer(along, along) + minor * np.outer(across, across)
    ra, dec = sky.to_sky([x - 0.5, x + 0.5, x, x], [y, y, y - 0.5, y + 0.5])
    east, north = ra * np.cos(np.radians(dec.mean())) * 3600, dec * 3600
    jacobian = np.array(
        [[east[1] - east[0], east[3] - east[2]], [north[1] - north[0], north[3] - north[2]]]
    )
    inverse = np.linalg.inv(jacobian)
    expected = inverse @ on_sky @ inverse.T + WIDTH**2 * np.eye(2)
    np.testing.assert_allclose(seen, expected, atol=0.02 * expected[0, 0])


def test_a_star_off_the_edge_leaves_its_wing(epsf: Epsf, sky: PixelMap) -> None:
    image = draw(one_source(STAR, 1, 1, 1, 0), -1.0, 2000.0, epsf, sky)
    assert 0 < image.sum() < 5
    assert not draw(one_source(STAR, 1, 1, 1, 0), np.nan, np.nan, epsf, sky).any()


def test_a_galaxy_off_the_edge_leaves_its_wing(epsf: Epsf, sky: PixelMap) -> None:
    image = draw(one_source(GALAXY, 1, 0.5, 1, 0), 4089.0, 4089.0, epsf, sky)
    assert 0 < image.sum() < 5
    assert image[:4000].sum() == 0


def test_rates_go_through_the_zero_point() -> None:
    scene = one_source(STAR, 1, 1, 1, 0)
    assert rates(scene, "WFI07", "F158")[0] == pytest.approx(
        1000 / njy_per_electron("WFI07", "F158")
    )


def test_pixel_area_is_that_of_the_sky(sky: PixelMap) -> None:
    area = pixel_area("WFI01")
    assert area.mean() == pytest.approx((0.11 / 206265) ** 2, rel=0.02)
    for x, y in ((10, 20), (2000, 3000), (4080, 100)):
        ra, dec = sky.to_sky([x - 0.5, x + 0.5, x, x], [y, y, y - 0.5, y + 0.5])
        east, north = np.radians(ra) * np.cos(np.radians(dec.mean())), np.radians(dec)
        sides = (east[1] - east[0], east[3] - east[2], north[1] - north[0], north[3] - north[2])
        solid = abs(sides[0] * sides[3] - sides[1] * sides[2])
        assert area[y, x] == pytest.approx(solid, rel=1e-5)


def test_background_follows_the_pixel_area() -> None:
    zodiacal, thermal = background("F158")
    rate = background_rate("F158", "WFI01", 2.0)
    assert rate.mean(dtype=float) == pytest.approx(2 * zodiacal + thermal, rel=1e-5)
    area = pixel_area("WFI01")
    np.testing.assert_allclose(rate - thermal, 2 * zodiacal * area / area.mean(), rtol=1e-5)
