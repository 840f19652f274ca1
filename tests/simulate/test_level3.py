from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.time import Time

from aqueduct.core.errors import ConfigError
from aqueduct.geometry.skycells import SkyCell, cell
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.instrument import njy_per_electron
from aqueduct.instrument.filters import background
from aqueduct.instrument.matables import ma_table
from aqueduct.instrument.zodiacal import zodiacal
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.simulate.level1 import Level1Config, true_map
from aqueduct.simulate.level3 import (
    Level3Config,
    Stack,
    angle_on,
    context_of,
    level3,
    solid_angle,
)
from aqueduct.simulate.program import ProgramConfig, observations
from aqueduct.simulate.scene import STAR, Scene

META = {"coadd_info": {}}
TIME = Time("2027-06-01T00:00:00")


def small_cell(pixels: int = 240) -> SkyCell:
    """The corner of a true cell."""
    return replace(cell("270p65x50y50"), pixels=pixels)


def gaussian_epsf() -> Epsf:
    at = (np.arange(161) - 80) / 4
    one = np.exp(-0.5 * (at / 0.75) ** 2)
    return Epsf(normalised((one[:, None] * one)[None], 4), 4, np.zeros(1), np.zeros(1))


def stars(grid: SkyCell, x: list[float], y: list[float], flux: list[float]) -> Scene:
    ra, dec = grid.plane.to_sky(x, y)
    return Scene(
        ra=ra,
        dec=dec,
        kind=np.full(len(x), STAR, np.uint8),
        flux={"F158": np.array(flux)},
        epoch=TIME.jyear,
    )


def drawn(scene: Scene, grid: SkyCell, seed: int = 1, noise: bool = True, **changes):
    stack = Stack.of(grid, "F158", ma_table(4), Level3Config(**changes))
    rng = np.random.default_rng(seed)
    return level3(scene, grid, stack, gaussian_epsf(), META, TIME, rng, sky=False, noise=noise)


def test_flux_and_place_of_stars() -> None:
    grid = small_cell()
    scene = stars(grid, [60.3, 180.8], [70.6, 150.2], [2000.0, 9000.0])
    mosaic, truth = drawn(scene, grid, noise=False)
    np.testing.assert_allclose(truth["flux"], [2000, 9000], rtol=1e-12)
    np.testing.assert_allclose(truth["x"], [60.3, 180.8], atol=1e-6)
    per_pixel = mosaic.data * 1e15 * solid_angle(grid, truth["x"][0], truth["y"][0])
    for x, y, flux in zip(truth["x"], truth["y"], truth["flux"], strict=True):
        rows, columns = slice(round(y) - 40, round(y) + 41), slice(round(x) - 40, round(x) + 41)
        stamp = per_pixel[rows, columns].astype(float)
        assert stamp.sum() == pytest.approx(flux, rel=1e-3)
        at_y, at_x = np.mgrid[rows, columns]
        assert (stamp * at_x).sum() / stamp.sum() == pytest.approx(x, abs=2e-3)
        assert (stamp * at_y).sum() / stamp.sum() == pytest.approx(y, abs=2e-3)


def test_noise_has_the_variance_of_the_planes_and_falls_with_exposures() -> None:
    grid = small_cell()
    nothing = stars(grid, [], [], [])
    one, _ = drawn(nothing, grid, exposures=1)
    four, _ = drawn(nothing, grid, exposures=4)
    for mosaic in (one, four):
        assert (mosaic.data / mosaic.err).std() == pytest.approx(1, abs=0.02)
        np.testing.assert_allclose(mosaic.err**2, mosaic.var_poisson + mosaic.var_rnoise, rtol=1e-5)
    np.testing.assert_allclose(one.err / four.err, 2, rtol=1e-5)
    np.testing.assert_allclose(four.weight / one.weight, 4, rtol=1e-5)
    neighbours = (one.data[:, 1:] * one.data[:, :-1]).mean() / one.data.var()
    assert neighbours == pytest.approx(0.6, abs=0.03)


def test_a_source_adds_photon_noise_and_leaves_the_weight() -> None:
    grid = small_cell()
    mosaic, _ = drawn(stars(grid, [120.0], [120.0], [1e6]), grid, noise=False)
    assert mosaic.var_poisson[120, 120] > 20 * mosaic.var_poisson[10, 10]
    assert mosaic.weight[120, 120] == mosaic.weight[10, 10]


def test_pixels_that_always_saturate_are_without_data() -> None:
    grid = small_cell()
    bright = 3e6 * njy_per_electron("WFI01", "F158")
    mosaic, truth = drawn(stars(grid, [120.0], [120.0], [bright]), grid)
    assert truth["saturated"].all()
    lost = ~np.isfinite(mosaic.data)
    assert lost[120, 120] and not lost[:100].any()
    assert (mosaic.weight[lost] == 0).all() and (mosaic.context[0][lost] == 0).all()


def test_context_of_many_exposures() -> None:
    lost = np.array([[False, True]])
    assert context_of(3, lost).tolist() == [[[7, 0]]]
    assert context_of(33, lost).tolist() == [[[2**32 - 1, 0]], [[1, 0]]]


def test_solid_angle_of_a_pixel() -> None:
    plane = TangentPlane(270.0, 66.0, 0.0, 0.0, 0.01)
    grid = SkyCell("x", 270.0, 66.0, 0.0, 0.0, 270.0, 66.0, scale=0.01)
    ra, dec = plane.to_sky([299.5, 300.5, 300.5, 299.5], [199.5, 199.5, 200.5, 200.5])
    height = np.radians(dec[2:].mean() - dec[:2].mean())
    east = np.radians(ra[[1, 2]].mean() - ra[[0, 3]].mean())
    turn = np.radians(dec[1] - dec[0]) * np.radians(ra[3] - ra[0])
    expected = (east * height - turn) * np.cos(np.radians(dec.mean()))
    assert solid_angle(grid, np.array(300.0), np.array(200.0)) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("pa", [0.0, 130.0])
def test_angle_on_the_cell_is_that_of_the_true_map(pa: float) -> None:
    program = ProgramConfig(aperture="WFI07_FULL", detectors=("WFI07",), pa=pa, pointing_error=0.0)
    taken = observations(program, np.random.default_rng(1))[0]
    sky, _ = true_map(taken, Level1Config())
    grid = cell("270p65x50y50")
    x, y = grid.plane.to_pixel(*sky.to_sky([2043.5, 2043.5], [2043.0, 2044.0]))
    expected = np.degrees(np.arctan2(x[1] - x[0], y[1] - y[0]))
    found = angle_on(grid, "WFI07", taken.pointing.wcsinfo("WFI07"))
    # The distortion turns the axes a little.
    assert (found - expected + 180) % 360 - 180 == pytest.approx(0, abs=1.0)


def test_sky_of_a_date_and_stray_light() -> None:
    grid, table = small_cell(), ma_table(4)
    plain = Stack.of(grid, "F158", table, Level3Config(zodiacal=2.0, stray_light=0.0))
    light, thermal = background("F158")
    assert plain.sky == pytest.approx(2.0 * light + thermal)
    dated = Stack.of(grid, "F158", table, Level3Config(zodiacal="date", stray_light=0.3), TIME)
    level = zodiacal(grid.ra_center, grid.dec_center, TIME, "F158")
    assert dated.sky == pytest.approx(level * 1.3 * light + thermal)
    with pytest.raises(ConfigError, match="no date"):
        Stack.of(grid, "F158", table, Level3Config(zodiacal="date"))
