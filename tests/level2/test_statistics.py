"""Statistics against numpy on all pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.time import Time
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aqueduct.core import dq
from aqueduct.instrument.zodiacal import surface_brightness
from aqueduct.level2.statistics import StatisticsConfig, statistics
from aqueduct.products import Image
from aqueduct.products.meta import updated

META = {
    "instrument": {"detector": "WFI07", "optical_element": "F129"},
    "exposure": {
        "type": "WFI_IMAGE",
        "frame_time": 3.0,
        "read_pattern": [[1], [2]],
        "start_time": Time("2027-06-01T00:00:00"),
    },
    "wcsinfo": {"ra_ref": 270.0, "dec_ref": 66.0},
}
EVERY = StatisticsConfig(rows=1)


def image(data: np.ndarray, flags: np.ndarray | None = None) -> Image:
    data = np.asarray(data, np.float32)
    flags = np.zeros(data.shape, np.uint32) if flags is None else flags
    one = np.ones(data.shape, np.float16)
    names = ("err", "var_poisson", "var_rnoise", "chisq", "dumo")
    return Image(data=data, dq=flags, meta=META, **dict.fromkeys(names, one))


def found(one: Image, config: StatisticsConfig = EVERY) -> dict:
    return statistics(one, config=config).meta["statistics"]


@settings(deadline=None)
@given(arrays(np.float32, (5, 6), elements=st.floats(-100, 100, width=32)))
def test_median_and_deviation_are_those_of_numpy(data: np.ndarray) -> None:
    about = found(image(data))
    middle = np.median(data.astype(float))
    assert about["image_median"] == pytest.approx(middle, abs=1e-5)
    # An even count has two middle distances; the outer one is taken.
    distance = np.sort(np.abs(data.astype(float) - middle).ravel())[data.size // 2]
    assert about["image_rms"] == pytest.approx(1.482602 * distance, abs=2e-4)


def test_bad_pixels_do_not_count() -> None:
    rng = np.random.default_rng(2)
    data, flags = rng.normal(5, 2, (40, 50)), np.zeros((40, 50), np.uint32)
    bad = rng.random((40, 50)) < 0.2
    flags[bad], flags[3, 3] = dq.DO_NOT_USE, dq.HOT
    data[bad] = 1e9
    one = image(data, flags)
    one.data[~bad & (rng.random((40, 50)) < 0.05)] = np.nan
    one.err[0] = 0
    about = found(one)
    good = ~bad & np.isfinite(one.data) & (one.err > 0)
    assert about["image_median"] == pytest.approx(np.median(one.data[good]), abs=1e-6)
    assert about["good_pixel_fraction"] == pytest.approx(1 - bad.mean())


def test_the_background_is_the_sky_below_the_sources() -> None:
    rng = np.random.default_rng(3)
    data = rng.normal(0.3, 0.1, (400, 400))
    data[rng.random(data.shape) < 0.1] += rng.exponential(5)
    made = statistics(image(data), config=EVERY).meta
    assert made["background"]["level"] == pytest.approx(0.3, abs=0.01)
    assert made["background"]["level"] < made["statistics"]["image_median"]
    assert made["background"] | {"level": 0} == {"level": 0, "method": "local", "subtracted": False}


def test_a_sample_of_rows_is_near_enough() -> None:
    data = np.random.default_rng(4).normal(0.3, 0.1, (2000, 500))
    some, every = found(image(data), StatisticsConfig()), found(image(data))
    assert some["image_median"] == pytest.approx(every["image_median"], abs=2e-3)
    assert some["image_rms"] == pytest.approx(every["image_rms"], rel=0.02)


def test_without_a_good_pixel_there_is_no_background() -> None:
    made = statistics(image(np.full((8, 8), np.nan)), config=EVERY).meta
    assert made["background"]["level"] is None
    assert np.isnan(made["statistics"]["image_median"])


def zodiacal(one: Image) -> float:
    return found(one)["zodiacal_light"]


def test_zodiacal_light_is_that_of_place_and_date() -> None:
    one = image(np.ones((4, 4)))
    time = META["exposure"]["start_time"]
    assert zodiacal(one) == surface_brightness(270.0, 66.0, time, "WFI07", "F129") > 0
    sunward = replace(one, meta=updated(META, wcsinfo={"ra_ref": 70.0, "dec_ref": 22.0}))
    assert zodiacal(sunward) == -1
    grism = updated(META, instrument={"optical_element": "GRISM"})
    assert zodiacal(replace(one, meta=grism)) > 0


@pytest.mark.parametrize("kind", ["WFI_IM_DARK", "WFI_SP_DARK", "WFI_FLAT"])
def test_no_sky_is_seen_in_the_dark(kind: str) -> None:
    one = image(np.ones((4, 4)))
    assert zodiacal(replace(one, meta=updated(META, exposure={"type": kind}))) == 0
