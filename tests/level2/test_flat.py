from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.level2.flat import FlatConfig, flat
from aqueduct.products import Image
from aqueduct.products.references import FlatReference

NAMES = ("data", "err", "var_poisson", "var_rnoise", "chisq", "dumo")


def image(value: float = 8.0) -> Image:
    planes = {name: np.full((2, 3), value, np.float32) for name in NAMES}
    return Image(dq=np.zeros((2, 3), np.uint32), meta={}, **planes)


def reference(response: float) -> FlatReference:
    return FlatReference(
        data=np.full((2, 3), response, np.float32),
        err=np.full((2, 3), 0.01, np.float32),
        dq=np.zeros((2, 3), np.uint32),
    )


def test_every_plane_is_scaled_by_its_power_of_the_response() -> None:
    made = flat(image(), reference(0.5), FlatConfig())
    expected = {"data": 16, "err": 16, "dumo": 16, "var_poisson": 32, "var_rnoise": 32, "chisq": 8}
    for name, value in expected.items():
        plane = getattr(made, name)
        assert plane.dtype == np.float32
        np.testing.assert_array_equal(plane, value)
    assert not made.dq.any()


def test_flat_error_is_added_in_quadrature_on_request() -> None:
    made = flat(image(), reference(0.5), FlatConfig(include_var_flat=True))
    np.testing.assert_allclose(made.err, np.hypot(16, 16 * 0.01 / 0.5), rtol=1e-6)
    np.testing.assert_array_equal(made.var_poisson, 32)


@pytest.mark.parametrize("response", [0.0, np.nan, np.inf, 0.5])
def test_without_a_response_the_pixel_is_left_and_flagged(response: float) -> None:
    given = reference(2.0)
    given.data[1, 1] = response
    given.dq[1, 1] = dq.NO_FLAT_FIELD if response == 0.5 else 0
    made = flat(image(), given, FlatConfig(include_var_flat=True))
    assert made.data[1, 1] == 8
    assert made.err[1, 1] == 8
    assert made.dq[1, 1] == dq.NO_FLAT_FIELD
    assert made.data[0, 0] == 4
    assert np.count_nonzero(made.dq) == 1
