from __future__ import annotations

import galsim
import numpy as np
import pytest

from aqueduct.geometry.tangent import TangentPlane
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.render import draw_plane, draw_stars, sources
from aqueduct.simulate.scene import IMAGE, Scene
from aqueduct.simulate.scene.images import ImageTemplate

SCALE = 0.11
SHAPE = (600, 600)
PLANE = TangentPlane(270.0, 66.0, 300.0, 300.0, SCALE / 3600)
"""+x is east, +y north."""


def image_scene(template: np.ndarray, scale: float, angle: float) -> Scene:
    return Scene(
        ra=np.array([270.0]),
        dec=np.array([66.0]),
        kind=np.array([IMAGE]),
        flux={},
        position_angle=np.array([angle]),
        images=(ImageTemplate(template, scale),),
        image=np.array([0]),
    )


@pytest.mark.parametrize("angle", [0.0, 90.0, 33.0])
def test_template_against_galsim(angle: float, epsf: Epsf) -> None:
    x, y, scale = 303.3, 291.8, 0.05
    j, i = np.mgrid[:81, :101]
    west, north = (i - 50) * scale, (j - 40) * scale
    template = np.exp(-0.5 * ((west / 0.25) ** 2 + (north / 0.5) ** 2))
    template += 0.3 * np.exp(-0.5 * ((west - 0.9) ** 2 + (north - 0.6) ** 2) / 0.1**2)
    scene = image_scene(template, scale, angle)
    ours = sources(scene, np.array([x]), np.array([y]), np.array([100.0]), epsf, PLANE, SHAPE)
    large = galsim.Gaussian(sigma=1).transform(0.25, 0, 0, 0.5).withFlux(0.125)
    small = galsim.Gaussian(sigma=0.1).withFlux(0.3 * 0.01).shift(-0.9, 0.6)
    shape = (large + small).withFlux(100).rotate(-angle * galsim.degrees)
    psf = galsim.InterpolatedImage(galsim.Image(epsf.at(x, y), scale=SCALE / 4), flux=1.0)
    both = galsim.Convolve([shape, psf, galsim.Pixel(scale)])
    theirs = galsim.Image(128, 128, xmin=240, ymin=230, scale=SCALE, dtype=float)
    both.drawImage(theirs, method="no_pixel", center=galsim.PositionD(x, y))
    part = ours[230:358, 240:368]
    assert ours.sum(dtype=float) == pytest.approx(100, rel=1e-4)
    assert np.abs(part - theirs.array).max() < 2e-3 * theirs.array.max()


def test_a_point_is_a_star(epsf: Epsf) -> None:
    at = np.array([320.61]), np.array([280.43]), np.array([7.0])
    ours = sources(image_scene(np.ones((1, 1)), 1e-4, 0.0), *at, epsf, PLANE, SHAPE)
    star = np.zeros(SHAPE, np.float32)
    draw_stars(*at, epsf, star)
    assert np.abs(ours - star).max() < 1e-4 * star.max()


def test_plane_of_a_cube_keeps_light_and_place(epsf: Epsf) -> None:
    cube = TangentPlane(270.0, 66.0, 20.0, 20.0, 0.2 / 3600, -1)
    values = np.zeros((41, 41))
    values[28, 12] = 3.0
    image = np.zeros(SHAPE, np.float32)
    draw_plane(values, cube.to_sky, 0.2, epsf, PLANE, image)
    rows, columns = np.mgrid[:600, :600]
    # East is +x here and -x there; the ePSF's own centroid is that of a star.
    star = np.zeros(SHAPE, np.float32)
    x, y = 300 + 8 * 0.2 / SCALE, 300 + 8 * 0.2 / SCALE
    draw_stars(np.array([x]), np.array([y]), np.array([3.0]), epsf, star)
    assert image.sum(dtype=float) == pytest.approx(3.0, rel=1e-4)
    for axis in (rows, columns):
        assert (image * axis).sum() / 3 == pytest.approx((star * axis).sum() / 3, abs=0.05)


def test_a_template_larger_than_one_patch(epsf: Epsf, monkeypatch: pytest.MonkeyPatch) -> None:
    from aqueduct.simulate.render import images

    values = np.ones((30, 30), np.float32)
    cube = TangentPlane(270.0, 66.0, 15.0, 15.0, 0.3 / 3600)
    once, split = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.float32)
    draw_plane(values, cube.to_sky, 0.3, epsf, PLANE, once)
    monkeypatch.setattr(images, "_POINTS", 10_000)
    draw_plane(values, cube.to_sky, 0.3, epsf, PLANE, split)
    np.testing.assert_allclose(split, once, atol=1e-3 * once.max())
    assert split.sum(dtype=float) == pytest.approx(900, rel=1e-4)
