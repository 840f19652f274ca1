"""A small Level 2 image with the WCS of a real detector."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from roman_datamodels import datamodels

from aqueduct import io
from aqueduct.geometry.pointing import Pointing
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.io.formats import full_tag
from aqueduct.products import Image
from aqueduct.products.meta import updated

SHAPE = (96, 120)


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Image:
    path = tmp_path_factory.mktemp("template") / "x_cal.asdf"
    tag = full_tag("wfi_image", "2.1.0")
    datamodels.ImageModel.create_fake_data(shape=SHAPE, tag=tag).to_asdf(path)
    return io.read(path)


@pytest.fixture
def image(template) -> Image:
    rng = np.random.default_rng(5)
    wcsinfo = Pointing(270.0, 66.0, 30.0).wcsinfo("WFI07")
    planes = {
        name: rng.normal(1, 0.1, SHAPE).astype(np.float16)
        for name in ("err", "var_poisson", "var_rnoise", "chisq", "dumo")
    }
    data = rng.normal(3, 1, SHAPE).astype(np.float32)
    data[5, 7] = np.nan
    return replace(
        template,
        **planes,
        data=data,
        dq=rng.integers(0, 1 << 32, SHAPE, np.uint32),
        wcs=detector_wcs(aperture("WFI07").model(), wcsinfo, 1.00005, SHAPE),
        meta=updated(template.meta, wcsinfo=wcsinfo),
    )
