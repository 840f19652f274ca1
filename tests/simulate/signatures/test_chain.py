from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import ConfigError
from aqueduct.instrument import ma_table
from aqueduct.simulate.signatures import (
    EFFECTS,
    ORDER,
    Act,
    Band,
    Frame,
    ReadoutConfig,
    SignaturesConfig,
    read_out,
)

TABLE = ma_table(4).truncated(3)


class LeakConfig(StepConfig):
    level: float = 0.0


def leak(frame: Frame, config: LeakConfig, rng: np.random.Generator) -> Act:
    """An effect that is not part of the package."""

    def apply(band: Band) -> None:
        band.signal += np.float32(config.level)

    return Act(apply)


def taken(uniform: Callable, order: tuple[str, ...], **given: object) -> np.ndarray:
    config = SignaturesConfig(order=order, **given)
    rate = np.full((16, 256), 1.0, np.float32)
    return read_out(rate, uniform((16, 256)), TABLE, config, ReadoutConfig(), 5).data


def test_an_effect_of_ones_own(uniform: Callable) -> None:
    name = f"{__name__}:leak"
    plain = taken(uniform, ("photons", "gain"))
    in_electrons = taken(uniform, ("photons", name, "gain"), extra={name: {"level": 18.0}})
    in_dn = taken(uniform, ("photons", "gain", name), extra={name: {"level": 18.0}})
    assert np.abs(in_electrons - plain.astype(int) - 10).max() <= 1
    np.testing.assert_array_equal(in_dn, plain + 18)
    np.testing.assert_array_equal(taken(uniform, ("photons", "gain", name)), plain)


def test_switching_an_effect_off_changes_no_other(uniform: Callable) -> None:
    both = taken(uniform, ("photons", "gain", "read_noise")).astype(int)
    light = taken(uniform, ("photons", "gain")).astype(int)
    noise = taken(uniform, ("gain", "read_noise")).astype(int) - 5000
    assert np.abs(both - light - noise).max() <= 2
    assert noise.std() > 3


def test_unknown_effects_and_parameters() -> None:
    with pytest.raises(ConfigError, match="cosmic_rays"):
        SignaturesConfig(order=("cosmic_ray",))
    with pytest.raises(ConfigError, match="can't load"):
        SignaturesConfig(order=("aqueduct.nowhere:effect",))
    with pytest.raises(ValueError, match="isn't in the order"):
        SignaturesConfig(extra={"somewhere:else": {}})
    name = f"{__name__}:leak"
    with pytest.raises(ValueError, match="height"):
        SignaturesConfig(order=(name,), extra={name: {"height": 3.0}})


def test_declared_order() -> None:
    assert ORDER[:3] == ("photons", "cosmic_rays", "snowballs")
    assert ORDER.index("ipc") < ORDER.index("gain") < ORDER.index("nonlinearity")
    assert ORDER.index("nonlinearity") < ORDER.index("read_noise") < ORDER.index("inl")
    assert set(EFFECTS) - set(ORDER) == {"brighter_fatter"}
