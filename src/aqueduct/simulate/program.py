"""A small observing program: which exposures are taken of which piece of sky."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import numpy as np
from pydantic import Field, field_validator

from aqueduct.core.config import StepConfig, nearest
from aqueduct.core.errors import ConfigError
from aqueduct.geometry.pointing import Pointing
from aqueduct.instrument.detectors import sca
from aqueduct.instrument.dispersers import ORDERS
from aqueduct.instrument.filters import ab_zero_point
from aqueduct.instrument.matables import ma_table
from aqueduct.products.names import VisitId
from aqueduct.simulate.detector import DetectorConfig
from aqueduct.simulate.level1 import Level1Config
from aqueduct.simulate.level2 import Level2Config
from aqueduct.simulate.level3 import Level3Config
from aqueduct.simulate.observation import Observation, moved, pointing_error
from aqueduct.simulate.scene import SceneConfig


class ProgramConfig(StepConfig):
    """One visit: every filter or disperser at every dither with every detector."""

    ra: float = Field(270.0, description="Target, degrees")
    dec: float = Field(66.0, ge=-90, le=90, description="Target, degrees")
    pa: float = Field(0.0, description="Position angle of the aperture's Y axis, degrees")
    aperture: str = Field("WFI_CEN", description="SIAF aperture in which the target is seen")
    radius: float = Field(6.0, gt=0, description="Radius of the scene about the target, arcmin")
    detectors: tuple[str, ...] = Field(("WFI01",), description="WFI01 to WFI18")
    filters: tuple[str, ...] = Field(("F158",), description="Filters, GRISM and PRISM, in order")
    ma_table: int = Field(4, description="MA table")
    dithers: tuple[tuple[float, float], ...] = Field(
        ((0.0, 0.0),), min_length=1, description="Offsets to the east and north, arcsec"
    )
    start_time: str = Field("2027-06-01T00:00:00", description="UTC of the first exposure")
    gap: float = Field(60.0, ge=0, description="Seconds between exposures")
    program: int = Field(1, ge=1, le=99999, description="Program number")
    pointing_error: float = Field(
        0.3, ge=0, description="RMS error of the recorded pointing, arcsec per axis"
    )
    persistence: int = Field(
        0, ge=0, description="Earlier exposures of a detector whose persistence Level 1 sees"
    )
    roll_error: float = Field(5.0, ge=0, description="RMS error of the recorded roll, arcsec")
    scene: SceneConfig = SceneConfig.model_validate({})
    detector: DetectorConfig = DetectorConfig.model_validate({})
    level1: Level1Config = Level1Config.model_validate({})
    level2: Level2Config = Level2Config.model_validate({})
    level3: Level3Config = Level3Config.model_validate({})

    @field_validator("detectors")
    @classmethod
    def _known_detectors(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            sca(name)
        return names

    @field_validator("filters")
    @classmethod
    def _known_filters(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if name not in ORDERS:
                ab_zero_point("WFI01", name)
        return names


def presets() -> tuple[str, ...]:
    """Names of the programs that come with the package."""
    folder = files("aqueduct.simulate") / "presets"
    return tuple(sorted(p.name.removesuffix(".toml") for p in folder.iterdir()))


def preset(name: str) -> ProgramConfig:
    """A program that comes with the package.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if name not in presets():
        raise ConfigError(f"no preset {name!r}", hint=nearest(name, presets()))
    text = (files("aqueduct.simulate") / "presets" / f"{name}.toml").read_text()
    return ProgramConfig(**tomllib.loads(text))


def observations(config: ProgramConfig, rng: np.random.Generator) -> list[Observation]:
    """All exposures of a program, in order of time, then detector.

    The detectors of an exposure share its pointing error.
    """
    from astropy.time import Time, TimeDelta

    taken: list[Observation] = []
    start = Time(config.start_time, scale="utc")
    target = Pointing(config.ra, config.dec, config.pa, config.aperture)
    plan = [(element, dither) for element in config.filters for dither in config.dithers]
    for k, (element, (east, north)) in enumerate(plan):
        table = ma_table(config.ma_table).in_mode("WSM" if element in ORDERS else "WIM")
        pointing = moved(target, east, north, 0.0)
        true = moved(pointing, *pointing_error(config.pointing_error, config.roll_error, rng))
        taken += [
            Observation(
                visit=VisitId(config.program, 1, 1, 1, 1, 1),
                exposure=k + 1,
                detector=detector,
                optical_element=element,
                table=table,
                start_time=start,
                pointing=pointing,
                true_pointing=true,
                exposures=len(plan),
            )
            for detector in config.detectors
        ]
        start += TimeDelta(table.accumulated_exposure_time[-1] + config.gap, format="sec")
    return taken
