from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.time import Time

from aqueduct.core import dq
from aqueduct.core.errors import InputError
from aqueduct.geometry.skycells import cell
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.instrument.matables import ma_table
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.simulate.inject import _add, dn_unit, grid_scene, inject_level3
from aqueduct.simulate.level3 import Level3Config, Stack, level3, solid_angle
from aqueduct.simulate.ramp_noise import RampNoise
from aqueduct.simulate.scene import STAR, Scene

TIME = Time("2027-06-01T00:00:00")
TABLE = ma_table(4)
MODEL = RampNoise.of(TABLE.read_pattern, TABLE.frame_time)
GAIN, NOISE, SKY = 1.7, 6.0, 0.25


def planes_at(rate: float, shape: tuple[int, int], kind: type = np.float32) -> dict:
    poisson, read = MODEL.variances(np.full(shape, rate), GAIN, NOISE, MODEL.resultants)
    return {
        "data": np.full(shape, rate, np.float32),
        "err": np.sqrt(poisson + read).astype(kind),
        "var_poisson": poisson.astype(kind),
        "var_rnoise": read.astype(kind),
        "dq": np.zeros(shape, np.uint32),
    }


@pytest.mark.parametrize("light", [0.01, 0.6, 25.0, 300.0])
def test_image_has_the_variances_of_one_taken_with_the_light_in_it(light: float) -> None:
    shape = (400, 500)
    planes, before = planes_at(SKY, shape), planes_at(SKY, shape)
    after = planes_at(SKY + light, shape)
    added, gain = np.full(shape, light, np.float32), np.full(shape, GAIN, np.float32)
    _add(planes, added, gain, MODEL, np.random.default_rng(3))
    for name in ("err", "var_poisson", "var_rnoise"):
        np.testing.assert_allclose(planes[name], after[name], rtol=1e-3)
    gained = float(after["err"][0, 0]) ** 2 - float(before["err"][0, 0]) ** 2
    assert planes["data"].var(dtype=float) == pytest.approx(gained, rel=0.02)
    error = np.sqrt(gained / planes["data"].size)
    assert planes["data"].mean(dtype=float) - SKY == pytest.approx(light, abs=4 * error)


def test_half_precision_and_the_errors_of_a_flat_are_kept() -> None:
    planes = planes_at(SKY, (3, 3), np.float16)
    extra = np.float32(0.05)
    planes["err"] = np.sqrt(planes["err"].astype(np.float32) ** 2 + extra**2).astype(np.float16)
    before = {name: plane.copy() for name, plane in planes.items()}
    light = np.zeros((3, 3), np.float32)
    light[1, 1] = 2.0
    _add(planes, light, np.full((3, 3), GAIN, np.float32), MODEL, np.random.default_rng(1))
    expected = planes_at(SKY + 2.0, (1, 1))["err"][0, 0] ** 2 + extra**2
    assert planes["err"][1, 1].astype(float) ** 2 == pytest.approx(expected, rel=3e-3)
    for name, plane in planes.items():
        dark = light == 0
        np.testing.assert_array_equal(plane[dark], before[name][dark])


def test_light_can_saturate_and_lost_pixels_stay_lost() -> None:
    planes = planes_at(SKY, (1, 3))
    planes["data"][0, 2] = np.nan
    light = np.array([[700.0, 1e5, 1.0]], np.float32)
    _add(planes, light, np.full((1, 3), GAIN, np.float32), MODEL, np.random.default_rng(1))
    flags = planes["dq"][0].tolist()
    assert flags == [dq.SATURATED, dq.SATURATED | dq.DO_NOT_USE, 0]
    assert np.isfinite(planes["data"][0, 0]) and np.isnan(planes["data"][0, 1:]).all()
    whole = planes_at(SKY + 700.0, (1, 1))
    assert planes["var_poisson"][0, 0] > 1.2 * whole["var_poisson"][0, 0]


class Fake:
    """What of an image its unit depends on."""

    wcs = object()

    def __init__(self, **meta: object) -> None:
        self.meta = meta


def test_unit_of_an_image() -> None:
    known = {"conversion_megajanskys": 0.7, "pixel_area": 2.8e-13}
    assert dn_unit(Fake(photometry=known)) == pytest.approx(0.7 * 2.8e-13 * 1e15)
    with pytest.raises(InputError, match="photometry"):
        dn_unit(Fake(photometry={"conversion_megajanskys": None, "pixel_area": 1.0}))
    with pytest.raises(InputError, match="MJy/sr"):
        dn_unit(Fake(photometry=known, cal_step={"flux": "COMPLETE"}))


def gaussian_epsf() -> Epsf:
    at = (np.arange(161) - 80) / 4
    one = np.exp(-0.5 * (at / 0.75) ** 2)
    return Epsf(normalised((one[:, None] * one)[None], 4), 4, np.zeros(1), np.zeros(1))


def coadd_and_star(flux: float):
    grid = replace(cell("270p65x50y50"), pixels=200)
    meta = {
        "coadd_info": {"time_mean": TIME},
        "instrument": {"optical_element": "F158"},
        "filename": "x",
    }
    ra, dec = grid.plane.to_sky([100.2], [99.7])
    kind = np.array([STAR], np.uint8)
    star = Scene(ra=ra, dec=dec, kind=kind, flux={"F158": np.array([flux])}, epoch=TIME.jyear)
    stack = Stack.of(grid, "F158", TABLE, Level3Config(exposures=4))
    rng, epsf = np.random.default_rng(1), gaussian_epsf()
    nothing = star.take(np.zeros(1, bool))
    made = [level3(one, grid, stack, epsf, meta, TIME, rng, noise=False) for one in (nothing, star)]
    return *[mosaic for mosaic, _ in made], star, epsf


def test_coadd_gains_the_flux_and_the_variance_of_one_drawn_with_the_star() -> None:
    empty, full, star, epsf = coadd_and_star(3e5)
    gains = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        made, truth = inject_level3(empty, star, epsf, "WFI01", 0.0, rng)
        gains.append(made.data - full.data)
    part = (slice(98, 102), slice(98, 102))
    bright = full.var_poisson[part] - empty.var_poisson[part]
    # The star dominates here: a fit then uses the ends of the ramp, all of its exposure time.
    np.testing.assert_allclose(made.var_poisson[part] - empty.var_poisson[part], bright, rtol=0.08)
    np.testing.assert_allclose(
        made.err**2 - empty.err**2, made.var_poisson - empty.var_poisson, atol=2e-7, rtol=2e-2
    )
    scatter = np.std(gains, axis=0)[part] / np.sqrt(made.var_poisson - empty.var_poisson)[part]
    assert scatter.mean() == pytest.approx(1, abs=0.15)
    area = solid_angle(empty.cell, truth["x"][0], truth["y"][0])
    flux = np.mean([gain.sum(dtype=float) for gain in gains]) * area * 1e15
    assert flux == pytest.approx(0, abs=0.002 * 3e5)
    np.testing.assert_array_equal(empty.data, coadd_and_star(1.0)[0].data)


def test_coadd_without_data_gets_none() -> None:
    empty, _, star, epsf = coadd_and_star(5e4)
    context = empty.context.copy()
    context[:, :, 100:] = 0
    data = np.where(context[0] > 0, empty.data, np.nan).astype(np.float32)
    hole = replace(empty, data=data, context=context)
    made, _ = inject_level3(hole, star, epsf, "WFI01", 0.0, np.random.default_rng(1))
    assert np.isnan(made.data[:, 100:]).all() and np.isfinite(made.data[:, :100]).all()
    np.testing.assert_array_equal(made.var_poisson[:, 100:], hole.var_poisson[:, 100:])


def test_grid_of_stars() -> None:
    plane = TangentPlane(10.0, -5.0, 200.0, 150.0, 0.11 / 3600)
    rng = np.random.default_rng(1)
    scene = grid_scene(plane, (300, 400), 50.0, (21.0, 25.0), "F129", TIME, rng)
    assert len(scene) == 6 * 8
    x, y = plane.to_pixel(*scene.positions(TIME))
    assert (np.abs((x - 25) / 50 - np.rint((x - 25) / 50)) < 0.02).all()
    assert np.abs(x - np.rint(x)).max() > 0.3
    magnitude = 31.4 - 2.5 * np.log10(scene.flux["F129"])
    assert 21 <= magnitude.min() < 22 and 24 < magnitude.max() <= 25
    assert y.min() > 0 and y.max() < 300
