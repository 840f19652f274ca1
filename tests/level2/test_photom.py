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
        "conversion_microjanskys": pytest.approx(0.68 * 23.50443054),
        "conversion_microjanskys_uncertainty": pytest.approx(0.01 * 23.50443054),
        "kept": 1,
    }
    assert given.meta["photometry"]["pixel_area"] == -999999
    assert made.data is given.data


@pytest.mark.parametrize("element", ["GRISM", "PRISM", "DARK"])
@pytest.mark.parametrize("listed", [True, False])
def test_an_element_without_conversion_has_null(element: str, listed: bool) -> None:
    table = {element: dict.fromkeys(ENTRY)} if listed else {"F158": ENTRY}
    made = photom(image(element), reference(**table), PhotomConfig()).meta["photometry"]
    assert made.pop("kept") == 1
    assert set(made.values()) == {None}
    assert "conversion_megajanskys_uncertainty" in made


@pytest.mark.parametrize("value", [None, np.nan, np.inf, 0.0, -1.0])
def test_a_filter_without_conversion_is_an_error(value: float | None) -> None:
    with pytest.raises(ReferenceError, match=f"for F158 is {value}"):
        photom(image("F158"), reference(F158={**ENTRY, "photmjsr": value}), PhotomConfig())


def test_absent_element_or_value_is_an_error_that_names_it() -> None:
    with pytest.raises(ReferenceError, match=r"photom_0001.*'F184'.*'F158'"):
        photom(image("F184"), reference(F158=ENTRY), PhotomConfig())
    with pytest.raises(ReferenceError, match="F158 lacks 'pixelareasr'"):
        photom(image("F158"), reference(F158={"photmjsr": 1, "uncertainty": 0}), PhotomConfig())
