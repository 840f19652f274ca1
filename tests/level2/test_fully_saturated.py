from __future__ import annotations

import numpy as np

from aqueduct.core import dq
from aqueduct.level2.fully_saturated import FullySaturatedConfig, fully_saturated
from aqueduct.products import Image

FULL = np.uint32(dq.SATURATED | dq.DO_NOT_USE | dq.HOT)


def image() -> Image:
    nothing = np.full((3, 4), np.nan, np.float32)
    names = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo")
    planes = {name: nothing.copy() for name in names}
    return Image(dq=np.full((3, 4), FULL), meta={"cal_step": {"dq_init": "COMPLETE"}}, **planes)


def made(one: Image) -> Image:
    return fully_saturated(one, config=FullySaturatedConfig())


def test_all_planes_are_zero_and_the_flags_stay() -> None:
    given = image()
    found = made(given)
    for name in ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo"):
        plane = getattr(found, name)
        assert (
            plane.dtype == np.float32 and not plane.any() and np.isnan(getattr(given, name)).all()
        )
    assert (found.dq == FULL).all()
    status = found.meta["cal_step"]
    assert status["ramp_fit"] == status["flat_field"] == status["refpix"] == "SKIPPED"
    assert status["dq_init"] == "COMPLETE" and "saturation" not in status


def test_one_pixel_with_a_rate_or_without_the_flag_is_enough() -> None:
    for change in ("rate", "flag"):
        given = image()
        if change == "rate":
            given.data[2, 3] = 1.0
        else:
            given.dq[2, 3] = dq.DO_NOT_USE
        assert made(given) is given
