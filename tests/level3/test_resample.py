from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from level3_frames import DEC, RA, make_cell, make_image, make_wcs, stars, with_meta

from aqueduct.core import dq
from aqueduct.core.errors import InputError
from aqueduct.core.threads import limited
from aqueduct.geometry.tangent import vector
from aqueduct.geometry.wcs import cell_wcs
from aqueduct.level3._drizzle import layer
from aqueduct.level3.resample import ResampleConfig, resample

N = 128


def coadd(*images, cell=None, **parameters):
    fold = resample(cell or make_cell(), ResampleConfig(**parameters))
    for image in images:
        fold.add(image)
    return fold.finish()


def solid_angles(wcs, n):
    """Of every pixel, in units of a cell pixel's, straight from the gwcs."""
    edges = np.arange(n + 1) - 0.5
    at = vector(*wcs(*np.meshgrid(edges, edges), with_bounding_box=False))
    one, other = at[1:, 1:] - at[:-1, :-1], at[1:, :-1] - at[:-1, 1:]
    area = 0.5 * np.linalg.norm(np.cross(one, other), axis=-1)
    return area / np.radians(make_cell().scale) ** 2


def test_flux_is_conserved():
    wcs = make_wcs(N)
    offsets = np.array([(0.0, 0.0), (3.1, -2.2), (-4.3, 1.7)]) / 3600
    for ra, dec in offsets:
        data = stars(wcs, N, [(RA + ra / np.cos(np.radians(DEC)), DEC + dec, 100.0)])
        given = (data * solid_angles(wcs, N)).sum()
        mosaic = coadd(make_image(data, wcs))
        assert np.nansum(mosaic.data, dtype=float) == pytest.approx(given, rel=1e-4)


def test_weighted_sum_is_conserved_for_shrunk_pixels():
    wcs = make_wcs(N)
    data = stars(wcs, N, [(RA, DEC, 100.0)])
    mosaic = coadd(make_image(data, wcs), pixfrac=0.6)
    assert np.nansum(mosaic.data * mosaic.weight, dtype=float) == pytest.approx(
        data.sum() / 0.004, rel=1e-5
    )


def test_agrees_with_the_drizzle_package(rng):
    from drizzle.resample import Drizzle

    cell, grid = make_cell(), np.meshgrid(np.arange(float(N)), np.arange(float(N)))
    peer = Drizzle(kernel="square", out_shape=(400, 400), fillval="nan")
    images = []
    for k, dx in enumerate((0.0, 0.8, -1.3)):
        image = make_image(
            rng.normal(2, 0.1, (N, N)),
            make_wcs(N, dx, 0.5 * dx, 20.0 + k),
            k,
            0.006,
            0.004 * (k + 1),
        )
        image.dq[rng.random((N, N)) < 0.03] |= dq.DO_NOT_USE
        sky = image.wcs(*grid, with_bounding_box=False)
        pixmap = np.dstack(cell_wcs(cell).invert(*sky, with_bounding_box=False))
        weight = np.where(image.dq == 0, np.float32(1 / (0.004 * (k + 1))), np.float32(0))
        variance = np.ascontiguousarray(image.var_poisson)
        peer.add_image(image.data, 1.0, pixmap, weight_map=weight, data2=variance)
        images.append(image)
    mosaic = coadd(*images)

    assert np.array_equal(mosaic.context[0], peer.out_ctx[0].astype(np.uint32))
    largest = peer.out_wht.max()
    np.testing.assert_allclose(mosaic.weight, peer.out_wht, atol=1e-4 * largest)
    solid = peer.out_wht > 0.01 * largest
    np.testing.assert_allclose(mosaic.data[solid], peer.out_img[solid], rtol=1e-4)
    np.testing.assert_allclose(mosaic.var_poisson[solid], peer.out_img2[0][solid], rtol=1e-3)


def test_a_stars_own_flux_does_not_weigh_its_pixels(rng):
    """The ramp fit's read-noise variance grows with the rate; the weight must not."""
    wcs = make_wcs(N)
    bright = stars(wcs, N, [(RA, DEC, 5000.0)])
    flat = make_image(np.zeros((N, N)), wcs)
    star = make_image(
        bright, wcs, var_poisson=0.006 + 1e-3 * bright, var_rnoise=0.004 * (1 + np.sqrt(bright))
    )
    star.dq[bright > 500] |= dq.JUMP_DET
    np.testing.assert_allclose(coadd(star).weight, coadd(flat).weight, rtol=2e-3)


def test_noisy_and_clean_exposures_are_weighted_by_their_inverse_variance():
    images = [make_image(np.full((N, N), float(k)), None, k, 0.0, 0.01 * k) for k in (1, 3)]
    mosaic = coadd(*images)
    inside = mosaic.context[0] == 3
    np.testing.assert_allclose(mosaic.data[inside], (1 / 1 + 3 / 3) / (1 / 1 + 1 / 3), rtol=1e-5)


@pytest.mark.parametrize(
    ("weight", "ratio"), [("ivm", 3.0), ("ivm-sky", 0.05 / 0.03), ("exptime", 101 / 102)]
)
def test_kinds_of_weight(weight, ratio):
    one = make_image(np.ones((N, N)), None, 1, 0.02, 0.01)
    two = make_image(np.ones((N, N)), None, 2, 0.02, 0.03)
    weights = [coadd(image, weight=weight).weight[200, 200] for image in (one, two)]
    assert weights[0] / weights[1] == pytest.approx(ratio, rel=1e-5)


def test_weights_follow_slow_changes_of_the_noise():
    ramp = np.broadcast_to(np.linspace(0.004, 0.008, N), (N, N))
    mosaic = coadd(make_image(np.zeros((N, N)), make_wcs(N, roll=0.0), var_rnoise=ramp))
    expected = coadd(make_image(np.zeros((N, N)), make_wcs(N, roll=0.0), var_rnoise=0.006))
    reached = np.flatnonzero(expected.weight[200])[30:-30]
    ratio = mosaic.weight[200, reached] / expected.weight[200, reached]
    assert np.ptp(ratio) > 0.4
    assert np.abs(np.diff(ratio)).max() < 0.01


def test_variance_is_that_of_repeated_noise(rng):
    """Monte Carlo: 800 draws of white noise whose variance differs from pixel to pixel."""
    n, cell = 40, make_cell(100)
    var_poisson = rng.uniform(0.5, 2.0, (n, n)).astype(np.float32)
    blank = make_image(np.zeros((n, n)), make_wcs(n), 1, var_poisson, 0.7)
    mosaic = coadd(blank, cell=cell)
    ready = layer(blank, cell, "ivm", dq.DO_NOT_USE)
    tile = (slice(0, 100), slice(0, 100))
    total = np.zeros((100, 100))
    for _ in range(800):
        noise = rng.normal(0, np.sqrt(var_poisson + 0.7)).astype(np.float32)
        sums = replace(ready, image=replace(blank, data=noise)).onto(tile, 1.0)
        total += (sums[0] / np.where(sums[1] > 0, sums[1], np.nan)) ** 2 / 800
    ratio = total / mosaic.err**2
    assert np.nanmedian(ratio) == pytest.approx(1.0, abs=0.02)
    assert np.nanmean(ratio) == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(
        mosaic.err**2, mosaic.var_poisson + mosaic.var_rnoise, rtol=1e-5, equal_nan=True
    )


def test_large_apertures_see_the_noise_that_pixels_share(rng):
    """Fruchter & Hook 2002, equation 9: R = p / (1 - 1 / (3 p)), p = pixfrac / r."""
    cell, tile, side = make_cell(600), (slice(50, 550), slice(50, 550)), 50
    blank = make_image(np.zeros((400, 400)), make_wcs(400))
    mosaic = coadd(blank, cell=cell)
    ready = layer(blank, cell, "ivm", dq.DO_NOT_USE)
    alone = np.sqrt(blocks(mosaic.err[tile] ** 2, side))
    pulls = []
    for _ in range(12):
        noise = rng.normal(0, 0.1, (400, 400)).astype(np.float32)
        sums = replace(ready, image=replace(blank, data=noise)).onto(tile, 1.0)
        pulls.append(blocks(sums[0] / sums[1], side) / alone)
    p = 1 / mosaic.meta["resample"]["pixel_scale_ratio"]
    # Input pixels across the edge of a block count in part: 1/3 of their variance, not 1/2.
    edge = 1 - 1 / (3 * side / p)
    assert np.std(pulls) == pytest.approx(edge * p / (1 - 1 / (3 * p)), rel=0.05)


def blocks(plane, side):
    count = plane.shape[0] // side
    return plane.reshape(count, side, count, side).sum(axis=(1, 3), dtype=float)


def test_unreached_and_excluded_pixels():
    image = make_image(np.ones((N, N)), make_wcs(N, roll=0.0))
    image.dq[60:68, 60:68] = dq.DO_NOT_USE
    image.data[20, 20] = np.nan
    mosaic = coadd(image)
    for plane in (mosaic.data, mosaic.err, mosaic.var_poisson, mosaic.var_rnoise):
        assert np.array_equal(np.isnan(plane), mosaic.weight == 0)
    assert np.array_equal(mosaic.context[0] == 0, mosaic.weight == 0)
    # 8 x 8 detector pixels are 16 x 16 of the cell; touched ones at the edge are kept.
    hole = np.isnan(mosaic.data[180:220, 180:220]).sum()
    assert 13**2 <= hole <= 17**2
    np.testing.assert_allclose(mosaic.data[mosaic.weight > 0], 1.0, rtol=1e-6)
    other = coadd(image, bad="HOT")
    assert np.isfinite(other.data[180:220, 180:220]).all()


@pytest.mark.parametrize(("subtracted", "expected"), [(False, 1.5), (True, 2.0)])
def test_the_sky_is_subtracted_once(subtracted, expected):
    background = {"level": 0.5, "method": "match", "subtracted": subtracted}
    mosaic = coadd(with_meta(make_image(np.full((N, N), 2.0)), background=background))
    np.testing.assert_allclose(mosaic.data[mosaic.weight > 0], expected, rtol=1e-6)


def test_context_grows_beyond_32_inputs():
    cell = make_cell(60)
    images = [make_image(np.ones((16, 16)), make_wcs(16), k) for k in range(34)]
    mosaic = coadd(*images, cell=cell)
    assert mosaic.context.shape == (2, 60, 60)
    assert mosaic.context[0, 30, 30] == 2**32 - 1
    assert mosaic.context[1, 30, 30] == 3
    times = [100.0 + k for k in range(34)]
    assert mosaic.meta["coadd_info"]["max_exposure_time"] == pytest.approx(sum(times))


def test_exposure_time_is_that_of_the_pixels_reached():
    here, aside = make_image(np.ones((N, N))), make_image(np.ones((N, N)), make_wcs(N, dx=5.0), 2)
    mosaic = coadd(here, aside)
    first, second = ((mosaic.context[0] & bit) > 0 for bit in (1, 2))
    total = 101.0 * first + 102.0 * second
    info = mosaic.meta["coadd_info"]
    assert info["exposure_time"] == pytest.approx(total[total > 0].mean())
    assert info["max_exposure_time"] == pytest.approx(203.0)


def test_threads_and_tiles_do_not_matter(rng):
    cell = make_cell(600)  # 3 x 3 tiles
    images = [
        make_image(rng.normal(1, 0.1, (260, 260)), make_wcs(260, dx), k)
        for k, dx in enumerate((0, 2))
    ]
    results = []
    for threads in (1, 3):
        with limited(threads):
            results.append(coadd(*images, cell=cell))
    for name in ("data", "err", "weight", "var_poisson", "var_rnoise", "context"):
        assert np.array_equal(*(getattr(each, name) for each in results), equal_nan=True)


def test_a_member_off_the_cell_is_on_record():
    off = make_image(np.ones((N, N)), make_wcs(N, dx=3000.0), 2)
    mosaic = coadd(make_image(np.ones((N, N))), off)
    assert mosaic.meta["resample"]["pointings"] == 2
    assert set(np.unique(mosaic.context)) == {0, 1}
    with pytest.raises(InputError, match="none of 1 images lies on the cell"):
        coadd(off)


def test_errors():
    image = make_image(np.ones((N, N)))
    with pytest.raises(InputError, match="none of 0 images"):
        coadd()
    with pytest.raises(InputError, match="not in MJy/sr"):
        coadd(with_meta(image, cal_step={"flux": "INCOMPLETE"}))
    with pytest.raises(InputError, match="effective_exposure_time"):
        coadd(with_meta(image, exposure={}))
    with pytest.raises(InputError, match="not positive anywhere"):
        coadd(replace(image, var_rnoise=np.zeros((N, N), np.float32)))


def test_metadata_follow_the_members():
    one, two = make_image(np.ones((N, N)), exposure=1), make_image(np.ones((N, N)), exposure=3)
    two = with_meta(two, cal_step={"flux": "COMPLETE", "skymatch": "SKIPPED"})
    meta = coadd(one, two).meta
    assert meta["observation"]["visit"] == 1
    assert meta["observation"]["exposure"] is None
    assert meta["observation"]["exposure_grouping"] == "v01001001001001"
    assert meta["instrument"] == {"name": "WFI", "optical_element": "F158"}
    assert meta["cal_step"] == {
        "flux": "COMPLETE",
        "outlier_detection": "INCOMPLETE",
        "skymatch": "INCOMPLETE",
        "resample": "COMPLETE",
    }
    info = meta["coadd_info"]
    assert info["time_first"].isot == "2027-03-01T00:03:20.000"
    assert info["time_last"].isot == "2027-03-01T00:12:00.000"
    assert info["time_mean"].isot == "2027-03-01T00:06:40.000"
    tables = meta["individual_image_meta"]
    assert list(tables["basic"]["filename"]) == [one.meta["filename"], two.meta["filename"]]
    assert list(tables["cal_step"]["skymatch"]) == ["None", "SKIPPED"]
    assert list(tables["exposure"]["read_pattern"]) == ["[[1], [2, 3]]"] * 2
    assert meta["statistics"]["image_median"] == pytest.approx(1.0)
    assert 0 < meta["statistics"]["good_pixel_fraction"] < 1


@pytest.mark.parametrize("generation", ["2.1.0", "2.2.0"])
def test_metadata_are_valid(generation):
    """With what the runner adds (names and dates), the schema of either generation is met."""
    from astropy.time import Time
    from roman_datamodels import datamodels

    mosaic = coadd(make_image(np.ones((N, N))), make_image(np.ones((N, N)), exposure=2))
    manifest = f"asdf://stsci.edu/datamodels/roman/manifests/datamodels-{generation}"
    model = datamodels.MosaicModel.create_minimal(tag=_tag(manifest))
    for name in ("data", "err", "weight", "var_poisson", "var_rnoise", "context"):
        model[name] = getattr(mosaic, name)
    model["meta"] = {
        **mosaic.meta,
        "wcs": mosaic.wcs,
        "filename": "x_coadd.asdf",
        "file_date": Time("2027-04-01T00:00:00"),
        "calibration_software_name": "Aqueduct",
        "calibration_software_version": "0",
        "cal_logs": ["none"],
    }
    assert model.validate() is None


def _tag(manifest):
    import asdf
    import yaml

    tags = yaml.safe_load(asdf.get_config().resource_manager[manifest])["tags"]
    return next(each["tag_uri"] for each in tags if "wfi_mosaic-" in each["tag_uri"])
