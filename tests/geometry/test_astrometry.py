import numpy as np
from astropy import units as u
from astropy.coordinates import Distance, SkyCoord
from astropy.time import Time

from aqueduct.geometry.astrometry import earth_position, propagated
from aqueduct.geometry.tangent import separation

MAS = 1 / 3600e3


def test_motion_agrees_with_astropy():
    rng = np.random.default_rng(1)
    ra, dec = rng.uniform(0, 360, 50), rng.uniform(-80, 80, 50)
    pm = rng.normal(0, 50, (2, 50))
    stars = SkyCoord(
        ra * u.deg,
        dec * u.deg,
        distance=Distance(parallax=np.ones(50) * u.mas),
        pm_ra_cosdec=pm[0] * u.mas / u.yr,
        pm_dec=pm[1] * u.mas / u.yr,
        obstime=Time(2016.0, format="jyear", scale="tdb"),
    )
    moved = stars.apply_space_motion(Time(2027.0, format="jyear", scale="tdb"))
    found = propagated(ra, dec, *pm, np.zeros(50), 11.0)
    assert separation(*found, moved.ra.deg, moved.dec.deg).max() < 1e-3 * MAS


def test_parallax_is_the_direction_from_the_earth():
    """A star at 10 pc seen from the Earth, by vectors."""
    earth = earth_position(Time("2027-03-01"))
    distance = 206264.806247 * 10
    ra, dec = 40.0, 30.0
    star = (
        distance
        * np.array(
            [
                np.cos(np.radians(dec)) * np.cos(np.radians(ra)),
                np.cos(np.radians(dec)) * np.sin(np.radians(ra)),
                np.sin(np.radians(dec)),
            ]
        )
        - earth
    )
    expected = (
        np.degrees(np.arctan2(star[1], star[0])),
        np.degrees(np.arctan2(star[2], np.hypot(star[0], star[1]))),
    )
    found = propagated(ra, dec, 0.0, 0.0, 100.0, 0.0, earth)
    assert separation(*found, *expected) < 0.1 * MAS
    assert separation(*found, ra, dec) > 30 * MAS


def test_unknown_motion_counts_as_rest():
    found = propagated([10.0], [20.0], [np.nan], [np.nan], [np.nan], 11.0, (1, 0, 0))
    np.testing.assert_allclose(found, [[10.0], [20.0]], atol=1e-13)


def test_earth_is_one_astronomical_unit_away():
    assert 0.97 < np.linalg.norm(earth_position(Time("2027-01-03"))) < 1.03
