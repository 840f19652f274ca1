import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry.footprint import parse_s_region
from aqueduct.geometry.pointing import Pointing
from aqueduct.geometry.siaf import aperture
from aqueduct.level2.assign_wcs import AssignWcsConfig, assign_wcs
from aqueduct.products.image import PLANES, Image
from aqueduct.products.references import DistortionReference

SHAPE = (4088, 4088)


@pytest.fixture
def image():
    plane = np.broadcast_to(np.float32(0), SHAPE)
    meta = {
        "wcsinfo": {**Pointing(10.0, 20.0).wcsinfo("WFI02"), "s_region": "?"},
        "velocity_aberration": {"scale_factor": 1.00003},
    }
    return Image(**dict.fromkeys(PLANES, plane), meta=meta)


@pytest.fixture
def distortion():
    return DistortionReference(transform=aperture("WFI02").model())


def test_wcs_and_outline(image, distortion):
    done = assign_wcs(image, distortion, AssignWcsConfig())
    info = done.meta["wcsinfo"]
    np.testing.assert_allclose(
        done.wcs(2043.5, 2043.5), (info["ra_ref"], info["dec_ref"]), atol=1e-9
    )
    ra, dec = parse_s_region(info["s_region"])
    np.testing.assert_allclose((ra[0], dec[0]), done.wcs(-0.5, -0.5), atol=1e-9)
    np.testing.assert_allclose((ra[2], dec[2]), done.wcs(4087.5, 4087.5), atol=1e-9)


def test_input_is_left_as_it_was(image, distortion):
    assign_wcs(image, distortion, AssignWcsConfig())
    assert image.wcs is None and image.meta["wcsinfo"]["s_region"] == "?"


@pytest.mark.parametrize("block", ["wcsinfo", "velocity_aberration"])
def test_absent_pointing_is_named(image, distortion, block):
    del image.meta[block]
    with pytest.raises(InputError, match=block):
        assign_wcs(image, distortion, AssignWcsConfig())
