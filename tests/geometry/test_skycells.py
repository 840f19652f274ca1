"""The tessellation against the two regions that the official tools ship for their tests."""

from pathlib import Path

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.geometry import skycells
from aqueduct.geometry.footprint import area, clip
from aqueduct.geometry.skycells import (
    PITCH,
    REGIONS,
    SkyCell,
    cell,
    cells_of_region,
    cells_overlapping,
    owner,
    owns,
    region,
    region_index,
)
from aqueduct.geometry.tangent import TangentPlane, separation


@pytest.fixture(scope="module")
def official():
    return np.load(Path(__file__).parent / "data" / "skycells.npz")


@pytest.fixture(scope="module")
def ours(official):
    return [*cells_of_region(0), *cells_of_region(1), cell(str(official["names"][-1].astype(str)))]


def random_sky(count, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 360, count), np.degrees(np.arcsin(rng.uniform(-1, 1, count)))


def test_regions_are_the_official_ones(official):
    for row in official["regions"]:
        here = region(int(row["index"]))
        for name in ("ra_tangent", "dec_tangent", "ra_min", "ra_max", "dec_min", "dec_max"):
            assert getattr(here, name) == pytest.approx(row[name], abs=1e-12)
        assert (here.nx, here.ny) == (row["nx"], row["ny"])


def test_names_and_order_are_the_official_ones(official, ours):
    assert [one.name for one in ours] == official["names"].astype(str).tolist()


def test_corners_are_the_official_ones(official, ours):
    corners = np.array([np.stack(one.corners(), axis=1) for one in ours])
    apart = separation(*np.moveaxis(corners, -1, 0), *np.moveaxis(official["corners"], -1, 0))
    assert apart.max() < 1e-12


def test_grids_are_the_official_ones(official, ours):
    assert np.array_equal([(one.x0, one.y0) for one in ours], official["tangents"])
    centers = np.array([(one.ra_center, one.dec_center) for one in ours])
    assert separation(*centers.T, *official["centers"].T).max() < 1e-12
    turn = [one.orientation for one in ours] - official["orientat"]
    assert np.abs((turn + 180) % 360 - 180).max() < 1e-4


def test_every_position_is_in_one_region():
    ra, dec = random_sky(3000)
    indices = region_index(ra, dec)
    holding = np.zeros(len(ra), int)
    for index in range(REGIONS):
        inside = region(index).holds(ra, dec)
        holding += inside
        assert (indices[inside] == index).all()
    assert (holding == 1).all()


def test_the_owner_is_the_one_core_that_holds_a_position():
    ra, dec = random_sky(8)
    for a, d, name in zip(ra, dec, owner(ra, dec), strict=True):
        x, y = cell(str(name)).plane.to_pixel(a, d)
        assert 99.5 <= x < 4899.5 and 99.5 <= y < 4899.5
        siblings = cells_of_region(int(region_index(a, d)))
        near = [s for s in siblings if separation(s.ra_center, s.dec_center, a, d) < 0.15]
        assert len(near) >= 4 and [s.name for s in near if owns(s, a, d)] == [name]


@pytest.mark.parametrize("index", [0, 79, 1, 2000, 4057])
def test_positions_at_the_bounds_of_a_region_lie_on_their_owner(index):
    here = region(index)
    width = (here.ra_max - here.ra_min) % 360 or 360
    rng = np.random.default_rng(index)
    ra = (here.ra_min + width * rng.uniform(0, 1, 2000)) % 360
    dec = np.where(rng.uniform(size=2000) < 0.5, here.dec_min + 1e-6, here.dec_max - 1e-6)
    names = owner(ra, dec)
    for name in np.unique(names):
        x, y = cell(str(name)).plane.to_pixel(ra[names == name], dec[names == name])
        assert (np.abs(x - 2499.5) < 2500).all() and (np.abs(y - 2499.5) < 2500).all()


def test_poles_have_owners():
    assert owner([0.0, 77.0], [90.0, -90.0]).tolist() == ["135p90x50y50", "225m90x50y50"]


def test_overlapping_cells_are_all_those_that_share_area():
    """Against a scan of all cells of the regions around, at a corner of four regions."""
    here = region(1000)
    plane = TangentPlane(here.ra_max, here.dec_max)
    turn = np.radians(30.0) + np.pi / 2 * np.arange(4)
    ra, dec = plane.to_sky(0.1 * np.cos(turn), 0.1 * np.sin(turn))
    expected = []
    square = np.array([[-0.5, -0.5], [4999.5, -0.5], [4999.5, 4999.5], [-0.5, 4999.5]])
    far = separation(
        here.ra_max,
        here.dec_max,
        *np.array([(region(k).ra_tangent, region(k).dec_tangent) for k in range(REGIONS)]).T,
    )
    for index in np.nonzero(far < 6)[0]:
        for one in cells_of_region(int(index)):
            if separation(one.ra_center, one.dec_center, here.ra_max, here.dec_max) < 0.3:
                polygon = np.stack(one.plane.to_pixel(ra, dec), axis=1)
                if area(clip(polygon, square)) > 0:
                    expected.append(one.name)
    found = [one.name for one in cells_overlapping(ra, dec)]
    assert len({name[:6] for name in found}) >= 3
    assert found == expected


def test_cells_at_the_pole_are_found():
    ra, dec = TangentPlane(0.0, 90.0).to_sky([-0.01, 0.01, 0.01, -0.01], [-0.01, -0.01, 0.01, 0.01])
    assert [one.name for one in cells_overlapping(ra, dec)] == ["135p90x50y50"]


def test_wcs_info_returns_to_itself():
    here = cell("270p65x70y49")
    assert SkyCell.from_wcs_info(here.wcs_info()) == here
    assert here.y0 == 2499.5 - 20 * PITCH and here.x0 == 2499.5 + PITCH


@pytest.mark.parametrize(
    "change", [{"nx": None}, {"ny": 4000}, {"orientat_projection_center": 3.0}]
)
def test_wcs_info_that_is_no_cell_is_refused(change):
    with pytest.raises(InputError, match="270p65x70y49"):
        SkyCell.from_wcs_info({**cell("270p65x70y49").wcs_info(), **change})


def test_a_row_of_the_reference_file_gives_the_cell(official):
    ours = cells_of_region(1)[0]
    row = {
        "name": ours.name,
        "x_tangent": ours.x0,
        "y_tangent": ours.y0,
        "ra_center": ours.ra_center,
        "dec_center": ours.dec_center,
        "orientat": ours.orientation,
    }
    meta = {"pixel_scale": 0.055, "nxy_skycell": 5000}
    assert SkyCell.from_table(row, official["regions"][1], meta) == ours


@pytest.mark.parametrize("name", ["270p65x70", "271p65x50y50", "270p65x99y50", "270p65x85y85"])
def test_unknown_cells_are_refused(name):
    with pytest.raises(InputError, match=name):
        cell(name)


def test_unknown_region_is_refused():
    with pytest.raises(InputError, match="4058"):
        region(4058)


def test_all_prefixes_differ():
    assert len(skycells._prefixes()) == REGIONS
