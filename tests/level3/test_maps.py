from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from level3_frames import make_cell, make_wcs

from aqueduct.core.errors import InputError
from aqueduct.geometry.wcs import cell_wcs
from aqueduct.level3._maps import cell_map


def test_agrees_with_both_gwcs():
    wcs, cell = make_wcs(300), make_cell()
    rows, columns = np.array([-0.5, 17.3, 150.0, 299.5]), np.array([-0.5, 80.1, 299.5])
    x, y = cell_map(wcs, (300, 300), cell).lattice(rows, columns)
    grid = np.meshgrid(columns, rows)
    sky = wcs(*grid, with_bounding_box=False)
    there = cell_wcs(cell).invert(*sky, with_bounding_box=False)
    np.testing.assert_allclose([x, y], there, atol=1e-5)


def test_pixel_area_is_the_ratio_of_the_scales():
    area = cell_map(make_wcs(), (128, 128), make_cell()).pixel_area()
    assert area == pytest.approx(0.11 * 0.1105 / 0.055**2, rel=1e-4)


@pytest.mark.parametrize("where", [{"ra_projection": 271.0}, {"dec_projection": -66.0}])
def test_an_image_off_the_cell_has_no_map(where):
    assert cell_map(make_wcs(), (128, 128), replace(make_cell(), **where)) is None


def test_an_image_without_wcs_is_an_error():
    with pytest.raises(InputError, match="no WCS"):
        cell_map(None, (128, 128), make_cell())
