import numpy as np
import pytest
from astropy.io import fits
from astropy.modeling.models import Mapping, Polynomial2D
from astropy.wcs import WCS

from aqueduct.core.errors import InputError
from aqueduct.geometry.sip import Sip, cell_cards
from aqueduct.geometry.skycells import cell
from aqueduct.geometry.tangent import separation
from aqueduct.geometry.wcs import cell_wcs, detector_wcs

MAS = 3600e3


def header(cards, shape=(4088, 4088)):
    made = fits.Header([("NAXIS", 2), ("NAXIS1", shape[1]), ("NAXIS2", shape[0])])
    made.extend([fits.Card(*card) for card in cards])
    return made


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(3).uniform(-0.5, 4087.5, (2, 3000))


def test_a_detector_is_followed_to_microarcseconds(wcs, pixels):
    sip = Sip.from_gwcs(wcs, (4088, 4088))
    assert sip.error_mas < 1e-3 and sip.error_back < 1e-4
    astropy = WCS(header(sip.cards()))
    off = separation(*astropy.all_pix2world(*pixels, 0), *wcs(*pixels)) * MAS
    assert off.max() < 1e-3
    x, y = astropy.all_world2pix(*wcs(*pixels), 0)
    np.testing.assert_allclose([x, y], pixels, atol=1e-4)


def test_the_inverse_polynomials_undo_the_others(wcs, pixels):
    sip = Sip.from_gwcs(wcs, (4088, 4088))
    astropy = WCS(header(sip.cards()))
    focal = astropy.sip_pix2foc(*pixels, 0)
    back = astropy.sip_foc2pix(*focal, 0)
    np.testing.assert_allclose(back, pixels, atol=2e-4)


@pytest.fixture
def wavy(wcsinfo):
    """A detector whose distortion no polynomial of low degree follows."""
    coefficients = {"c0_0": 0.0, "c1_0": 0.11, "c0_1": 0.0}
    waves = {"c8_0": 3e-28, "c0_8": 2e-28}
    x = Polynomial2D(8, **coefficients, **waves)
    y = Polynomial2D(8, c0_1=0.108, **waves)
    return detector_wcs(Mapping((0, 1, 0, 1)) | x & y, wcsinfo)


def test_the_residual_is_what_is_found_elsewhere(wavy, pixels):
    coarse = Sip.from_gwcs(wavy, (4088, 4088), aim=10.0)
    sky = coarse.to_sky(pixels[0] - coarse.x0, pixels[1] - coarse.y0)
    off = separation(*sky, *wavy(*pixels)) * MAS
    assert 0.7 * coarse.error_mas < off.max() <= 1.02 * coarse.error_mas
    np.testing.assert_allclose(coarse.error_mas / coarse.error_pixels, 110, rtol=0.1)
    fine = Sip.from_gwcs(wavy, (4088, 4088))
    assert fine.degree > coarse.degree and fine.error_pixels < 1e-2 * coarse.error_pixels


def test_a_narrow_part_is_fitted_too(wcs):
    sip = Sip.from_gwcs(wcs, (1, 7))
    assert sip.error_pixels < 1e-4


def test_a_sky_cell_is_a_tangent_plane_exactly():
    here = cell("270p65x48y69")
    x, y = np.random.default_rng(1).uniform(0, here.pixels, (2, 50))
    found = WCS(header(cell_cards(here))).all_pix2world(x, y, 0)
    assert separation(*found, *cell_wcs(here)(x, y)).max() * MAS < 1e-6


def test_no_sky_is_an_error(wcs):
    def nowhere(x, y, with_bounding_box=True):
        ra, dec = wcs(x, y, with_bounding_box=with_bounding_box)
        return np.where(np.asarray(x) > 4000, np.nan, ra)[()], dec

    with pytest.raises(InputError, match="no finite sky position"):
        Sip.from_gwcs(nowhere, (4088, 4088))
