from __future__ import annotations

from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.archive import find, update
from aqueduct.archive.query import to_outline
from aqueduct.core.errors import InputError
from aqueduct.geometry.tangent import vector

HALF = 0.0625


def names(found):
    return [entry.name for entry in found]


@pytest.mark.parametrize(
    ("ra", "dec"), [(10.0, 0.0), (0.0, 0.0), (359.99, 45.0), (123.0, 89.99), (0.0, -90.0)]
)
def test_the_footprint_decides_anywhere_on_the_sky(make, tmp_path, ra, dec):
    make("a_cal.asdf", ra, dec)
    update(tmp_path)
    towards_equator = HALF if dec <= 0 else -HALF
    assert find(tmp_path, position=(ra, dec + 0.9 * towards_equator, 0.0))
    # The corners reach 1.41 times as far as the edges: in the circle, not in the square.
    beyond = dec + 1.3 * towards_equator
    assert not find(tmp_path, position=(ra, beyond, 0.0))
    assert find(tmp_path, position=(ra, beyond, 0.31 * HALF))
    assert not find(tmp_path, position=(ra, beyond, 0.29 * HALF))


def test_a_small_footprint_within_a_large_circle_is_found(make, tmp_path):
    make("a_cal.asdf", 10.0, 0.0)
    update(tmp_path)
    assert find(tmp_path, position=(10.0, 60.0, 61.0))
    assert find(tmp_path, position=(190.0, 0.0, 180.0))
    assert not find(tmp_path, position=(10.0, 60.0, 59.0))


def test_conditions_hold_together(make, tmp_path):
    make("l2/a_cal.asdf", element="F158", start="2027-01-01T00:00:00")
    make("l2/b_cal.asdf", element="F129", start="2027-01-02T00:00:00", detector="WFI07")
    make("l2/c_cal.asdf", element="F158", start="2027-01-03T00:00:00")
    update(tmp_path)
    assert names(find(tmp_path, element="f158")) == ["l2/a_cal.asdf", "l2/c_cal.asdf"]
    assert names(find(tmp_path, detector="WFI07")) == ["l2/b_cal.asdf"]
    assert names(find(tmp_path, name="*/[bc]_cal*")) == ["l2/b_cal.asdf", "l2/c_cal.asdf"]
    assert names(find(tmp_path, element="F158", start=datetime(2027, 1, 2))) == ["l2/c_cal.asdf"]
    assert names(find(tmp_path, kind="image", level=2, end=datetime(2027, 1, 1, 12))) == [
        "l2/a_cal.asdf"
    ]
    assert find(tmp_path, level=3) == []


def test_times_compare_by_overlap_and_in_utc(make, tmp_path):
    make("a_cal.asdf", start="2027-01-01T00:00:00")  # lasts 60 s
    update(tmp_path)
    assert find(tmp_path, start=datetime(2027, 1, 1, 0, 0, 30))
    assert not find(tmp_path, start=datetime(2027, 1, 1, 0, 1, 30))
    east = timezone(timedelta(hours=2))
    assert find(tmp_path, end=datetime(2027, 1, 1, 2, 0, tzinfo=east))
    assert not find(tmp_path, end=datetime(2027, 1, 1, 1, 59, tzinfo=east))


@pytest.mark.parametrize("position", [(0.0, 91.0, 0.1), (0.0, 0.0, -1.0), (400.0, 0.0, 0.0)])
def test_a_position_off_the_sky_is_an_error(make, tmp_path, position):
    update(tmp_path)
    with pytest.raises(InputError, match="no position"):
        find(tmp_path, position=position)


angle = st.floats(-3.0, 3.0)


@given(angle, angle, st.lists(st.tuples(angle, angle), min_size=3, max_size=5))
def test_distance_to_an_outline_is_that_of_dense_sampling(x, y, vertices):
    corners = vector(*np.array(vertices).T)
    point = vector(x, y)
    steps = np.linspace(0, 1, 2001)[:, None]
    edges = [
        a * (1 - steps) + b * steps
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)
    ]
    dense = np.concatenate(edges)
    dense /= np.linalg.norm(dense, axis=1, keepdims=True)
    sampled = 2 * np.arcsin(np.linalg.norm(dense - point, axis=1).min() / 2)
    exact = to_outline(corners, point)
    assert exact <= sampled + 1e-12
    assert sampled - exact < 1e-4
