"""Telemetry made from a known attitude."""

import numpy as np
import pytest
from astropy.time import Time

from aqueduct.core.errors import InputError
from aqueduct.geometry.pointing import (
    Pointing,
    guide_star_place,
    telescope_attitude,
    velocity_aberration,
)
from aqueduct.geometry.tangent import separation
from aqueduct.level2.set_pointing import SetPointingConfig, average, set_pointing
from aqueduct.products.image import PLANES, Image
from aqueduct.products.references import AttitudeReference

START = Time("2027-04-01T00:00:00")
SECOND = 1 / 86400
Q = np.array([-0.3, 0.4, 0.1, 0.85]) / np.linalg.norm([-0.3, 0.4, 0.1, 0.85])
VELOCITY = (12.0, -25.0, 9.0)


def an_image(**guide_star):
    meta = {
        "exposure": {
            "start_time": START,
            "end_time": Time(START.mjd + 100 * SECOND, format="mjd"),
            "type": "WFI_IMAGE",
            "frame_time": 3.16,
            "read_pattern": [[1]],
        },
        "instrument": {"detector": "WFI07", "optical_element": "F158"},
        "ephemeris": {f"velocity_{axis}": v for axis, v in zip("xyz", VELOCITY, strict=True)},
        "pointing": {"target_aperture": "WFI_CEN", "pointing_engineering_source": "PLANNED"},
        "wcsinfo": {"ra_ref": 1.0},
        "guide_star": guide_star,
    }
    plane = np.zeros((4, 4), np.float32)
    return Image(**dict.fromkeys(PLANES, plane), meta=meta)


def telemetry(seconds, quaternions=None):
    time = START.mjd + SECOND * np.asarray(seconds, float)
    given = np.tile(Q, (len(time), 1)) if quaternions is None else np.asarray(quaternions)
    return AttitudeReference(
        name="attitude.parquet", time=time, to_body=given,
        fgs_time=np.empty(0), to_fgs=np.empty((0, 4)),
    )  # fmt: skip


def test_pointing_is_that_of_the_attitude():
    done = set_pointing(an_image(), telemetry(range(0, 100, 10)), SetPointingConfig()).meta
    expected = Pointing.from_attitude(
        telescope_attitude(Q, guide_star=guide_star_place("WFI07", 0.0, 0.0), velocity=VELOCITY)
    )
    wcsinfo = expected.wcsinfo("WFI07")
    assert done["pointing"]["pointing_engineering_source"] == "CALCULATED"
    assert done["wcsinfo"]["ra_ref"] == pytest.approx(wcsinfo["ra_ref"], abs=1e-12)
    assert done["wcsinfo"]["roll_ref"] == pytest.approx(wcsinfo["roll_ref"], abs=1e-11)
    assert done["velocity_aberration"] == pytest.approx(
        velocity_aberration(wcsinfo["ra_ref"], wcsinfo["dec_ref"], VELOCITY)
    )
    np.testing.assert_allclose(done["pointing"]["quaternion"], Q, atol=1e-15)


def test_guide_star_matters_as_its_aberration_does():
    here, there = (
        set_pointing(image, telemetry([10, 20]), SetPointingConfig()).meta["wcsinfo"]
        for image in (an_image(), an_image(hv_position=(1500.0, -1500.0)))
    )
    apart = 3600e3 * separation(here["ra_ref"], here["dec_ref"], there["ra_ref"], there["dec_ref"])
    # 29 km/s over the speed of light, times some 230 arcsec between the places.
    assert 1 < apart < 1e-4 * 330e3


def test_quaternions_are_averaged_whatever_their_sign():
    drift = np.array([0, 0, 0, 1e-6])
    turned = [Q + drift, drift - Q, Q, 0 * Q]
    made = telemetry([10, 20, 30, 40], turned)
    found = average(made.time, made.to_body, START.mjd, START.mjd + 100 * SECOND, 0.0)
    np.testing.assert_allclose(found, Q, atol=1e-12)


@pytest.mark.parametrize(
    ("seconds", "tolerance", "picked"),
    [
        ([-70, -30, 130, 170], 60, [1, 2]),
        ([-70, -30, 50, 130], 60, [1, 2, 3]),
        ([-30, 10, 20, 130], 60, [1, 2]),
        ([-30, 130], 20, []),
        ([-30], 60, [0]),
    ],
)
def test_samples_around_a_short_exposure(seconds, tolerance, picked):
    q = Q + 1e-3 * np.random.default_rng(1).normal(size=(len(seconds), 4))
    made = telemetry(seconds, q)
    found = average(made.time, q, START.mjd, START.mjd + 100 * SECOND, tolerance)
    if not picked:
        assert found is None
    else:
        total = q[picked].sum(axis=0)
        np.testing.assert_allclose(found, total / np.linalg.norm(total), atol=1e-14)


def test_without_telemetry():
    image, late = an_image(), telemetry([500.0])
    with pytest.raises(InputError, match="no attitude telemetry"):
        set_pointing(image, late, SetPointingConfig())
    assert set_pointing(image, late, SetPointingConfig(on_missing="planned")) is image
