from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.level2.dark import DarkConfig, dark
from aqueduct.products import Image
from aqueduct.products.references import DarkReference

SHAPE = (3, 4)


def image() -> Image:
    planes = {name: np.ones(SHAPE, np.float32) for name in ("err", "chisq", "dumo")}
    variances = {name: np.ones(SHAPE, np.float32) for name in ("var_poisson", "var_rnoise")}
    data = np.arange(12, dtype=np.float32).reshape(SHAPE)
    return Image(data=data, dq=np.full(SHAPE, 4, np.uint32), meta={}, **planes, **variances)


def reference() -> DarkReference:
    rate = np.linspace(0, 0.5, 12, dtype=np.float32).reshape(SHAPE)
    flags = np.zeros(SHAPE, np.uint32)
    flags[1, 1] = dq.HOT
    return DarkReference(dark_slope=rate, dark_slope_error=rate / 10, dq=flags)


@pytest.mark.parametrize("scale", [0.0, 1.0, 2.5])
def test_rate_is_subtracted_and_flags_are_added(scale: float) -> None:
    given = image()
    made = dark(given, reference(), DarkConfig(scale=scale))
    np.testing.assert_allclose(given.data - made.data, scale * reference().dark_slope, atol=1e-6)
    assert made.data.dtype == np.float32
    assert made.dq[1, 1] == 4 | dq.HOT
    assert made.dq[0, 0] == 4
    np.testing.assert_array_equal(given.data, image().data)


def test_a_pixel_with_an_unknown_dark_rate_is_not_used() -> None:
    given = reference()
    given.dark_slope[2, 3] = np.nan
    made = dark(image(), given, DarkConfig())
    assert made.dq[2, 3] == 4 | dq.DO_NOT_USE
    assert np.count_nonzero(made.dq & dq.DO_NOT_USE) == 1
