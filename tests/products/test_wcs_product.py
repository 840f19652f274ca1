"""The WCS sidecar, as our files and the official model have it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from aqueduct import io
from aqueduct.core.errors import InputError
from aqueduct.geometry.pointing import Pointing
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.products import Image, Wcs
from aqueduct.products.meta import updated


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Image:
    from roman_datamodels import datamodels

    path = tmp_path_factory.mktemp("image") / "x_cal.asdf"
    datamodels.ImageModel.create_fake_data(shape=(4, 4)).to_asdf(path)
    wcsinfo = Pointing(270.0, 66.0, 30.0).wcsinfo("WFI07")
    found = io.read(path)
    data = np.broadcast_to(np.float32(0), (4088, 4088))
    wcs = detector_wcs(aperture("WFI07").model(), wcsinfo)
    return replace(found, data=data, wcs=wcs, meta=updated(found.meta, wcsinfo=wcsinfo))


@pytest.mark.parametrize("rad", ["2.1.0", "2.2.0"])
def test_it_is_the_official_file(tmp_path, image, rad):
    from roman_datamodels import datamodels

    path = tmp_path / "x_wcs.asdf"
    io.write(Wcs.of(image), path, rad=rad, recipe={"id": "4"})
    with datamodels.open(path) as model:
        model.validate()
        assert type(model).__name__ == "WfiWcsModel"
        assert model.wcs_l1(104.0, 204.0) == image.wcs(100.0, 200.0)
        assert model.wcs_l2(100.0, 200.0) == image.wcs(100.0, 200.0)
    again = io.read(path)
    assert isinstance(again, Wcs)
    assert io.peek(path).product is Wcs and io.peek(path).recipe == {"id": "4"}
    assert again.wcs_l1(4.0, 4.0) == image.wcs(0.0, 0.0)
    assert path.stat().st_size < 100_000


def test_the_border_is_within_the_bounding_box(image):
    found = Wcs.of(image)
    assert np.isfinite(found.wcs_l1(0.0, 4095.0)).all()
    assert np.isnan(found.wcs_l1(-1.0, 0.0)).all()
    assert found.wcs_l1.available_frames == image.wcs.available_frames


def test_an_image_without_a_wcs(image):
    with pytest.raises(InputError, match="no WCS"):
        Wcs.of(replace(image, wcs=None))
