from __future__ import annotations

import numpy as np
import pytest

from aqueduct.level2.reference_pixels import ReferencePixelsConfig, reference_pixels
from aqueduct.products import Raw
from aqueduct.products.references import MaskReference
from aqueduct.products.window import FRAME


@pytest.fixture(scope="module")
def made() -> Raw:
    row, column = np.indices((FRAME, FRAME), sparse=True)
    data = np.stack([row + 2 * column + 4000, row + 2 * column + 4001]).astype(np.uint16)
    amp33 = np.full((2, FRAME, 128), 4100, np.uint16)
    amp33[0, 0, 0] = 3000
    raw = Raw(
        data,
        amp33,
        {"instrument": {"data_encoding_offset": 4000}},
        reference_read=np.full((FRAME, FRAME), 7, np.uint16),
        reference_amp33=np.full((FRAME, 128), 50, np.uint16),
        extras={"kept": np.zeros((1, 1), np.float32)},
    )
    flags = (row * FRAME + column).astype(np.uint32)
    return reference_pixels(raw, MaskReference(dq=flags), ReferencePixelsConfig())


@pytest.mark.parametrize(
    ("side", "rows", "columns"),
    [
        ("left", slice(None), slice(0, 4)),
        ("right", slice(None), slice(4092, 4096)),
        ("bottom", slice(0, 4), slice(None)),
        ("top", slice(4092, 4096), slice(None)),
    ],
)
def test_borders_lie_where_rad_says(made: Raw, side: str, rows: slice, columns: slice) -> None:
    row, column = np.indices((FRAME, FRAME), sparse=True)
    border = made.extras[f"border_ref_pix_{side}"]
    assert border.dtype == np.float32
    np.testing.assert_array_equal(border[1], (row + 2 * column + 8)[rows, columns])
    flags = made.extras[f"dq_border_ref_pix_{side}"]
    assert flags.dtype == np.uint32
    np.testing.assert_array_equal(flags, (row * FRAME + column)[rows, columns])


def test_amp33_is_decoded_and_held_within_its_type(made: Raw) -> None:
    amp33 = made.extras["amp33"]
    assert amp33.dtype == np.uint16
    assert amp33[1, 0, 0] == 150
    assert amp33[0, 0, 0] == 0


def test_other_extras_stay(made: Raw) -> None:
    assert "kept" in made.extras
