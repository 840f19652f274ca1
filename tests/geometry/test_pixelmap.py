import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry.pixelmap import MARGIN, PixelMap
from aqueduct.geometry.skycells import cells_of_region
from aqueduct.geometry.tangent import separation
from aqueduct.geometry.wcs import cell_wcs

SHAPE = (4088, 4088)


@pytest.fixture(scope="module")
def pixel_map(wcs):
    return PixelMap.from_gwcs(wcs, SHAPE)


def test_reproduces_a_detector(wcs, pixel_map):
    x, y = np.random.default_rng(1).uniform(-100, 4187, (2, 2000))
    sky = wcs(x, y, with_bounding_box=False)
    assert separation(*pixel_map.to_sky(x, y), *sky).max() * 3600 / 0.11 < 1e-6
    np.testing.assert_allclose(pixel_map.to_pixel(*sky), (x, y), atol=1e-6)
    assert pixel_map.error < 1e-6


def test_reproduces_a_sky_cell():
    here = cells_of_region(211)[-1]
    found = PixelMap.from_gwcs(cell_wcs(here), (5000, 5000))
    x, y = np.random.default_rng(2).uniform(0, 5000, (2, 500))
    assert separation(*found.to_sky(x, y), *here.plane.to_sky(x, y)).max() * 3600 / 0.055 < 1e-6


def test_nothing_is_mapped_beyond_the_margin(pixel_map):
    assert np.isfinite(pixel_map.to_sky(-MARGIN, 10.0)).all()
    assert np.isnan(pixel_map.to_sky(-MARGIN - 2, 10.0)).all()


def test_no_direction_elsewhere_on_the_sky_falls_on_the_image(pixel_map):
    rng = np.random.default_rng(3)
    ra, dec = rng.uniform(0, 360, 20000), np.degrees(np.arcsin(rng.uniform(-1, 1, 20000)))
    middle = pixel_map.to_sky(2043.5, 2043.5)
    close = rng.normal(0, 0.5, (2, 20000)) + np.array(middle)[:, None]
    ra, dec = np.append(ra, close[0]), np.append(dec, close[1])
    found = np.isfinite(pixel_map.to_pixel(ra, dec)[0])
    assert (separation(*middle, ra, dec)[found] < 0.1).all()


def test_a_wcs_that_is_not_smooth_is_refused():
    def steps(x, y, with_bounding_box):
        return 10 + np.floor(np.asarray(x) / 500) * 1e-3, 20 + np.asarray(y) * 3e-5

    with pytest.raises(InputError, match="no smooth map"):
        PixelMap.from_gwcs(steps, SHAPE)


def test_a_wcs_without_values_is_refused():
    def nowhere(x, y, with_bounding_box):
        return np.where(np.asarray(x) > 3000, np.nan, 10.0), np.asarray(y) * 3e-5

    with pytest.raises(InputError, match="no finite"):
        PixelMap.from_gwcs(nowhere, SHAPE)
