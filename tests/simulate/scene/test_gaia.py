from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aqueduct.simulate.scene import (
    STAR,
    Scene,
    SceneConfig,
    astrometric_catalog,
    draw_scene,
    g_magnitude,
)
from aqueduct.simulate.scene.gaia import gaia_error

CONFIG = SceneConfig(stars=200.0, galaxies=5.0, catalog_limit=21.0)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return draw_scene(CONFIG, 270.0, 66.0, 6.0, np.random.default_rng(8))


def test_errors_are_those_published() -> None:
    # Gaia Collaboration 2023 (DR3): 0.02-0.03 mas at G < 15, 0.07 at 17, 0.5 at 20, 1.3 at 21.
    expected = [0.025, 0.07, 0.5, 1.3]
    np.testing.assert_allclose(gaia_error(np.array([14.0, 17.0, 20.0, 21.0])), expected, rtol=0.35)


def test_bright_stars_are_listed_and_no_galaxies(scene: Scene) -> None:
    catalog = astrometric_catalog(scene, CONFIG, np.random.default_rng(9))
    magnitude = g_magnitude(scene)
    assert len(catalog.ra) == ((scene.kind == STAR) & (magnitude < 21.0)).sum()
    assert catalog.magnitude.max() < 21.0
    assert catalog.epoch == scene.epoch


def test_errors_are_those_the_catalog_states(scene: Scene) -> None:
    catalog = astrometric_catalog(scene, CONFIG, np.random.default_rng(9))
    true = scene.take((scene.kind == STAR) & (g_magnitude(scene) < 21.0))
    east = (catalog.ra - true.ra) * np.cos(np.radians(true.dec)) * 3_600_000
    pulls = {
        "ra": east / catalog.ra_error,
        "dec": (catalog.dec - true.dec) * 3_600_000 / catalog.dec_error,
        "pmra": (catalog.pmra - true.pmra) / catalog.pmra_error,
        "pmdec": (catalog.pmdec - true.pmdec) / catalog.pmdec_error,
    }
    for name, pull in pulls.items():
        assert np.nanstd(pull) == pytest.approx(1.0, abs=0.06), name
        assert abs(np.nanmean(pull)) < 0.08, name


def test_the_faintest_have_places_only(scene: Scene) -> None:
    catalog = astrometric_catalog(scene, CONFIG, np.random.default_rng(9))
    unknown = np.isnan(catalog.pmra)
    assert not unknown[catalog.magnitude < 20].any()
    faint = catalog.magnitude > 20.5
    assert unknown[faint].mean() == pytest.approx(0.75, abs=0.1)
    for column in (catalog.pmdec, catalog.parallax, catalog.pmra_error):
        np.testing.assert_array_equal(np.isnan(column), unknown)
    assert np.isfinite(catalog.ra).all() and np.isfinite(catalog.ra_error).all()
    at = (catalog.magnitude > 20.4) & (catalog.magnitude < 20.6)
    ratio = np.median(catalog.ra_error[at & unknown]) / np.median(catalog.ra_error[at & ~unknown])
    assert ratio == pytest.approx(3.0, rel=0.1)


def test_g_of_a_flat_spectrum() -> None:
    flat = {"F062": np.array([3631e9]), "F087": np.array([3631e9])}
    star = Scene(np.zeros(1), np.zeros(1), np.zeros(1, np.uint8), flat)
    # AB 0 everywhere: G (Vega) = -0.114, but for the fit's 0.06 mag.
    assert g_magnitude(star)[0] == pytest.approx(-0.114, abs=0.07)


def test_a_scene_without_the_blue_filters(scene: Scene) -> None:
    star = Scene(np.zeros(1), np.zeros(1), np.zeros(1, np.uint8), {"F158": np.ones(1)})
    assert g_magnitude(star)[0] == pytest.approx(31.4)


def test_g_from_spectra_is_that_from_fluxes() -> None:
    grid = draw_scene(SceneConfig(model="grid"), 270.0, 66.0, 1.0, np.random.default_rng(1))
    bare = replace(grid, flux={})
    np.testing.assert_allclose(g_magnitude(bare), g_magnitude(grid), atol=1e-9)
