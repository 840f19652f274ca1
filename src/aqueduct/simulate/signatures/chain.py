"""The effects of an exposure, in the order in which they act.

The order is declared in :class:`SignaturesConfig`: a config can leave effects out, reorder
them, or add its own as ``module:function`` with the parameters of that function's config
under ``extra``. Each effect has a random stream of its own, keyed by its name: switching
one off changes nothing in the others.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any, Final, cast, get_type_hints

import numpy as np
from pydantic import Field, model_validator

from aqueduct.core.config import StepConfig, nearest
from aqueduct.core.errors import ConfigError
from aqueduct.simulate.signatures.amplifier import gain, nonlinearity
from aqueduct.simulate.signatures.capacitance import BrighterFatterConfig, brighter_fatter, ipc
from aqueduct.simulate.signatures.converter import inl
from aqueduct.simulate.signatures.cosmic_rays import CosmicRayConfig, cosmic_rays
from aqueduct.simulate.signatures.frame import Act, Effect, Frame
from aqueduct.simulate.signatures.guide_window import GuideWindowConfig, guide_window
from aqueduct.simulate.signatures.persistence import PersistenceConfig, persistence
from aqueduct.simulate.signatures.photons import PhotonConfig, photons
from aqueduct.simulate.signatures.pink import pink
from aqueduct.simulate.signatures.read_noise import TelegraphConfig, read_noise, telegraph
from aqueduct.simulate.signatures.reset import dark_decay, wfi18_transient
from aqueduct.simulate.signatures.snowballs import SnowballConfig, snowballs

EFFECTS: Final[dict[str, Callable[..., Act | None]]] = {
    effect.__name__: effect
    for effect in (
        photons,
        cosmic_rays,
        snowballs,
        persistence,
        guide_window,
        brighter_fatter,
        ipc,
        gain,
        nonlinearity,
        telegraph,
        dark_decay,
        wfi18_transient,
        read_noise,
        pink,
        inl,
    )
}
ORDER: Final = tuple(name for name in EFFECTS if name != "brighter_fatter")
"""Effects that are on by default: all but the brighter-fatter effect."""


class SignaturesConfig(StepConfig):
    """Which effects act, in which order, with which parameters."""

    order: tuple[str, ...] = Field(
        ORDER, description="Names of effects, or module:function, in the order they act"
    )
    photons: PhotonConfig = PhotonConfig.model_validate({})
    cosmic_rays: CosmicRayConfig = CosmicRayConfig.model_validate({})
    snowballs: SnowballConfig = SnowballConfig.model_validate({})
    persistence: PersistenceConfig = PersistenceConfig.model_validate({})
    guide_window: GuideWindowConfig = GuideWindowConfig.model_validate({})
    brighter_fatter: BrighterFatterConfig = BrighterFatterConfig.model_validate({})
    telegraph: TelegraphConfig = TelegraphConfig.model_validate({})
    extra: dict[str, dict[str, Any]] = Field(
        {}, description="Parameters of effects given as module:function"
    )

    @model_validator(mode="after")
    def _known(self) -> SignaturesConfig:
        for name in self.order:
            parameters(resolve(name), name, self)
        if unused := [name for name in self.extra if name not in self.order]:
            raise ValueError(f"parameters for an effect that isn't in the order: {unused[0]}")
        return self


def resolve(name: str) -> Effect:
    """The effect of that name, or at that ``module:function``.

    Raises
    ------
    ConfigError
        If there is none.
    """
    if name in EFFECTS:
        return EFFECTS[name]
    module, colon, function = name.partition(":")
    if not colon:
        raise ConfigError(f"no effect {name!r}", hint=nearest(name, EFFECTS))
    try:
        return cast(Effect, getattr(importlib.import_module(module), function))
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"can't load the effect {name!r}: {error}", hint="give it as module:function"
        ) from error


def parameters(effect: Effect, name: str, config: SignaturesConfig) -> StepConfig:
    """The config of an effect: a field of ``config``, or made from its ``extra``."""
    if isinstance(given := getattr(config, name, None), StepConfig):
        return given
    kind = get_type_hints(effect).get("config", StepConfig)
    return cast(StepConfig, kind(**config.extra.get(name, {})))


def stream(seed: int, name: str) -> np.random.Generator:
    """The random numbers of the effect of that name."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def prepare(frame: Frame, config: SignaturesConfig, seed: int) -> list[Act]:
    """What is to be done to each band of a frame, in order."""
    acts = []
    for name in config.order:
        effect = resolve(name)
        acts.append(effect(frame, parameters(effect, name, config), stream(seed, name)))
    return [act for act in acts if act is not None]
