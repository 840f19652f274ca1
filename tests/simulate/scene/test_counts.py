from __future__ import annotations

import numpy as np
import pytest

from aqueduct.geometry.tangent import separation
from aqueduct.instrument import FILTERS
from aqueduct.simulate.scene import GALAXY, STAR, Scene, SceneConfig, draw_scene

CONFIG = SceneConfig(stars=60.0, galaxies=60.0)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return draw_scene(CONFIG, 270.0, 66.0, 6.0, np.random.default_rng(8))


def test_density_and_place(scene: Scene) -> None:
    expected = 60 * np.pi * 36
    for kind in (STAR, GALAXY):
        assert abs(np.count_nonzero(scene.kind == kind) - expected) < 5 * np.sqrt(expected)
    distance = separation(270.0, 66.0, scene.ra, scene.dec) * 60
    assert distance.max() <= 6.001
    assert np.median(distance) == pytest.approx(6 / np.sqrt(2), rel=0.03)


def test_number_counts_rise_as_asked(scene: Scene) -> None:
    magnitude = 31.4 - 2.5 * np.log10(scene.flux["F158"])
    for kind, limits, slope in (
        (STAR, CONFIG.star_limits, CONFIG.star_slope),
        (GALAXY, CONFIG.galaxy_limits, CONFIG.galaxy_slope),
    ):
        mine = magnitude[scene.kind == kind]
        assert mine.min() >= limits[0] and mine.max() <= limits[1]
        faint, before = (mine > limits[1] - 1).sum(), (mine <= limits[1] - 1).sum()
        steps = np.cumsum(10 ** (-slope * np.arange(1, limits[1] - limits[0] + 1)))
        whole = int(limits[1] - limits[0]) - 1
        assert before / faint == pytest.approx(steps[whole - 1], rel=0.25)


def test_every_source_shines_in_every_filter(scene: Scene) -> None:
    for element in FILTERS:
        assert (scene.flux[element] > 0).all()
    colour = -2.5 * np.log10(scene.flux["F106"] / scene.flux["F158"])
    assert np.abs(colour).max() < 2.5
    assert colour[scene.kind == STAR].std() > 0.1


def test_shapes(scene: Scene) -> None:
    stars = scene.kind == STAR
    assert np.isnan(scene.sersic[stars]).all() and np.isnan(scene.radius[stars]).all()
    assert scene.sersic[~stars].min() >= 0.5 and scene.sersic[~stars].max() <= 4
    assert (scene.pmra[~stars] == 0).all() and (scene.parallax[~stars] == 0).all()


def test_same_seed_same_scene(scene: Scene) -> None:
    again = draw_scene(CONFIG, 270.0, 66.0, 6.0, np.random.default_rng(8))
    np.testing.assert_array_equal(scene.ra, again.ra)
    np.testing.assert_array_equal(scene.flux["F158"], again.flux["F158"])
