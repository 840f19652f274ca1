from __future__ import annotations

import datetime

import galsim
import numpy as np
import pytest
from astropy.time import Time
from galsim import roman

from aqueduct.core.errors import InputError
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.instrument.filters import background
from aqueduct.simulate.render import STRAY_LIGHT, background_rate, pixel_area, zodiacal


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
    light, thermal = background("F158")
    rate = background_rate("F158", "WFI01", 2.0)
    level = 2 * light * (1 + STRAY_LIGHT)
    assert rate.mean(dtype=float) == pytest.approx(level + thermal, rel=1e-5)
    area = pixel_area("WFI01")
    np.testing.assert_allclose(rate - thermal, level * area / area.mean(), rtol=1e-5)


@pytest.mark.parametrize(("element", "least"), [("GRISM", 0.65), ("PRISM", 0.95)])
def test_dispersers_have_zodiacal_light_alone(element: str, least: float) -> None:
    rate = background_rate(element, "WFI01", stray_light=0.0)
    assert rate.mean(dtype=float) == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize(
    ("ra", "dec", "date"),
    [
        (270, 66, "2027-06-01"),
        (10, -40, "2027-09-01"),
        (53, -27, "2027-10-10"),
        (266, -29, "2027-03-15"),
    ],
)
def test_zodiacal_light_against_galsim(ra: float, dec: float, date: str) -> None:
    band = roman.getBandpasses(AB_zeropoint=False)["H158"]
    place = galsim.CelestialCoord(ra * galsim.degrees, dec * galsim.degrees)
    when = datetime.datetime.fromisoformat(date)
    level = roman.getSkyLevel(band, world_pos=place, exptime=1, date=when)
    least = band._sky_level[band._sky_level > 0].min()
    # GalSim interpolates the steep table linearly.
    assert zodiacal(ra, dec, Time(date), "F158") == pytest.approx(level / least, rel=0.01)


def test_zodiacal_light_is_least_far_from_the_ecliptic_and_the_sun() -> None:
    days = Time(np.arange(61406.0, 61771.0, 15), format="mjd")
    pole = [zodiacal(270.0, 66.56, day, "F129") for day in days]
    assert min(pole) >= 1 and max(pole) < 1.3
    assert zodiacal(0.0, 0.0, Time("2027-12-21"), "F129") > 2


def test_too_close_to_the_sun() -> None:
    with pytest.raises(InputError, match="zodiacal"):
        zodiacal(70.0, 22.0, Time("2027-06-01"), "F158")
    with pytest.raises(InputError, match="element"):
        zodiacal(270.0, 66.0, Time("2027-06-01"), "F999")
