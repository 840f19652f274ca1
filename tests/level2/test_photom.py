from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aqueduct.core.errors import ReferenceError
from aqueduct.level2.photom import PhotomConfig, photom
from aqueduct.products import Image
from aqueduct.products.references import PhotomReference

ENTRY = {"photmjsr": 0.68, "uncertainty": 0.01, "pixelareasr": 2.8e-13, "collecting_area": 3.7}


def image(element: str) -> Image:
    planes = {
        name: np.ones((2, 2), np.float32)
        for name in ("data", "dq", "err", "var_poisson", "var_rnoise", "chisq", "dumo")
    }
    meta = {
        "instrument": {"detector": "WFI01", "optical_element": element},
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": 3.0,
            "read_pattern": [[1], [2]],
            "start_time": None,
        },
        "photometry": {"pixel_area": -999999, "kept": 1},
    }
    return Image(meta=meta, **planes)


def reference(**table: dict[str, Any]) -> PhotomReference:
    return PhotomReference(name="roman_wfi_photom_0001.asdf", table=table)


def test_conversion_of_the_element_is_recorded() -> None:
    given = image("F158")
    made = photom(given, reference(F129={}, F158=ENTRY), PhotomConfig())
    assert made.meta["photometry"] == {
        "conversion_megajanskys": 0.68,
        "conversion_megajanskys_uncertainty": 0.01,
        "pixel_area": 2.8e-13,
        "kept": 1,
    }
    assert given.meta["photometry"]["pixel_area"] == -999999
    assert made.data is given.data


def test_null_of_a_spectroscopic_element_stays_null() -> None:
    table = dict.fromkeys(ENTRY)
    made = photom(image("GRISM"), reference(GRISM=table), PhotomConfig())
    assert made.meta["photometry"]["conversion_megajanskys"] is None


def test_absent_element_or_value_is_an_error_that_names_it() -> None:
    with pytest.raises(ReferenceError, match=r"photom_0001.*'F184'.*'F158'"):
        photom(image("F184"), reference(F158=ENTRY), PhotomConfig())
    with pytest.raises(ReferenceError, match="F158 lacks 'pixelareasr'"):
        photom(image("F158"), reference(F158={"photmjsr": 1, "uncertainty": 0}), PhotomConfig())
