from __future__ import annotations

import galsim
import numpy as np
import pytest

from aqueduct.core.threads import limited
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.tangent import TangentPlane, jacobian
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.render import draw_stars, sources
from aqueduct.simulate.scene import GALAXY, Scene

SCALE = 0.11
PLANE = TangentPlane(270.0, 66.0, 1000.0, 1000.0, SCALE / 3600)
SHAPE = (2048, 2048)
TIGHT = galsim.GSParams(folding_threshold=2e-3, kvalue_accuracy=1e-6, maximum_fft_size=16384)


def galaxy(n: float, radius: float, ratio: float, angle: float, **bulge: float) -> Scene:
    columns = {name: np.array([value]) for name, value in bulge.items()}
    return Scene(
        ra=np.array([270.0]),
        dec=np.array([66.0]),
        kind=np.array([GALAXY]),
        flux={},
        sersic=np.array([n]),
        radius=np.array([radius]),
        axis_ratio=np.array([ratio]),
        position_angle=np.array([angle]),
        **columns,
    )


def profile(n: float, radius: float, ratio: float, angle: float) -> galsim.GSObject:
    """In axes (east, north)."""
    beta = (90 - angle) * galsim.degrees
    return galsim.Sersic(n, half_light_radius=radius, gsparams=TIGHT).shear(q=ratio, beta=beta)


def reference(shape: galsim.GSObject, x: float, y: float, epsf: Epsf, side: int) -> galsim.Image:
    """``shape``, in arcsec, of unit flux, drawn by GalSim with the ePSF of (x, y)."""
    stamp = galsim.Image(epsf.at(x, y), scale=SCALE / epsf.oversample)
    psf = galsim.InterpolatedImage(stamp, flux=1.0, x_interpolant="lanczos5", gsparams=TIGHT)
    corner = {"xmin": int(x) - side // 2, "ymin": int(y) - side // 2}
    image = galsim.Image(side, side, scale=SCALE, dtype=float, **corner)
    both = galsim.Convolve([shape, psf], gsparams=TIGHT)
    return both.drawImage(image, method="no_pixel", center=galsim.PositionD(x, y))


def part(image: np.ndarray, like: galsim.Image) -> galsim.Image:
    cut = image[like.ymin : like.ymax + 1, like.xmin : like.xmax + 1].astype(float)
    return galsim.Image(np.ascontiguousarray(cut), xmin=like.xmin, ymin=like.ymin)


def moments(image: galsim.Image, x: float, y: float) -> tuple[float, np.ndarray, np.ndarray]:
    fine = galsim.hsm.HSMParams(convergence_threshold=1e-8, max_mom2_iter=4000)
    copy = galsim.Image(image.array, xmin=image.xmin, ymin=image.ymin)
    found = galsim.hsm.FindAdaptiveMom(
        copy, guess_centroid=galsim.PositionD(x, y), guess_sig=4.0, hsmparams=fine
    )
    centroid = np.array([found.moments_centroid.x, found.moments_centroid.y])
    shape = np.array([found.observed_shape.e1, found.observed_shape.e2])
    return found.moments_sigma, centroid, shape


def within(image: galsim.Image, x: float, y: float, radius: float) -> float:
    rows, columns = np.mgrid[image.ymin : image.ymax + 1, image.xmin : image.xmax + 1]
    return float(image.array[np.hypot(columns - x, rows - y) < radius].sum())


def drawn(scene: Scene, x: float, y: float, epsf: Epsf) -> np.ndarray:
    return sources(scene, np.array([x]), np.array([y]), np.array([1.0]), epsf, PLANE, SHAPE)


@pytest.mark.parametrize(
    ("n", "radius", "ratio"),
    [
        (0.3, 0.5, 0.5),
        (0.5, 0.3, 0.3),
        (1.0, 0.05, 0.5),
        (1.0, 0.3, 0.1),
        (1.0, 2.0, 1.0),
        (2.5, 1.0, 0.2),
        (4.0, 0.05, 0.7),
        (4.0, 0.3, 0.5),
        (4.0, 1.0, 0.5),
        (6.0, 0.3, 0.5),
    ],
)
def test_against_galsim(n: float, radius: float, ratio: float, epsf: Epsf) -> None:
    rng = np.random.default_rng(int(1000 * n * radius))
    (x, y), angle = rng.uniform(900, 1100, 2), rng.uniform(0, 180)
    ours = drawn(galaxy(n, radius, ratio, angle), x, y, epsf)
    theirs = reference(profile(n, radius, ratio, angle), x, y, epsf, 256)
    ours = part(ours, theirs)
    for aperture in (1.8, 4.5, 9.1, 40.0, 100.0):
        assert within(ours, x, y, aperture) == pytest.approx(
            within(theirs, x, y, aperture), rel=1e-3
        )
    sigma, centroid, shape = moments(ours, x, y)
    sigma0, centroid0, shape0 = moments(theirs, x, y)
    assert sigma == pytest.approx(sigma0, rel=1e-3)
    np.testing.assert_allclose(centroid, centroid0, atol=1e-3)
    np.testing.assert_allclose(shape, shape0, atol=1e-3)


def test_large_steep_galaxy_has_its_light_in_apertures(epsf: Epsf) -> None:
    # On stamps of 1024 pixels the ePSF's transform is interpolated.
    ours = drawn(galaxy(4.0, 1.5, 0.6, 70.0), 1003.3, 996.8, epsf)
    theirs = reference(profile(4.0, 1.5, 0.6, 70.0), 1003.3, 996.8, epsf, 256)
    ours = part(ours, theirs)
    for aperture in (1.8, 9.1, 100.0):
        assert within(ours, 1003.3, 996.8, aperture) == pytest.approx(
            within(theirs, 1003.3, 996.8, aperture), rel=1e-3
        )


def test_bulge_and_disk(epsf: Epsf) -> None:
    scene = galaxy(
        1.0,
        0.6,
        0.4,
        25.0,
        bulge_fraction=0.3,
        bulge_sersic=4.0,
        bulge_radius=0.2,
        bulge_axis_ratio=0.8,
    )
    both = 0.7 * profile(1.0, 0.6, 0.4, 25.0) + 0.3 * profile(4.0, 0.2, 0.8, 25.0)
    theirs = reference(both, 1000.2, 1001.9, epsf, 128)
    ours = part(drawn(scene, 1000.2, 1001.9, epsf), theirs)
    assert np.abs(ours.array - theirs.array).max() < 2e-3 * theirs.array.max()


def test_a_tiny_galaxy_is_a_star(epsf: Epsf) -> None:
    ours = drawn(galaxy(1.0, 1e-4, 1.0, 0.0), 801.37, 1200.64, epsf)
    star = np.zeros(SHAPE, np.float32)
    draw_stars(np.array([801.37]), np.array([1200.64]), np.ones(1), epsf, star)
    assert np.abs(ours - star).max() < 1e-3 * star.max()


def test_shape_on_the_sky_through_the_distortion(epsf: Epsf, sky: PixelMap) -> None:
    x, y = 700.0, 3300.0
    scene = galaxy(1.0, 0.8, 0.4, 30.0)
    image = sources(scene, np.array([x]), np.array([y]), np.ones(1), epsf, sky)
    matrix = np.linalg.inv(jacobian(sky, np.array([x]), np.array([y]))[0]) * SCALE
    theirs = reference(
        profile(1.0, 0.8, 0.4, 30.0).transform(*matrix.ravel()).withFlux(1.0), x, y, epsf, 256
    )
    assert np.abs(part(image, theirs).array - theirs.array).max() < 1e-3 * theirs.array.max()


def test_off_the_edge(epsf: Epsf) -> None:
    scene = galaxy(1.0, 0.5, 1.0, 0.0)
    image = drawn(scene, SHAPE[1] + 0.0, 5.0, epsf)
    assert 0.3 < image.sum() < 0.6
    assert image[200:].sum() == 0
    assert not drawn(scene, -2000.0, 5.0, epsf).any()
    assert not drawn(scene, np.nan, np.nan, epsf).any()


def test_the_same_at_any_number_of_threads(epsf: Epsf) -> None:
    rng, count = np.random.default_rng(6), 60
    x, y = rng.uniform(0, 2048, (2, count))
    scene = Scene(
        ra=np.full(count, 270.0),
        dec=np.full(count, 66.0),
        kind=np.full(count, GALAXY),
        flux={},
        sersic=rng.uniform(0.5, 3, count),
        radius=rng.uniform(0.1, 0.6, count),
        axis_ratio=rng.uniform(0.2, 1, count),
        position_angle=rng.uniform(0, 180, count),
    )
    images = []
    for threads in (1, 3):
        with limited(threads):
            images.append(sources(scene, x, y, np.full(count, 10.0), epsf, PLANE, SHAPE))
    np.testing.assert_array_equal(*images)
    assert images[0].sum(dtype=float) == pytest.approx(10 * count, rel=0.1)
