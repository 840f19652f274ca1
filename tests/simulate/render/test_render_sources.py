from __future__ import annotations

import numpy as np
import pytest

from aqueduct.geometry.tangent import TangentPlane
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.render import draw_stars, sources, trails
from aqueduct.simulate.scene import AGN, GALAXY, IMAGE, STAR, Scene
from aqueduct.simulate.scene.images import ImageTemplate

PLANE = TangentPlane(270.0, 66.0, 250.0, 250.0, 0.11 / 3600)
SHAPE = (400, 500)


def mixed() -> tuple[Scene, np.ndarray, np.ndarray, np.ndarray]:
    """One source of each kind."""
    one, galaxy = np.ones(4), np.array([np.nan, 1.0, np.nan, np.nan])
    scene = Scene(
        ra=270 * one,
        dec=66 * one,
        kind=np.array([STAR, GALAXY, AGN, IMAGE]),
        flux={},
        sersic=galaxy,
        radius=0.2 * galaxy,
        axis_ratio=galaxy,
        position_angle=galaxy,
        images=(ImageTemplate(np.ones((5, 5)), 0.05),),
        image=np.array([-1, -1, -1, 0]),
    )
    x, y = np.array([101.2, 250.7, 400.1, 150.5]), np.array([100.9, 250.2, 120.4, 300.3])
    return scene, x, y, np.array([10.0, 20.0, 30.0, 40.0])


def test_every_kind_is_drawn_with_its_light(epsf: Epsf) -> None:
    scene, x, y, rate = mixed()
    image = sources(scene, x, y, rate, epsf, PLANE, SHAPE)
    assert image.shape == SHAPE and image.dtype == np.float32
    assert image.sum(dtype=float) == pytest.approx(100, rel=2e-3)
    for k in range(4):
        alone = sources(scene.take([k]), x[[k]], y[[k]], rate[[k]], epsf, PLANE, SHAPE)
        assert alone.sum(dtype=float) == pytest.approx(rate[k], rel=5e-3)
        image -= alone
    assert np.abs(image).max() < 1e-4


def test_sources_elsewhere_leave_nothing(epsf: Epsf) -> None:
    scene, x, y, rate = mixed()
    nothing = np.full(4, np.nan)
    assert not sources(scene, nothing, nothing, rate, epsf, PLANE, SHAPE).any()
    assert not sources(scene, x, y, 0 * rate, epsf, PLANE, SHAPE).any()


def test_trails_are_even_and_keep_the_light(epsf: Epsf) -> None:
    start, end = np.array([100.0, 50.0, np.nan]), np.array([103.0, 50.0, 60.0])
    x, y, rate = trails(
        start, start, end, end + np.array([1.0, 0.0, 0.0]), np.array([5.0, 2.0, 9.0])
    )
    assert rate.sum() == pytest.approx(7.0)
    assert len(x) == 20 + 1 and (x[-1], y[-1], rate[-1]) == (50.0, 50.0, 2.0)
    steps = np.hypot(np.diff(x[:-1]), np.diff(y[:-1]))
    np.testing.assert_allclose(steps, 0.25, atol=1e-12)
    assert x[:-1].mean() == pytest.approx(101.5) and y[:-1].mean() == pytest.approx(102.0)
    image = np.zeros(SHAPE, np.float32)
    draw_stars(x, y, rate, epsf, image)
    assert image.sum(dtype=float) == pytest.approx(7.0, rel=1e-3)
