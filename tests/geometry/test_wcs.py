import io

import asdf
import numpy as np
import pytest
from astropy.wcs import WCS

from aqueduct.core.errors import InputError
from aqueduct.geometry import polynomial
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.pointing import on_sky
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.skycells import cell
from aqueduct.geometry.tangent import TangentPlane, separation
from aqueduct.geometry.wcs import cell_wcs, corrected_wcs, detector_wcs, uncorrected_wcs

MAS = 1 / 3600e3


@pytest.fixture
def pixels():
    return np.random.default_rng(1).uniform(0, 4087, (2, 200))


def test_detector_agrees_with_the_attitude_matrix(pointing, wcsinfo, pixels):
    here = aperture("WFI07")
    found = detector_wcs(here.model(), wcsinfo)(*pixels)
    expected = on_sky(pointing.attitude, *here.to_v2v3(*pixels))
    assert separation(*found, *expected).max() < 1e-6 * MAS


def test_detectors_of_one_exposure_share_one_sky(pointing):
    """A (V2, V3) between two detectors has one position by either's WCS."""
    skies = []
    for name in ("WFI01", "WFI18"):
        wcs = detector_wcs(aperture(name).model(), pointing.wcsinfo(name))
        skies.append(wcs.get_transform("v2v3", "world")(1500.0, -900.0))
    assert separation(*skies[0], *skies[1]) < 1e-6 * MAS


def test_aberration_scales_about_the_reference_point(wcsinfo):
    model, scale = aperture("WFI07").model(), 1.0001
    still, moving = detector_wcs(model, wcsinfo), detector_wcs(model, wcsinfo, scale)
    centre = wcsinfo["ra_ref"], wcsinfo["dec_ref"]
    assert separation(*moving(2043.5, 2043.5), *centre) < 1e-6 * MAS
    ratio = separation(*moving(100.0, 200.0), *centre) / separation(*still(100.0, 200.0), *centre)
    np.testing.assert_allclose(ratio, scale, rtol=1e-7)


def test_frames_are_those_of_the_official_pipeline(wcs, wcsinfo):
    assert wcs.available_frames == ["detector", "v2v3", "v2v3vacorr", "world"]
    moved = corrected_wcs(wcs, wcsinfo, np.eye(2), (0, 0))
    assert moved.available_frames == ["detector", "v2v3", "v2v3vacorr", "v2v3corr", "world"]


def test_correction_acts_on_the_plane_at_the_reference_point(wcs, wcsinfo, pixels):
    matrix, shift = np.array([[1.001, 2e-4], [-3e-4, 0.999]]), np.array([1.2, -0.7])
    moved = corrected_wcs(wcs, wcsinfo, matrix, shift)
    plane = TangentPlane(wcsinfo["ra_ref"], wcsinfo["dec_ref"], scale=1 / 3600)
    before, after = (np.stack(plane.to_pixel(*one(*pixels))) for one in (wcs, moved))
    np.testing.assert_allclose(after, matrix @ before + shift[:, None], atol=1e-8)
    np.testing.assert_allclose(moved.invert(*moved(*pixels)), pixels, atol=1e-4)


def test_a_second_correction_replaces_the_first(wcs, wcsinfo):
    once = corrected_wcs(wcs, wcsinfo, np.eye(2), (1, 0))
    twice = corrected_wcs(once, wcsinfo, np.eye(2), (1, 0))
    assert twice(10.0, 20.0) == once(10.0, 20.0)


def test_stripping_gives_the_first_wcs_back(wcs, wcsinfo, pixels):
    moved = corrected_wcs(wcs, wcsinfo, np.eye(2), (5, 5))
    np.testing.assert_array_equal(uncorrected_wcs(moved)(*pixels), wcs(*pixels))
    assert uncorrected_wcs(wcs) is wcs


def test_corrected_wcs_survives_a_file(wcs, wcsinfo, pixels):
    moved = corrected_wcs(wcs, wcsinfo, [[1, 1e-4], [-1e-4, 1]], (0.3, 0.4))
    buffer = io.BytesIO()
    asdf.AsdfFile({"wcs": moved}).write_to(buffer)
    buffer.seek(0)
    with asdf.open(buffer) as file:
        np.testing.assert_array_equal(file["wcs"](*pixels), moved(*pixels))


def test_the_model_handed_in_is_not_changed(wcsinfo):
    model = aperture("WFI07").model()
    inputs = model.inputs
    detector_wcs(model, wcsinfo)
    assert model.inputs == inputs


@pytest.mark.parametrize("change", [{"roll_ref": None}, {"ra_ref": float("nan")}])
def test_garbled_pointing_is_named(wcsinfo, change):
    with pytest.raises(InputError, match="wcsinfo"):
        detector_wcs(aperture("WFI07").model(), {**wcsinfo, **change})


def test_scale_factor_must_be_positive(wcsinfo):
    with pytest.raises(InputError, match="scale_factor"):
        detector_wcs(aperture("WFI07").model(), wcsinfo, 0.0)


def test_only_detectors_can_be_aligned(wcsinfo):
    with pytest.raises(InputError, match="assign_wcs"):
        corrected_wcs(cell_wcs(cell("270p65x50y50")), wcsinfo, np.eye(2), (0, 0))


def test_cell_agrees_with_wcslib():
    here = cell("270p65x70y49")
    fits = WCS(naxis=2)
    fits.wcs.ctype = "RA---TAN", "DEC--TAN"
    fits.wcs.crval = here.ra_projection, here.dec_projection
    fits.wcs.crpix, fits.wcs.cdelt = (here.x0 + 1, here.y0 + 1), (here.scale, here.scale)
    x, y = np.random.default_rng(1).uniform(0, 4999, (2, 100))
    assert separation(*cell_wcs(here)(x, y), *fits.all_pix2world(x, y, 0)).max() < 1e-12


def a_bend(size=5.0):
    """Up to some mas at the edges of the detector."""
    bend = np.zeros((2, 6, 6))
    for power, (i, j) in enumerate([(2, 0), (1, 1), (0, 3), (2, 2), (0, 5)]):
        bend[power % 2, i, j] = size / 3e3 * (-1) ** power / 225.0 ** (i + j)
    return bend


def test_bend_comes_before_the_matrix(wcs, wcsinfo, pixels):
    matrix, shift, bend = np.array([[1.001, 2e-4], [-3e-4, 0.999]]), np.array([1.2, -0.7]), a_bend()
    moved = corrected_wcs(wcs, wcsinfo, matrix, shift, bend)
    plane = TangentPlane(wcsinfo["ra_ref"], wcsinfo["dec_ref"], scale=1 / 3600)
    before, after = (np.stack(plane.to_pixel(*one(*pixels))) for one in (wcs, moved))
    bent = before + polynomial.evaluate(bend, *before)
    assert np.abs(bent - before).max() > 1e-3
    np.testing.assert_allclose(after, matrix @ bent + shift[:, None], atol=1e-8)


def test_bend_is_undone_by_the_inverse(wcs, wcsinfo, pixels):
    moved = corrected_wcs(wcs, wcsinfo, np.eye(2), (0.1, 0.2), a_bend())
    change = moved.get_transform("v2v3vacorr", "v2v3corr")
    place = wcs.get_transform("detector", "v2v3vacorr")(*pixels)
    back = change.inverse(*change(*place))
    np.testing.assert_allclose(back, place, atol=1e-8)


def test_pixel_map_holds_a_bend_and_a_file_too(wcs, wcsinfo, pixels):
    moved = corrected_wcs(wcs, wcsinfo, np.eye(2), (0.1, 0.2), a_bend())
    found = PixelMap.from_gwcs(moved, (4088, 4088)).to_sky(*pixels)
    assert separation(*found, *moved(*pixels)).max() < 0.01 * MAS
    buffer = io.BytesIO()
    asdf.AsdfFile({"wcs": moved}).write_to(buffer)
    buffer.seek(0)
    with asdf.open(buffer) as file:
        np.testing.assert_array_equal(file["wcs"](*pixels), moved(*pixels))
    np.testing.assert_array_equal(uncorrected_wcs(moved)(*pixels), wcs(*pixels))
