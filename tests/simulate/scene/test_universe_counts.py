"""Number counts of galaxies, quasars and stars beside published ones."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM

from aqueduct.simulate.scene import cosmology
from aqueduct.simulate.scene.galaxies import AgnConfig, GalaxyConfig, draw_galaxies, draw_quasars
from aqueduct.simulate.scene.luminosity import galaxy_density, red_share, schechter
from aqueduct.simulate.scene.populations import halo, imf, old, thin
from aqueduct.simulate.scene.stars import StarConfig, draw_stars


def test_distances_and_volumes_are_those_of_astropy() -> None:
    z = np.array([0.05, 0.5, 1.0, 3.0, 9.0])
    true = FlatLambdaCDM(H0=70, Om0=0.3, Tcmb0=0)
    np.testing.assert_allclose(cosmology.distance_modulus(z), true.distmod(z).value, atol=1e-5)
    np.testing.assert_allclose(
        cosmology.volume(z),
        true.differential_comoving_volume(z).value * np.radians(1) ** 2,
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        cosmology.arcsec_per_kpc(z), true.arcsec_per_kpc_proper(z).value, rtol=1e-5
    )


def test_schechter_parameters_are_those_of_the_table() -> None:
    bright, density, alpha = schechter([0.45, 2.20], [0.8, 0.8])
    np.testing.assert_allclose(bright, [-21.35, -22.97])
    np.testing.assert_allclose(density, [3.41e-3, 2.74e-3])
    np.testing.assert_allclose(alpha, [-(80**0.055), -(80**0.035)])


@pytest.mark.parametrize(
    ("limit", "published"),
    [
        # Counted in UltraVISTA H of COSMOS2020 (Weaver et al. 2022), 0.92 square degrees.
        (20.0, 6.1e3),
        (22.0, 3.55e4),
        # 3D-HST (Momcheva et al. 2016), JH < 24 and < 26 in 626 square arcmin.
        (24.0, 22548 / 626 * 3600),
        (26.0, 98663 / 626 * 3600),
    ],
)
def test_galaxy_counts(limit: float, published: float) -> None:
    magnitude, z = np.arange(14.05, limit, 0.1), np.arange(0.03, 9.0, 0.02)
    model = galaxy_density(magnitude[:, None], z, 1.577).sum() * 0.1 * 0.02
    assert np.log10(model) == pytest.approx(np.log10(published), abs=0.2)


def test_drawn_galaxies_follow_the_density() -> None:
    config = GalaxyConfig(limits=(20.0, 24.0), redshifts=(0.1, 3.0))
    drawn = draw_galaxies(config, 0.2, np.random.default_rng(1))
    magnitude, z = np.arange(20.025, 24, 0.05), np.arange(0.11, 3.0, 0.02)
    model = galaxy_density(magnitude[:, None], z, 1.577) * 0.05 * 0.02 * 0.2
    assert len(drawn.redshift) == pytest.approx(model.sum(), rel=0.03)
    share = model[:, z < 1].sum() / model.sum()
    assert (drawn.redshift < 1).mean() == pytest.approx(share, abs=0.01)
    bright = model[magnitude < 22].sum() / model.sum()
    assert (drawn.magnitude < 22).mean() == pytest.approx(bright, abs=0.01)


def test_red_galaxies_are_bright_and_late() -> None:
    share = red_share(np.array([-1.0, 0.0, 3.0]), 0.5)
    assert (np.diff(share) < 0).all() and share[0] > 0.4 and share[2] < 0.15
    assert red_share(0.0, 2.5) < 0.5 * red_share(0.0, 0.5)


def test_quasar_counts() -> None:
    # 1877 quasars of g < 22.5 in 14.6 square degrees (Palanque-Delabrouille et al. 2013).
    faint = 22.5 - 1.25 * np.log10(1.577 / 0.478)
    config = AgnConfig(limits=(15.0, faint), redshifts=(0.7, 4.0))
    magnitude, _ = draw_quasars(config, 20.0, np.random.default_rng(2))
    assert np.log10(len(magnitude) / 20) == pytest.approx(np.log10(1877 / 14.6), abs=0.15)


@pytest.mark.parametrize(
    ("limit", "published"),
    [(19.0, 5.8e6), (21.0, 38e6), (23.0, 110e6), (25.0, 240e6)],
)
def test_bulge_star_counts(limit: float, published: float) -> None:
    # Penny et al. 2019 (ApJS 241, 3), table 1: F146 < limit in 1.97 square degrees.
    field = SkyCoord(1.0, -1.5, unit="deg", frame="galactic").icrs
    config = StarConfig(limits=(10.0, limit))
    stars = draw_stars(config, field.ra.deg, field.dec.deg, 0.002, np.random.default_rng(3))
    found = len(stars.magnitude) / 0.002
    assert np.log10(found) == pytest.approx(np.log10(published / 1.97), abs=0.3)


def test_stars_at_the_sun() -> None:
    mass = np.linspace(0.08, 1.0, 2001)
    assert np.trapezoid(imf(mass), mass) == pytest.approx(0.08, rel=1e-3)
    for population in (thin(), old(), halo()):
        assert population.density.sum() == pytest.approx(0.09, abs=0.01)
        peak = population.magnitude[np.argmax(population.density)]
        assert peak > 8  # M dwarfs, and the pile of T dwarfs, are the most frequent
    giants = (thin().magnitude < 2.4) & (thin().type >= 50)
    assert 1e-4 < thin().density[giants].sum() < 1e-3


def test_fewer_stars_away_from_the_plane() -> None:
    counts = []
    for latitude in (20.0, 45.0, 90.0):
        field = SkyCoord(120.0, latitude, unit="deg", frame="galactic").icrs
        rng = np.random.default_rng(4)
        stars = draw_stars(StarConfig(), field.ra.deg, field.dec.deg, 0.5, rng)
        counts.append(len(stars.magnitude))
        # A plane-parallel layer of dust: E(B-V) = 0.23 * 0.10 / sin(b).
        expected = 0.023 / np.sin(np.radians(latitude))
        assert stars.dust.max() == pytest.approx(expected, rel=0.3)
    assert counts[0] > 2 * counts[1] > 2 * counts[2]


def test_stars_at_the_centre_move_as_it_does() -> None:
    # Sgr A*: (-3.156, -5.585) mas/yr (Reid & Brunthaler 2020): the Sun's own motion.
    rng = np.random.default_rng(5)
    stars = draw_stars(StarConfig(limits=(15.0, 20.0)), 266.417, -29.008, 0.005, rng)
    near = np.abs(stars.distance - 8.2) < 0.3
    assert near.sum() > 500
    assert stars.pmra[near].mean() == pytest.approx(-3.16, abs=0.5)
    assert stars.pmdec[near].mean() == pytest.approx(-5.59, abs=0.5)
    # 115 km/s at 8.2 kpc.
    assert stars.pmra[near].std() == pytest.approx(115 / 4.74 / 8.2, rel=0.15)
