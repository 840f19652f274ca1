from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import ConfigError, InputError
from aqueduct.instrument import (
    DETECTORS,
    background,
    detector_noise,
    ma_table,
    njy_per_electron,
    sca,
)
from aqueduct.instrument.detectors import flips_columns
from aqueduct.instrument.ephemeris import ephemeris
from aqueduct.instrument.filters import FILTERS, ab_zero_point, effective_area
from aqueduct.instrument.matables import numbers
from aqueduct.instrument.noise import IPC


def test_detectors() -> None:
    assert [sca(name) for name in DETECTORS] == list(range(1, 19))
    assert [name for name in DETECTORS if flips_columns(name)] == [
        f"WFI{n:02d}" for n in (3, 6, 9, 12, 15, 18)
    ]
    with pytest.raises(InputError, match="WFI19"):
        sca("WFI19")


@pytest.mark.parametrize("detector", ["WFI01", "WFI18"])
@pytest.mark.parametrize("element", FILTERS)
def test_flux_of_one_electron_is_the_integral_over_the_filter(detector: str, element: str) -> None:
    wave, area = effective_area(detector, element)
    # rate = integral A f_nu / (h nu) dnu = f_nu / h * integral A dlambda / lambda
    per_njy = 1e-35 / 6.62607015e-34 * np.trapezoid(area / wave, wave)
    assert njy_per_electron(detector, element) == pytest.approx(1 / per_njy, rel=2e-3)
    magnitude = 31.4 - 2.5 * np.log10(njy_per_electron(detector, element))
    assert ab_zero_point(detector, element) == pytest.approx(magnitude, abs=1e-3)


def test_backgrounds() -> None:
    assert background("F158") == (0.244, 0.048)
    assert background("F213") == (0.118, 4.38)
    with pytest.raises(InputError, match="F158"):
        background("H158")


def test_noise_is_that_of_the_ground_tests() -> None:
    noise = detector_noise("WFI01")
    assert (noise.dark, noise.total) == (0.019, 6.67)
    assert noise.read == pytest.approx(17.49 / np.sqrt(2))
    assert IPC.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("number", numbers())
def test_ma_tables_are_well_formed(number: int) -> None:
    reads = np.concatenate(ma_table(number).read_pattern)
    assert reads[0] == 1
    assert (np.diff(reads) >= 1).all()


def test_times_of_an_ma_table() -> None:
    table = ma_table(4)
    assert table.read_pattern[3] == (5, 6, 7, 8, 9)
    assert table.reads == 44
    assert table.accumulated_exposure_time[-1] == pytest.approx(139.14868)
    assert table.effective_exposure_time[3] == pytest.approx(7 * 3.16247)
    assert table.truncated(4).read_pattern == table.read_pattern[:4]
    with pytest.raises(ConfigError, match="1 to 9"):
        table.truncated(10)


def test_ma_table_unknown() -> None:
    with pytest.raises(ConfigError, match="no MA table 99"):
        ma_table(99)


def test_observatory_moves_with_the_earth() -> None:
    from astropy.time import Time

    orbit = ephemeris(Time("2027-06-01"))
    speed = np.linalg.norm([orbit[f"velocity_{axis}"] for axis in "xyz"])
    distance = np.linalg.norm([orbit[f"spatial_{axis}"] for axis in "xyz"]) / 1.495978707e8
    assert speed == pytest.approx(29.6, abs=0.6)
    assert distance == pytest.approx(1.02, abs=0.02)
