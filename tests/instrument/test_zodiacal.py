"""Zodiacal light against GalSim, and as a surface brightness."""

from __future__ import annotations

import datetime

import galsim
import numpy as np
import pytest
from astropy.time import Time
from galsim import roman

from aqueduct.core.errors import InputError
from aqueduct.instrument.filters import FILTERS
from aqueduct.instrument.zodiacal import least, surface_brightness, zodiacal


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


@pytest.mark.parametrize("element", [*FILTERS, "GRISM", "PRISM"])
def test_surface_brightness_is_that_of_the_sky(element: str) -> None:
    """At high latitude Leinert et al. (1998) give 0.06 to 0.2 MJy/sr from 0.5 to 2.2 micron."""
    light = surface_brightness(270.0, 66.56, Time("2027-06-01"), "WFI05", element)
    assert 0.05 < light < 0.25
    scale = zodiacal(0.0, 0.0, Time("2027-12-21"), element)
    scale /= zodiacal(270.0, 66.56, Time("2027-06-01"), element)
    ecliptic = surface_brightness(0.0, 0.0, Time("2027-12-21"), "WFI05", element)
    assert ecliptic == pytest.approx(scale * light)


def test_the_dispersers_state_no_thermal_background() -> None:
    assert least("GRISM") == (pytest.approx(0.65), 0.0)
    assert least("F213")[1] > 4
