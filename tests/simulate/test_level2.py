from __future__ import annotations

import numpy as np
import pytest

from aqueduct import io
from aqueduct.core import dq
from aqueduct.core.threads import limited
from aqueduct.products import Image
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.level2 import (
    Level2Config,
    _calibrated,
    capacity,
    coupled,
    exposed,
    level2,
    scattered,
)
from aqueduct.simulate.program import ProgramConfig, observations
from aqueduct.simulate.ramp_noise import RampNoise
from aqueduct.simulate.references import conversion, true_flat
from aqueduct.simulate.render import pixel_area
from aqueduct.simulate.scene import STAR, Scene

PROGRAM = ProgramConfig(aperture="WFI01_FULL", ma_table=4)
SCIENCE = (slice(4, -4), slice(4, -4))


@pytest.mark.parametrize(("mean", "variance"), [(0.02, 0.01), (3.0, 0.05), (4000.0, 12.0)])
def test_scattered_light_has_the_mean_and_the_variance(mean: float, variance: float) -> None:
    values = np.full(400_000, mean, np.float32)
    made = scattered(values, np.full_like(values, variance), np.random.default_rng(1))
    error = np.sqrt(variance / values.size)
    assert made.mean(dtype=float) == pytest.approx(mean, abs=4 * error + 1e-6 * mean)
    assert made.var(dtype=float) == pytest.approx(variance, rel=0.02)
    assert made.min() >= 0


def test_scattered_keeps_what_has_no_noise() -> None:
    mean = np.array([-1.0, 0.0, 2.0, 3.0], np.float32)
    variance = np.array([1.0, 1.0, 0.0, np.nan], np.float32)
    made = scattered(mean, variance, np.random.default_rng(1))
    np.testing.assert_array_equal(made, mean)


def test_coupling_puts_the_charge_where_the_kernel_says() -> None:
    plane = np.zeros((200, 9), np.float32)
    plane[64, 4] = 1.0
    kernel = np.arange(1.0, 10.0).reshape(3, 3) / 45
    seen = coupled(plane, kernel)
    np.testing.assert_allclose(seen[63:66, 3:6], kernel, rtol=1e-6)
    np.testing.assert_allclose(coupled(np.ones_like(plane), kernel), 1, rtol=1e-6)


def test_capacity_is_the_charge_that_reads_the_level() -> None:
    maps = {
        "full_well": np.array([55_000.0, 55_000.0]),
        "nonlinearity": np.array([8e-7, 0.0]),
        "pedestal": np.array([5_000.0, 5_000.0]),
        "gain": np.array([1.8, 2.0]),
    }
    linear = capacity(maps, 0.98) / maps["gain"] + maps["pedestal"]
    seen = linear - maps["nonlinearity"] * linear**2
    np.testing.assert_allclose(seen, 0.98 * 55_000)


def test_flags_of_saturated_and_dead_pixels() -> None:
    model = RampNoise.of(((1,), (2,), (3,)), 3.0)
    used = np.array([[3, 2, 1, 3]], np.uint8)
    flat = np.array([[0.5, 1, 1, 0]], np.float32)
    variance = np.array([[[4, 4, np.nan, 4]], [[1, 1, np.nan, 1]]], np.float32)
    data = np.full((1, 4), 6, np.float32)
    flags = np.array([[dq.WARM, 0, 0, 0]], np.uint32)
    planes = _calibrated(data, variance, used, flat, flags, model)
    assert planes["dq"].tolist() == [
        [dq.WARM, dq.SATURATED, dq.SATURATED | dq.DO_NOT_USE, dq.NO_FLAT_FIELD]
    ]
    np.testing.assert_array_equal(planes["data"], [[12, 6, np.nan, 6]])
    np.testing.assert_allclose(planes["err"][0, [0, 1, 3]], np.sqrt(5) / np.array([0.5, 1, 1]))
    assert planes["var_poisson"][0, 0] == 16 and planes["var_rnoise"][0, 0] == 4
    np.testing.assert_array_equal(planes["chisq"], [[1, 0, np.nan, 1]])


def gaussian_epsf() -> Epsf:
    at = (np.arange(161) - 80) / 4
    one = np.exp(-0.5 * (at / 0.75) ** 2)
    return Epsf(normalised((one[:, None] * one)[None], 4), 4, np.zeros(1), np.zeros(1))


@pytest.mark.long
def test_noise_is_what_err_says_and_does_not_depend_on_threads(detector: DetectorTruth) -> None:
    taken = observations(PROGRAM, np.random.default_rng(3))[0]
    collected = detector.dark[SCIENCE] + np.float32(0.5) * detector.response[SCIENCE]
    with limited(1):
        one = exposed(collected, detector, taken, Level2Config(), 5)
    two = exposed(collected, detector, taken, Level2Config(), 5)
    np.testing.assert_array_equal(one["data"], two["data"])
    clean = exposed(collected, detector, taken, Level2Config(noise=False), 5)
    good = detector.dq[SCIENCE] == 0
    photons, read = (one[name].astype(float)[good] for name in ("var_poisson", "var_rnoise"))
    # Capacitance shares the noise of the charge with the neighbours, which err does not know.
    expected = (photons * (detector.ipc**2).sum() + read) / (photons + read)
    pull = (one["data"] - clean["data"])[good] / np.sqrt(photons + read)
    assert pull.mean() == pytest.approx(0, abs=2e-3)
    assert pull.var() == pytest.approx(expected.mean(), rel=0.01)
    np.testing.assert_array_equal(one["err"], clean["err"])


@pytest.mark.long
def test_calibrated_image_of_a_star(detector: DetectorTruth, tmp_path) -> None:
    taken = observations(PROGRAM, np.random.default_rng(3))[0]
    pointing = taken.true_pointing.wcsinfo("WFI01")
    scene = Scene(
        ra=np.array([pointing["ra_ref"]]),
        dec=np.array([pointing["dec_ref"]]),
        kind=np.array([STAR], np.uint8),
        flux={"F158": np.array([2e5])},
        epoch=taken.start_time.jyear,
    )
    config = Level2Config(noise=False, zodiacal=0.0)
    image, truth = level2(scene, taken, detector, gaussian_epsf(), config, np.random.default_rng(1))
    (x,), (y,) = truth["x"], truth["y"]
    sky = image.wcs(x, y)
    np.testing.assert_allclose(sky, [truth["ra"][0], truth["dec"][0]], atol=1e-8)
    rows, columns = slice(round(y) - 12, round(y) + 13), slice(round(x) - 12, round(x) + 13)
    data = image.data[rows, columns] - np.nanmedian(image.data)
    area = pixel_area("WFI01")[rows, columns]
    flux = np.nansum(data * area) * image.meta["photometry"]["conversion_megajanskys"] * 1e15
    # The response varies by a few percent from pixel to pixel, and capacitance mixes them.
    assert flux == pytest.approx(2e5, rel=0.01)
    assert image.meta["photometry"]["conversion_megajanskys"] == conversion(detector, "F158")
    assert (image.dq[true_flat(detector) == 0] & dq.NO_FLAT_FIELD).all()
    path = tmp_path / taken.name.file("cal")
    io.write(image, path)
    back = io.read(path)
    assert isinstance(back, Image) and back.meta["cal_step"]["ramp_fit"] == "COMPLETE"
