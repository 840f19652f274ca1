"""The container: defaults, motions, brightness, what it refuses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord, get_body_barycentric
from astropy.time import Time

from aqueduct.core.errors import InputError
from aqueduct.geometry.tangent import separation
from aqueduct.instrument.filters import njy_per_electron
from aqueduct.simulate.scene import (
    AGN,
    GALAXY,
    STAR,
    Scene,
    Sinusoid,
    Tabulated,
    joined,
)
from aqueduct.simulate.spectra import SourceSpectra, builtin

WHEN = Time("2027-06-01")


def small(number: int = 3, **columns: object) -> Scene:
    base = {
        "ra": 270.0 + 0.01 * np.arange(number),
        "dec": np.full(number, 66.0),
        "kind": np.full(number, STAR, np.uint8),
        "flux": {"F158": 1000.0 * (1 + np.arange(number))},
    }
    return Scene(**{**base, **columns})


def test_a_star_needs_place_kind_and_flux_alone() -> None:
    scene = small()
    assert np.isnan(scene.sersic).all() and (scene.pmra == 0).all()
    assert (scene.bulge_fraction == 0).all() and (scene.image == -1).all()
    np.testing.assert_array_equal(scene.id, [0, 1, 2])
    assert scene.id.dtype == np.int64 and scene.light_curve.dtype == np.int32


def test_an_empty_scene_is_a_scene() -> None:
    empty = small(0)
    assert len(empty) == 0 and empty.rates("WFI01", "F158").shape == (0,)
    assert empty.positions(WHEN)[0].shape == (0,)


def test_positions_agree_with_astropy() -> None:
    rng = np.random.default_rng(1)
    motion = 50 * rng.standard_normal((2, 40))
    scene = small(40, pmra=motion[0], pmdec=motion[1])
    ra, dec = scene.positions(WHEN)
    there = SkyCoord(
        scene.ra * units.deg,
        scene.dec * units.deg,
        pm_ra_cosdec=scene.pmra * units.mas / units.yr,
        pm_dec=scene.pmdec * units.mas / units.yr,
        obstime=Time(scene.epoch, format="jyear"),
        distance=1 * units.kpc,
    ).apply_space_motion(new_obstime=WHEN)
    off = separation(ra, dec, there.ra.deg, there.dec.deg) * 3_600_000
    assert off.max() < 1e-3  # mas


def test_parallax_agrees_with_astropy() -> None:
    scene = Scene(
        ra=np.array([10.0, 200.0]),
        dec=np.array([-60.0, 5.0]),
        kind=np.zeros(2, np.uint8),
        flux={"F158": np.ones(2)},
        parallax=np.array([100.0, 500.0]),
    )
    stars = SkyCoord(scene.ra, scene.dec, distance=1000 / scene.parallax, unit="deg,deg,pc")
    earth = get_body_barycentric("earth", WHEN, ephemeris="builtin").xyz
    seen = SkyCoord(
        *(stars.cartesian.xyz - earth[:, None]), representation_type="cartesian"
    ).spherical
    off = separation(*scene.positions(WHEN), seen.lon.deg, seen.lat.deg) * 3_600_000
    assert off.max() < 1e-3  # mas


def test_a_solar_system_object_moves_at_its_rate_from_its_reference_time() -> None:
    rate = np.array([0.0, 30.0, -12.0])
    scene = small(rate_ra=rate, rate_dec=0.5 * rate, reference_time=WHEN.mjd)
    np.testing.assert_allclose(scene.positions(WHEN)[0], scene.ra, atol=1e-12)
    ra, dec = scene.positions(WHEN + 2 * units.hour)
    east = (ra - scene.ra) * np.cos(np.radians(dec)) * 3600
    np.testing.assert_allclose(east, 2 * rate, atol=1e-2)
    # A great circle: 60 arcsec to the east at declination 66 bends by 0.02.
    np.testing.assert_allclose((dec - scene.dec) * 3600, rate, atol=3e-2)
    np.testing.assert_array_equal(scene.moving, [False, True, True])


def test_moving_sources_move_evenly_within_an_exposure() -> None:
    scene = small(rate_ra=np.array([0.0, 360.0, 0.0]), reference_time=WHEN.mjd)
    places = [scene.positions(WHEN + when * units.s) for when in (12.5, 37.5, 62.5, 87.5)]
    ra = np.stack([place[0] for place in places])
    east = (ra[:, 1] - scene.ra[1]) * np.cos(np.radians(66.0)) * 3600
    np.testing.assert_allclose(east, [1.25, 3.75, 6.25, 8.75], atol=1e-3)
    np.testing.assert_allclose(ra[:, 0], scene.ra[0], atol=1e-12)


def test_rates_follow_flux_and_light_curve() -> None:
    scene = small(
        light_curves=(Tabulated(mjd=(WHEN.mjd,), value=(2.5,)),),
        light_curve=np.array([-1, 0, -1]),
    )
    quiet = scene.flux["F158"] / njy_per_electron("WFI03", "F158")
    np.testing.assert_allclose(scene.rates("WFI03", "F158"), quiet)
    np.testing.assert_allclose(scene.rates("WFI03", "F158", WHEN), quiet * [1, 2.5, 1])


def test_rates_come_from_spectra_where_there_are_any() -> None:
    zero, flux = np.zeros(3), np.array([10.0, 20.0, 30.0])
    flat = np.full(3, builtin().index("flat"), np.int32)
    spectra = SourceSpectra(builtin(), flat, zero, zero, flux)
    scene = small(flux={}, spectra=spectra)
    rate = scene.rates("WFI07", "F106")
    np.testing.assert_allclose(rate, flux / njy_per_electron("WFI07", "F106"), rtol=1e-3)
    np.testing.assert_array_equal(scene.take([2, 0]).rates("WFI07", "F106"), rate[[2, 0]])


def test_take_keeps_columns_together() -> None:
    scene = small(5, pmra=np.arange(5.0))
    for some in (scene.take([3, 1]), scene.take(np.array([0, 1, 0, 1, 0], bool)).take([1, 0])):
        np.testing.assert_array_equal(some.pmra, [3, 1])
        np.testing.assert_array_equal(some.id, [3, 1])
        np.testing.assert_array_equal(some.flux["F158"], [4000, 2000])


def test_joined_scenes_keep_their_light_curves() -> None:
    curves = (Sinusoid(amplitude=0.1, period=1.0), Sinusoid(amplitude=0.2, period=1.0))
    one = small(2, light_curves=curves, light_curve=np.array([1, -1]))
    two = small(1, light_curves=curves[:1], light_curve=np.array([0]))
    both = joined(one, two)
    np.testing.assert_array_equal(both.light_curve, [1, -1, 2])
    assert both.light_curves[2] == curves[0]
    np.testing.assert_array_equal(both.id, [0, 1, 2])
    with pytest.raises(InputError, match="reference_time"):
        joined(one, replace(two, reference_time=1.0))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"pmra": np.zeros(2)}, "pmra"),
        ({"flux": {"F158": np.zeros(2)}}, "F158"),
        ({"kind": np.array([STAR, GALAXY, STAR])}, "'sersic', row 1"),
        (
            {
                "kind": np.array([STAR, STAR, GALAXY]),
                "sersic": np.full(3, 7.0),
                "radius": np.ones(3),
            },
            "'sersic', row 2: 7.0",
        ),
        ({"kind": np.array([STAR, STAR, 3])}, "'image', row 2"),
        ({"kind": np.array([STAR, AGN, 9])}, "'kind', row 2"),
        ({"dec": np.array([0.0, 91.0, 0.0])}, "'dec', row 1"),
        ({"light_curve": np.array([-1, 0, -1])}, "'light_curve', row 1"),
        ({"bulge_fraction": np.array([0.5, 0, 0])}, "'bulge_sersic', row 0"),
    ],
)
def test_what_can_not_be_drawn_is_refused_by_column_and_row(
    columns: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        small(**columns)


def test_a_filter_without_flux_is_named() -> None:
    with pytest.raises(InputError, match="F062"):
        small().rates("WFI01", "F062")
