import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.core.errors import InputError
from aqueduct.geometry.footprint import contains, parse_s_region
from aqueduct.geometry.pointing import (
    LIGHT,
    Pointing,
    attitude,
    observatory_velocity,
    on_sky,
    roll_at,
    velocity_aberration,
)
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.tangent import separation


@given(
    st.floats(0, 359.9),
    st.floats(-89, 89),
    st.floats(0, 359.9),
    st.floats(-2000, 2000),
    st.floats(-2000, 2000),
)
def test_attitude_puts_the_point_where_it_was_told(ra, dec, roll, v2, v3):
    matrix = attitude(ra, dec, roll, v2, v3)
    assert separation(*on_sky(matrix, v2, v3), ra, dec) < 1e-12
    assert abs((roll_at(matrix, v2, v3) - roll + 180) % 360 - 180) < 1e-9
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)


def test_agrees_with_romanisim():
    """Target (270, 66) in WFI_CEN at PA 0, as written by romanisim 0.14."""
    meta = Pointing(270.0, 66.0).meta()
    np.testing.assert_allclose(meta["ra_v1"], 269.99997982112586, atol=1e-11)
    np.testing.assert_allclose(meta["dec_v1"], 66.49599999993342, atol=1e-11)
    np.testing.assert_allclose(meta["pa_v3"], 59.99905189561604, atol=1e-8)


def test_agrees_with_pysiaf():
    rotations = pytest.importorskip("pysiaf.utils.rotations")
    here, centre = aperture("WFI16"), aperture("WFI_CEN")
    info = Pointing(10.0, -20.0, 77.0).wcsinfo("WFI16")
    matrix = rotations.attitude(centre.v2_ref, centre.v3_ref, 10.0, -20.0, 137.0)
    expected = rotations.pointing(matrix, here.v2_ref, here.v3_ref)
    np.testing.assert_allclose((info["ra_ref"], info["dec_ref"]), expected, atol=1e-11)
    roll = rotations.posangle(matrix, here.v2_ref, here.v3_ref)
    np.testing.assert_allclose(info["roll_ref"], roll, atol=1e-9)


def test_a_detector_can_be_the_target():
    info = Pointing(10.0, -20.0, 5.0, aperture="WFI03").wcsinfo("WFI03")
    assert separation(info["ra_ref"], info["dec_ref"], 10.0, -20.0) < 1e-12
    np.testing.assert_allclose(info["roll_ref"], 65.0, atol=1e-9)


def test_s_region_encloses_the_reference_point():
    info = Pointing(359.99, 0.0, 5.0).wcsinfo("WFI08")
    outline = parse_s_region(info["s_region"])
    assert contains(*outline, info["ra_ref"], info["dec_ref"])


def test_no_aberration_at_rest():
    found = velocity_aberration(10.0, 20.0, (0, 0, 0))
    np.testing.assert_allclose(list(found.values()), [1.0, 10.0, 20.0], atol=1e-12)


def test_aberration_head_on_and_sideways():
    beta = 30.0 / LIGHT
    ahead = velocity_aberration(0.0, 0.0, (30.0, 0, 0))
    np.testing.assert_allclose(ahead["scale_factor"], np.sqrt((1 + beta) / (1 - beta)), rtol=1e-15)
    np.testing.assert_allclose(separation(0, 0, ahead["ra_reference"], 0), 0, atol=1e-12)
    aside = velocity_aberration(0.0, 0.0, (0, 30.0, 0))
    np.testing.assert_allclose(np.radians(aside["ra_reference"]), np.arcsin(beta), rtol=1e-9)


def test_incredible_or_absent_velocity():
    with pytest.raises(InputError, match="not credible"):
        velocity_aberration(0, 0, (600, 0, 0))
    with pytest.raises(InputError, match="velocity_z"):
        observatory_velocity({"velocity_x": 1, "velocity_y": 2})
