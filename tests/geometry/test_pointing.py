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
    guide_star_place,
    observatory_velocity,
    on_sky,
    quaternion_matrix,
    roll_at,
    telescope_attitude,
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


BODY = (-0.30265996338319096, 0.40354661784425466, 0.10088665446106367, 0.8575365629190411)


def test_attitude_from_quaternions_is_that_of_romancal():
    """set_telescope_pointing of romancal 1.1.0, without velocity."""
    found = Pointing.from_attitude(telescope_attitude(BODY))
    wcsinfo, meta = found.wcsinfo("WFI07"), found.meta()
    expected = 353.46538833999375, -49.3217097677334
    assert separation(wcsinfo["ra_ref"], wcsinfo["dec_ref"], *expected) * 3600e3 < 1e-5
    assert wcsinfo["roll_ref"] == pytest.approx(41.94721210781134, abs=1e-9)
    v1 = separation(meta["ra_v1"], meta["dec_v1"], 353.7821826504788, -48.86665292194811)
    assert v1 * 3600e3 < 1e-5
    assert meta["pa_v3"] == pytest.approx(41.70716059963511, abs=1e-9)


@pytest.mark.parametrize(
    ("ra", "dec", "limit"),
    [
        pytest.param(353.4722798538854, -49.32496872986395, 1e-5, id="matrix squared"),
        pytest.param(353.47227980024985, -49.324969232156405, 2.0, id="its elements squared"),
    ],
)
def test_aberration_is_taken_out_at_the_guide_star(ra, dec, limit):
    """romancal 1.1.0, as it is and with its rotation put right: 1.8 mas apart."""
    star = guide_star_place("WFI07", 300.0, -500.0)
    assert star == pytest.approx((1253.8157010250466, -516.8695611310532), abs=1e-6)
    matrix = telescope_attitude(BODY, guide_star=star, velocity=(12.0, -25.0, 9.0))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-14)
    wcsinfo = Pointing.from_attitude(matrix).wcsinfo("WFI07")
    assert separation(wcsinfo["ra_ref"], wcsinfo["dec_ref"], ra, dec) * 3600e3 < limit


def test_pointing_of_an_attitude_gives_it_back(pointing):
    for name in ("WFI_CEN", "WFI11"):
        found = Pointing.from_attitude(pointing.attitude, name)
        np.testing.assert_allclose(found.attitude, pointing.attitude, atol=1e-14)


def test_quaternions_of_any_length_and_either_sign_turn_alike():
    expected = quaternion_matrix(BODY)
    np.testing.assert_allclose(quaternion_matrix(np.multiply(-3.0, BODY)), expected, atol=1e-15)
    # A quarter turn about z takes x to y: the axes of the frame turn the other way.
    half = np.sqrt(0.5)
    np.testing.assert_allclose(
        quaternion_matrix((0, 0, half, half)) @ [1, 0, 0], [0, -1, 0], atol=1e-15
    )


@pytest.mark.parametrize("bad", [(0, 0, 0, 0), (np.nan, 0, 0, 1)])
def test_no_rotation(bad):
    with pytest.raises(InputError, match="no rotation"):
        quaternion_matrix(bad)
