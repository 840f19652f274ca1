"""Alignment of simulated exposures of known pointing error."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.time import Time

from aqueduct.core.errors import InputError
from aqueduct.geometry.astrometry import earth_position, propagated
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.pointing import Pointing
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.tangent import separation
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.level2.tweakreg import TweakregConfig, tweakreg
from aqueduct.products.catalog import Catalog
from aqueduct.products.image import PLANES, Image
from aqueduct.products.references import AstrometricReference

SHAPE = (4088, 4088)
SCALE = 1.00003
TRUE = Pointing(270.0, 66.0)
# 1 arcsec off, and turned by 20 arcsec about the middle of the field.
SAID = Pointing(270.0 + 0.8 / 3600 / np.cos(np.radians(66)), 66.0 - 0.6 / 3600, 20 / 3600)
START = Time("2027-04-01T00:00:00")
YEARS = START.jyear - 2016.0
CENTROID = 0.045
"""Pixel, which is 5 mas."""


def wcs_of(pointing, detector):
    return detector_wcs(aperture(detector).model(), pointing.wcsinfo(detector), SCALE)


def an_image(detector):
    meta = {
        "wcsinfo": SAID.wcsinfo(detector),
        "observation": {"visit_id": "0000101001001001001", "exposure": 1},
        "exposure": {
            "start_time": START,
            "type": "WFI_IMAGE",
            "frame_time": 3.16,
            "read_pattern": [[1]],
        },
        "instrument": {"detector": detector, "optical_element": "F158"},
    }
    plane = np.broadcast_to(np.float32(0), SHAPE)
    return Image(**dict.fromkeys(PLANES, plane), meta=meta, wcs=wcs_of(SAID, detector))


def exposure(detectors, count, seed=1, reference_error=0.3, strangers=0.5, unknown=0.0):
    """Images, catalogs, reference stars, and the true maps."""
    rng = np.random.default_rng(seed)
    images, catalogs, truths, stars = [], [], [], []
    for detector in detectors:
        truth = PixelMap.from_gwcs(wcs_of(TRUE, detector), SHAPE)
        x, y = rng.uniform(20, 4068, (2, count))
        pm, parallax = rng.normal(0, 8, (2, count)), rng.exponential(1.0, count)
        then = propagated(
            *truth.to_sky(x, y), -pm[0], -pm[1], -parallax, YEARS, earth_position(START)
        )
        ra, dec = (
            angle + rng.normal(0, reference_error, count) / 3600e3 / shrink
            for angle, shrink in zip(then, (np.cos(np.radians(then[1])), 1.0), strict=True)
        )
        pm[:, rng.uniform(size=count) < unknown] = np.nan
        stars.append([ra, dec, *pm, parallax])
        more = rng.uniform(20, 4068, (2, int(strangers * count)))
        x = np.append(x + rng.normal(0, CENTROID, count), more[0])
        y = np.append(y + rng.normal(0, CENTROID, count), more[1])
        columns = {"x_psf": x, "y_psf": y, "x_centroid": x + 0.1, "y_centroid": y}
        columns |= {name: np.full(x.size, CENTROID) for name in ("x_psf_err", "y_psf_err")}
        columns |= {name: np.zeros(x.size) for name in ("ra", "dec", "ra_psf", "dec_psf")}
        columns |= {"psf_flux": np.ones(x.size), "warning_flags": np.zeros(x.size, np.int32)}
        images.append(an_image(detector))
        catalogs.append(Catalog(columns, {}, "image"))
        truths.append(truth)
    ra, dec, pmra, pmdec, parallax = np.concatenate(stars, axis=1)
    error = np.full(ra.size, max(reference_error, 0.02))
    reference = AstrometricReference(
        name="gaia_dr3.parquet",
        ra=ra,
        dec=dec,
        epoch=2016.0,
        pmra=pmra,
        pmdec=pmdec,
        parallax=parallax,
        ra_error=error,
        dec_error=error,
        magnitude=np.full(ra.size, 17.0),
        pmra_error=np.full(ra.size, 0.02),
        pmdec_error=np.full(ra.size, 0.02),
    )
    return images, catalogs, reference, truths


def rms(images, truths):
    """Error of the WCS on a 30 x 30 grid, mas."""
    grid = np.meshgrid(np.linspace(0, 4087, 30), np.linspace(0, 4087, 30))
    apart = [
        separation(*PixelMap.from_gwcs(image.wcs, SHAPE).to_sky(*grid), *truth.to_sky(*grid))
        for image, truth in zip(images, truths, strict=True)
    ]
    return float(np.sqrt(np.mean(np.square(apart)))) * 3600e3


def test_hundred_stars_align_a_detector():
    """Expected: 5 mas * sqrt(3 parameters / 100 stars) = 0.87 mas, and the limit is the
    99th percentile of the rms over three trials (chi-square of 9)."""
    errors, expected = [], []
    for seed in range(3):
        images, catalogs, reference, truths = exposure(["WFI01"], 100, seed)
        assert rms(images, truths) > 900
        aligned, _ = tweakreg(images, catalogs, reference, TweakregConfig())
        errors.append(rms(aligned, truths))
        expected.append(aligned[0].meta["wcs_fit_results"]["error_mas"])
    assert np.sqrt(np.mean(np.square(errors))) < np.mean(expected) * np.sqrt(21.7 / 9)
    assert 0.8 < np.mean(expected) < 1.0


def test_exact_stars_align_all_detectors_exactly():
    """What is left is the change of the tangent plane from detector to detector."""
    detectors = ["WFI01", "WFI09", "WFI18"]
    images, catalogs, reference, truths = exposure(detectors, 20, reference_error=0.0)
    exact = []
    for catalog, truth, part in zip(catalogs, truths, np.split(np.arange(60), 3), strict=True):
        sky = propagated(
            reference.ra[part],
            reference.dec[part],
            reference.pmra[part],
            reference.pmdec[part],
            reference.parallax[part],
            YEARS,
            earth_position(START),
        )
        x, y = truth.to_pixel(*sky)
        exact.append(replace(catalog, columns={"x_psf": x, "y_psf": y}))
    aligned, _ = tweakreg(images, exact, reference, TweakregConfig(fit_geometry="rshift"))
    assert rms(aligned, truths) < 0.03


def test_a_rotation_of_the_exposure_is_seen_with_few_stars_on_each_detector():
    detectors = ["WFI03", "WFI09", "WFI18"]
    images, catalogs, reference, truths = exposure(detectors, 5)
    aligned, _ = tweakreg(images, catalogs, reference, TweakregConfig())
    results = aligned[0].meta["wcs_fit_results"]
    assert results["status"] == "SUCCESS" and results["n_detector"] == 3
    assert abs(results["rotation"] - 20) < 5
    assert rms(aligned, truths) < 6


def distorted(image, seed):
    """``image`` with a distortion that is off: 60 mas in linear terms, 6 mas in higher ones."""
    from astropy.modeling.models import Mapping, Polynomial2D, Shift

    rng = np.random.default_rng(seed)
    here = aperture(image.meta["instrument"]["detector"])
    axes = []
    for own in ("c1_0", "c0_1"):
        terms = {
            f"c{i}_{j}": size * rng.normal() / 225.0 ** (i + j)
            for size, powers in ((0.06, [(1, 0), (0, 1)]), (0.006, [(2, 0), (1, 1), (1, 2)]))
            for i, j in powers
        }
        terms[own] += 1
        axes.append(Polynomial2D(3, **terms))
    centre = Shift(-here.v2_ref) & Shift(-here.v3_ref)
    model = here.model() | centre | Mapping((0, 1, 0, 1)) | (axes[0] & axes[1]) | centre.inverse
    return replace(image, wcs=detector_wcs(model, image.meta["wcsinfo"], SCALE))


def test_distortion_of_each_detector_is_taken_out():
    images, catalogs, reference, truths = exposure(["WFI03", "WFI09", "WFI18"], 400)
    wrong = [distorted(image, seed) for seed, image in enumerate(images)]
    aligned, _ = tweakreg(wrong, catalogs, reference, TweakregConfig())
    results = [image.meta["wcs_fit_results"] for image in aligned]
    stated = np.sqrt(np.mean([one["error_mas"] ** 2 for one in results]))
    assert results[0]["geometry"] == "detector" and results[0]["fitgeom"] == "general"
    # 5 mas on each axis, 400 stars, and 10 parameters an axis that are not zero.
    assert stated < 5 * np.sqrt(2 * 21 / 400)
    assert rms(aligned, truths) < 1.35 * stated
    rigid, _ = tweakreg(wrong, catalogs, reference, TweakregConfig(fit_geometry="rshift"))
    assert rms(rigid, truths) > 20


def test_results_are_those_of_the_official_pipeline_and_more():
    images, catalogs, reference, _ = exposure(["WFI03", "WFI18"], 40)
    aligned, _ = tweakreg(images, catalogs, reference, TweakregConfig())
    for image in aligned:
        results = image.meta["wcs_fit_results"]
        official = {"status", "fitgeom", "matrix", "shift", "center", "proper_rot", "proper", "rot",
                    "<rot>", "scale", "<scale>", "skew", "rmse", "mae", "nmatches"}  # fmt: skip
        assert set(results) > official
        matrix = np.array(results["matrix"])
        assert results["<scale>"] == pytest.approx(np.sqrt(np.linalg.det(matrix)))
        assert results["<rot>"] * 3600 == pytest.approx(-results["rotation"], abs=1e-6)
        assert max(results["evidence"].values()) == results["evidence"][results["geometry"]] == 0
        covariance = np.reshape(results["covariance"], (6, 6))
        assert np.linalg.eigvalsh(covariance).min() > -1e-9
        # The middle of a detector is known better than the whole of it.
        assert np.sqrt(covariance[0, 0] + covariance[1, 1]) < results["error_mas"]
        assert results["detector_matches"] <= results["nmatches"]
        assert results["detector_rms_mas"] == pytest.approx(5 * np.sqrt(2), rel=0.3)


def test_linear_terms_one_percent_off_are_matched():
    """Some 2.3 arcsec at the edges: more than the radius of the first matches."""
    images, catalogs, reference, truths = exposure(["WFI03", "WFI09", "WFI18"], 200)
    from astropy.modeling.models import AffineTransformation2D

    turn = np.array([[1.009, 0.006], [-0.007, 0.992]])
    wrong = []
    for image in images:
        here = aperture(image.meta["instrument"]["detector"])
        origin = np.array([here.v2_ref, here.v3_ref])
        model = here.model() | AffineTransformation2D(turn, origin - turn @ origin)
        wcs = detector_wcs(model, image.meta["wcsinfo"], SCALE)
        wrong.append(replace(image, wcs=wcs))
    aligned, _ = tweakreg(wrong, catalogs, reference, TweakregConfig())
    assert rms(aligned, truths) < 2.5


@pytest.mark.parametrize("seed", range(4))
def test_strangers_alone_fail(seed):
    images, catalogs, reference, _ = exposure(["WFI03", "WFI18"], 8, seed, strangers=30)
    for catalog in catalogs:
        catalog["psf_flux"][:8] = -1.0
    kept, _ = tweakreg(images, catalogs, reference, TweakregConfig())
    assert kept[0].meta["wcs_fit_results"]["status"] == "FAILED"
    assert kept[0].meta["cal_step"]["tweakreg"] == "FAILED"


def test_stars_of_unknown_motion_do_no_harm():
    images, catalogs, reference, truths = exposure(["WFI02"], 100, unknown=0.3)
    aligned, _ = tweakreg(images, catalogs, reference, TweakregConfig())
    assert rms(aligned, truths) < 2.0


def test_flagged_and_faint_sources_are_left_out():
    images, catalogs, reference, _ = exposure(["WFI02"], 60, strangers=0.0)
    catalogs[0]["warning_flags"][:20] = 1
    catalogs[0]["psf_flux"][20:30] = -1.0
    aligned, _ = tweakreg(images, catalogs, reference, TweakregConfig())
    results = aligned[0].meta["wcs_fit_results"]
    assert results["nmatches"] + results["n_rejected"] == 30


def test_running_it_again_changes_nothing():
    images, catalogs, reference, _ = exposure(["WFI05"], 40)
    once = tweakreg(images, catalogs, reference, TweakregConfig())
    twice = tweakreg(*once, reference, TweakregConfig())
    assert once[0][0].meta == twice[0][0].meta
    np.testing.assert_array_equal(once[1][0]["ra_psf"], twice[1][0]["ra_psf"])
    assert once[0][0].wcs(5.0, 6.0) == twice[0][0].wcs(5.0, 6.0)


def test_catalog_positions_come_from_the_aligned_wcs():
    images, catalogs, reference, _ = exposure(["WFI05"], 40)
    aligned, moved = tweakreg(images, catalogs, reference, TweakregConfig())
    for sky, pixel in (("ra", "x_centroid"), ("ra_psf", "x_psf")):
        x, y = moved[0][pixel], moved[0][pixel.replace("x_", "y_")]
        expected = aligned[0].wcs(x, y)
        found = moved[0][sky], moved[0][sky.replace("ra", "dec")]
        assert separation(*found, *expected).max() * 3600e3 < 1e-3
    assert (catalogs[0]["ra"] == 0).all()


def test_s_region_follows():
    images, catalogs, reference, _ = exposure(["WFI05"], 40)
    aligned, _ = tweakreg(images, catalogs, reference, TweakregConfig())
    assert aligned[0].meta["wcsinfo"]["s_region"] != images[0].meta["wcsinfo"]["s_region"]


@pytest.mark.parametrize("count", [3, 0])
def test_too_few_stars(count):
    images, catalogs, reference, _ = exposure(["WFI05"], count, strangers=0.0)
    with pytest.raises(InputError):
        tweakreg(images, catalogs, reference, TweakregConfig(on_failure="error"))
    kept, _ = tweakreg(images, catalogs, reference, TweakregConfig())
    assert kept[0].meta["wcs_fit_results"]["status"] == "FAILED"
    assert kept[0].wcs(5.0, 6.0) == images[0].wcs(5.0, 6.0)


def test_minimum_matches_is_obeyed():
    images, catalogs, reference, _ = exposure(["WFI05"], 8, strangers=0.0)
    tweakreg(images, catalogs, reference, TweakregConfig())
    with pytest.raises(InputError, match="too few"):
        config = TweakregConfig(minimum_matches=9, on_failure="error")
        tweakreg(images, catalogs, reference, config)


def test_inputs_must_belong_together():
    images, catalogs, reference, _ = exposure(["WFI05"], 8)
    other = replace(images[0], meta={**images[0].meta, "observation": {"exposure": 2}})
    with pytest.raises(InputError, match="2 exposures"):
        tweakreg([images[0], other], catalogs * 2, reference, TweakregConfig())
    with pytest.raises(InputError, match="one catalog"):
        tweakreg(images, [], reference, TweakregConfig())
    with pytest.raises(InputError, match="assign_wcs"):
        tweakreg([replace(images[0], wcs=None)], catalogs, reference, TweakregConfig())
