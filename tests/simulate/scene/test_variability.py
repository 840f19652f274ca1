from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.simulate.scene import (
    Flare,
    Microlensing,
    Sawtooth,
    Sinusoid,
    Supernova,
    Tabulated,
    light_curve,
)

DAYS = np.linspace(0.0, 10.0, 100_001)


def test_sinusoid_and_sawtooth_have_mean_one_and_their_amplitude() -> None:
    for curve in (
        Sinusoid(amplitude=0.3, period=2.0, t0=0.4),
        Sawtooth(amplitude=0.3, period=2.0, rise=0.2, t0=0.4),
    ):
        factor = curve.factor(DAYS, "F158")
        assert factor[:-1].mean() == pytest.approx(1.0, abs=1e-4)
        assert factor.max() == pytest.approx(1.3, abs=1e-3)
        assert factor.min() == pytest.approx(0.7, abs=1e-3)
        np.testing.assert_allclose(curve.factor(DAYS + 2.0, "F158"), factor, atol=1e-6)


def test_sawtooth_rises_in_its_share_of_the_period() -> None:
    factor = Sawtooth(amplitude=0.5, period=10.0, rise=0.2).factor(DAYS, "F158")
    assert (np.diff(factor) > 0).mean() == pytest.approx(0.2, abs=1e-3)


def test_flare_peaks_and_decays() -> None:
    flare = Flare(amplitude=3.0, t0=5.0, rise=0.01, decay=0.5)
    assert flare.factor(5.0, "F062") == pytest.approx(4.0)
    assert flare.factor(5.5, "F062") == pytest.approx(1 + 3 / np.e)
    assert flare.factor(4.98, "F062") == 1.0


def test_microlensing_peak_and_width() -> None:
    event = Microlensing(t0=5.0, u0=0.1, te=2.0)
    assert event.factor(5.0, "F146") == pytest.approx(2.01 / (0.1 * np.sqrt(4.01)))
    # At one Einstein radius the magnification is 3 / sqrt(5).
    edge = 5 + 2 * np.sqrt(1 - 0.1**2)
    assert event.factor(edge, "F146") == pytest.approx(3 / np.sqrt(5))
    blended = Microlensing(t0=5.0, u0=0.1, te=2.0, lensed=0.25).factor(5.0, "F146")
    assert blended - 1 == pytest.approx(0.25 * (event.factor(5.0, "F146") - 1))


def test_supernova_declines_as_type_ia_do() -> None:
    # At z = 0.9, F087 shows B: the pivot is 0.87 um.
    supernova = Supernova(t0=0.0, redshift=0.9)
    peak, fifteen, forty_five = (
        -2.5 * np.log10(supernova.factor(day * 1.9, "F087")) for day in (0.0, 15.0, 45.0)
    )
    assert peak == pytest.approx(0.0, abs=1e-9)
    assert fifteen == pytest.approx(1.1, abs=0.1)
    assert forty_five == pytest.approx(3.0, abs=0.3)
    assert supernova.factor(-17.1 * 1.9, "F087") == 0.0


def test_supernova_has_a_second_maximum_in_the_near_infrared() -> None:
    days = np.arange(0.0, 60.0, 0.5)
    nearby = Supernova(t0=0.0)
    infrared, optical = nearby.factor(days, "F158"), nearby.factor(days, "F062")
    assert (np.diff(infrared)[20:50] > 0).any()
    assert (np.diff(optical) < 0).all()


def test_table_is_linear_and_holds_at_its_ends() -> None:
    curve = Tabulated(mjd=(1.0, 3.0), value=(1.0, 2.0))
    np.testing.assert_allclose(curve.factor([0.0, 2.0, 9.0], "F158"), [1.0, 1.5, 2.0])
    with pytest.raises(ValueError, match="ascending"):
        Tabulated(mjd=(3.0, 1.0), value=(1.0, 2.0))


def test_light_curves_come_back_from_their_dictionaries() -> None:
    for curve in (
        Sinusoid(amplitude=0.3, period=2.0),
        Supernova(t0=3.0, redshift=0.2),
        Tabulated(mjd=(1.0, 3.0), value=(1.0, 2.0)),
    ):
        assert light_curve(curve.model_dump()) == curve
    with pytest.raises(InputError, match="light curve"):
        light_curve({"kind": "flare", "amplitude": -1.0, "t0": 0.0})
