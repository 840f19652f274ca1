from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry.tangent import separation
from aqueduct.instrument import FILTERS
from aqueduct.instrument.filters import njy_per_electron
from aqueduct.simulate.scene import (
    AGN,
    GALAXY,
    STAR,
    SceneConfig,
    Supernova,
    colours,
    draw_scene,
)
from aqueduct.simulate.scene.clustering import (
    ClusteringConfig,
    angular_amplitude,
    clustered_places,
)
from aqueduct.simulate.scene.colours import (
    exact_fluxes,
    galaxy_fluxes,
    star_code,
    star_fluxes,
    star_sequence,
    star_spectra,
)
from aqueduct.simulate.scene.galaxies import GalaxyConfig, draw_galaxies
from aqueduct.simulate.spectra import builtin

PLACE = (200.0, -30.0)


def universe(**values: Any) -> SceneConfig:
    return SceneConfig(model="universe", universe=values)


def test_every_kind_lies_in_the_circle() -> None:
    config = universe(agn={"density": 20.0})
    scene = draw_scene(config, *PLACE, 3.0, np.random.default_rng(1))
    assert set(np.unique(scene.kind)) == {STAR, GALAXY, AGN}
    assert separation(*PLACE, scene.ra, scene.dec).max() * 60 < 3.001
    magnitude = 31.4 - 2.5 * np.log10(scene.flux["F158"])
    galaxy = scene.kind == GALAXY
    limits = config.universe.galaxies.limits
    assert magnitude[galaxy].min() > limits[0] and magnitude[galaxy].max() < limits[1]
    np.testing.assert_array_equal(scene.id, np.arange(len(scene)))


def test_fluxes_are_those_of_the_spectra() -> None:
    scene = draw_scene(universe(spectra=True), *PLACE, 1.5, np.random.default_rng(2))
    for element in FILTERS:
        rate = scene.flux[element] / njy_per_electron("WFI01", element)
        np.testing.assert_allclose(scene.rates("WFI01", element), rate, rtol=1e-9)


def test_tables_of_colours_agree_with_the_spectra(monkeypatch: pytest.MonkeyPatch) -> None:
    rng, number = np.random.default_rng(3), 2000
    template = np.int32([builtin().index("galaxy-E"), builtin().index("galaxy-Im")])
    about = (
        rng.uniform(18, 25, number),
        template[rng.integers(2, size=number)],
        rng.uniform(0.0, 1.5, number),
        rng.uniform(0.0, 0.3, number),
    )
    exact = galaxy_fluxes(*about)
    monkeypatch.setattr(colours, "_FEW", 0)
    tabulated = galaxy_fluxes(*about)
    assert (exact["F062"] != tabulated["F062"]).any()
    for element in FILTERS:
        error = np.abs(tabulated[element] / exact[element] - 1)
        assert np.median(error) < 2e-3 and error.max() < 0.05


def test_stars_at_the_types_of_templates_have_their_colours() -> None:
    _, codes = star_sequence()
    about = np.full(len(codes), 20.0), codes, np.full(len(codes), 0.31)
    exact, tabulated = exact_fluxes(star_spectra(*about)), star_fluxes(*about)
    for element in FILTERS:
        np.testing.assert_allclose(tabulated[element], exact[element], rtol=2e-2)


def test_star_types_are_those_of_the_library() -> None:
    rows, codes = star_sequence()
    assert star_code("G2") == 42 and (np.diff(codes) > 0).all()
    assert builtin().names[rows[list(codes).index(42.0)]] == "star-G2"


def test_populations_have_streams_of_their_own() -> None:
    few = universe(galaxies={"density": 0.1})
    many = universe(galaxies={"density": 1.0})
    one, two = (draw_scene(c, *PLACE, 2.0, np.random.default_rng(4)) for c in (few, many))
    np.testing.assert_array_equal(one.ra[one.kind == STAR], two.ra[two.kind == STAR])
    again = draw_scene(many, *PLACE, 2.0, np.random.default_rng(4))
    np.testing.assert_array_equal(two.flux["F062"], again.flux["F062"])


def test_a_nucleus_can_have_a_host() -> None:
    config = universe(agn={"hosts": True, "density": 20.0})
    scene = draw_scene(config, *PLACE, 3.0, np.random.default_rng(5))
    galaxies, nuclei = (
        set(zip(scene.ra[scene.kind == kind], scene.dec[scene.kind == kind], strict=True))
        for kind in (GALAXY, AGN)
    )
    assert nuclei and galaxies.issuperset(nuclei)


def test_variable_stars_and_supernovae() -> None:
    config = universe(variables={"stars": 0.5, "supernovae": 0.05}, spectra=True)
    scene = draw_scene(config, *PLACE, 2.0, np.random.default_rng(6))
    new = np.array([isinstance(curve, Supernova) for curve in scene.light_curves])
    curved = scene.light_curve >= 0
    assert curved.sum() == len(scene.light_curves)
    galaxies = np.count_nonzero(scene.kind == GALAXY)
    assert new.sum() == pytest.approx(0.05 * galaxies, rel=0.4)
    rows = np.flatnonzero(curved)[new[scene.light_curve[curved]]]
    hosts = np.flatnonzero(scene.kind == GALAXY)
    for row in rows[:5]:
        nearest = separation(scene.ra[row], scene.dec[row], scene.ra[hosts], scene.dec[hosts])
        assert nearest.min() * 3600 < 5


def test_sizes_and_shapes_of_galaxies() -> None:
    drawn = draw_galaxies(
        GalaxyConfig(limits=(18.0, 24.0), redshifts=(0.74, 0.76)), 4.0, np.random.default_rng(7)
    )
    disk = drawn.type > 0
    assert disk.sum() > 1000
    assert np.median(drawn.sersic[disk]) == pytest.approx(1.0, abs=0.1)
    assert np.median(drawn.sersic[~disk]) == pytest.approx(3.8, abs=0.4)
    # van der Wel et al. 2014: 10^0.78 kpc at 5e10 solar masses and z = 0.75, 7.33 kpc/arcsec.
    semi_major = drawn.radius / np.sqrt(drawn.axis_ratio)
    bright = disk & (np.abs(drawn.magnitude - np.quantile(drawn.magnitude[disk], 0.05)) < 0.5)
    assert np.median(semi_major[bright]) == pytest.approx(10**0.78 / 7.33, rel=0.25)
    # A random disk of thickness 0.25 has a median axis ratio of sqrt(1 - 0.75 (1 - 0.25^2)).
    assert np.median(drawn.axis_ratio[disk]) == pytest.approx(0.545, abs=0.03)
    has = drawn.bulge_fraction > 0
    assert (drawn.bulge_radius[has] <= drawn.radius[has]).all()
    assert np.isnan(drawn.bulge_sersic[~has]).all()
    assert not (has & ~disk).any()


def test_clustered_galaxies_have_the_correlation_asked_for() -> None:
    config = ClusteringConfig(apply=True, length=3.0)
    z, radius = np.full(30_000, 0.5), 30.0
    found = []
    for seed in range(12):
        ra, dec = clustered_places(config, z, 10.0, 0.0, radius, np.random.default_rng(seed))
        found.append(_variance(ra * 60 - 600, dec * 60))
    # The variance of counts is the mean of w over pairs in a square, less that over the field.
    amplitude = angular_amplitude(config, 12.5 * config.depth)
    first, second = np.random.default_rng(0).random((2, 2, 200_000))
    pairs = (np.hypot(*(first - second)) ** (1 - config.slope)).mean()
    expected = amplitude * pairs * (6.0 ** (1 - config.slope) - 36.0 ** (1 - config.slope))
    assert np.mean(found) == pytest.approx(expected, rel=0.25)


def _variance(x: np.ndarray, y: np.ndarray) -> float:
    """Excess variance of counts in squares of 6 arcmin, over their mean squared."""
    edges = np.arange(-18.0, 18.1, 6.0)
    counts = np.histogram2d(x, y, bins=[edges, edges])[0]
    return float((counts.var(ddof=1) - counts.mean()) / counts.mean() ** 2)


def test_grid_stars_are_isolated_and_of_the_magnitudes_asked_for() -> None:
    config = SceneConfig(model="grid", grid={"magnitudes": (18.0, 21.0), "wobble": 0.1})
    scene = draw_scene(config, *PLACE, 2.0, np.random.default_rng(8))
    magnitude = 31.4 - 2.5 * np.log10(scene.flux["F158"])
    assert set(np.round(magnitude, 6)) == {18.0, 21.0}
    places = list(zip(scene.ra, scene.dec, strict=True))
    near = [np.sort(separation(a, d, scene.ra, scene.dec))[1] for a, d in places]
    assert min(near) * 3600 > 19
    with pytest.raises(InputError, match="star-X9"):
        wrong = SceneConfig(model="grid", grid={"templates": ("star-X9",)})
        draw_scene(wrong, *PLACE, 2.0, np.random.default_rng(8))
