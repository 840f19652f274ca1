"""Half precision, against numpy's own conversion."""

from __future__ import annotations

import numpy as np
import pytest

from aqueduct.kernels.half import narrowed, widened

EVERY = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def test_every_number_is_widened_exactly() -> None:
    np.testing.assert_array_equal(widened(EVERY), EVERY.astype(np.float32))


def test_every_number_and_every_tie_is_rounded_as_numpy_does() -> None:
    finite = np.sort(EVERY[np.isfinite(EVERY)].astype(np.float32))
    ties = (finite[1:] + finite[:-1]) / 2
    beside = [np.nextafter(ties, np.float32(side)) for side in (-np.inf, np.inf)]
    given = np.concatenate([finite, ties, *beside])
    np.testing.assert_array_equal(
        narrowed(given).view(np.uint16), given.astype(np.float16).view(np.uint16)
    )


@pytest.mark.parametrize("value", [65519.0, 65520.0, 1e9, np.inf])
def test_what_is_too_large_is_held(value: float) -> None:
    given = np.array([[value, -value]], np.float32)
    np.testing.assert_array_equal(narrowed(given), np.array([[65504, -65504]], np.float16))


def test_nan_stays_and_shape_is_kept() -> None:
    given = np.full((3, 4), 1.5, np.float32)[:, ::2]
    given[1, 1] = np.nan
    made = narrowed(given)
    assert (made.dtype, made.shape) == (np.float16, (3, 2))
    np.testing.assert_array_equal(made, given.astype(np.float16))
