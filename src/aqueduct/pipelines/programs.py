"""What a simulation works from: a program, its sources, and the streams of random numbers.

Every random number comes of a stream named by the seed, a purpose and, for an exposure, its
number and detector: leaving one exposure out, or asking for another level, changes no other.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import ValidationError

from aqueduct import io
from aqueduct.core.errors import ConfigError, InputError
from aqueduct.core.provenance import file_digest
from aqueduct.io.table import write_table
from aqueduct.pipelines.scene_files import scene_from_file
from aqueduct.products.references import AstrometricReference
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.optical import optical_epsf
from aqueduct.references import write_astrometry
from aqueduct.run.recipe import Recipe
from aqueduct.simulate import (
    Observation,
    ProgramConfig,
    Scene,
    astrometric_catalog,
    draw_scene,
    observations,
    preset,
)
from aqueduct.simulate.level1 import Seen

SCENE = "scene.parquet"
STARS = "astrometry.parquet"
STREAMS: Final = {"scene": 0, "pointing": 1, "catalog": 2, "l1": 3, "l2": 4, "l3": 5, "inject": 6}
_OVERSAMPLE: Final = dict.fromkeys(("F062", "F087", "F106", "F129", "F146"), 8)
"""Samples per pixel of an ePSF where 4 are too few: interpolated from those, pixel values err
by up to 2e-2 of the peak in F062, 5e-3 in F087 and 2e-3 in F129; from 8 by less than 1e-3.
Stars take two to three times as long to draw, galaxies no longer, and memory is 30 MB more."""
_RADIUS: Final = 45
"""Pixels from the star to the edge of an ePSF."""
UNITS = {
    "ra": "deg",
    "dec": "deg",
    "flux": "nJy",
    "rate": "electron / s",
    "expected": "electron",
    "signal": "DN / s",
    "x": "pix",
    "y": "pix",
}


def program_of(
    name: str | None = None,
    file: Path | None = None,
    detectors: Sequence[str] | None = None,
    elements: Sequence[str] | None = None,
    ma_table: int | None = None,
) -> ProgramConfig:
    """The program of a preset or a TOML file, with some parts replaced.

    Raises
    ------
    ConfigError
        If there is no such preset, or the file is no valid program.
    """
    base = preset(name) if name is not None else _from_file(file)
    asked = {"detectors": detectors, "filters": elements, "ma_table": ma_table}
    changes = {key: value for key, value in asked.items() if value is not None}
    return _program({**base.model_dump(), **changes}, "command line")


def _from_file(file: Path | None) -> ProgramConfig:
    if file is None:
        raise ConfigError("neither a preset nor a file is given", hint="try --preset demo")
    try:
        return _program(tomllib.loads(file.read_text()), str(file))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"is no readable TOML file: {error}", where=str(file)) from error


def _program(values: Mapping[str, Any], where: str) -> ProgramConfig:
    try:
        return ProgramConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(
            f"{key}: {first['msg']}",
            where=where,
            hint="see docs/how-to/simulate.md",
        ) from error


@dataclass(frozen=True)
class Sky:
    """The sources of a simulation, and what they came from.

    Attributes
    ----------
    scene : Scene
    program : ProgramConfig
    seed : int
    catalog : str
        sha256 of the file of sources; empty where they are drawn.
    """

    scene: Scene
    program: ProgramConfig
    seed: int
    catalog: str = ""

    @classmethod
    def of(cls, program: ProgramConfig, seed: int | None, catalog: Path | None = None) -> Sky:
        """The sources of a file, or else those that the program draws; seed 1 if not given."""
        seed = 1 if seed is None else seed
        if catalog is None:
            return cls(scene_of(program, seed), program, seed)
        return cls(scene_from_file(catalog), program, seed, file_digest(catalog))

    def rng(self, purpose: str, *what: int) -> np.random.Generator:
        """The stream of a purpose (a key of ``STREAMS``)."""
        return np.random.default_rng([self.seed, STREAMS[purpose], *what])

    def exposure_rng(self, purpose: str, observation: Observation) -> np.random.Generator:
        """The stream of a purpose for one exposure of one detector."""
        return self.rng(purpose, observation.exposure, int(observation.detector[3:]))

    def observations(self) -> list[Observation]:
        """All exposures, in order of time, then detector."""
        return observations(self.program, self.rng("pointing"))

    def given(self) -> dict[str, Any]:
        """What a recipe has to say of the sky: nothing but what differs from a drawn one."""
        return {"catalog": self.catalog} if self.catalog else {}

    def write(self, folder: Path) -> None:
        """The sources as a table that ``--catalog`` reads, and the stars to align to."""
        from aqueduct.simulate.scene import scene_table

        table = scene_table(self.scene)
        units = {name: str(table[name].unit or "none") for name in table.colnames}
        columns = {name: np.asarray(table[name]) for name in table.colnames}
        about = {
            **dict(table.meta),
            "seed": self.seed,
            "program": self.program.model_dump(mode="json"),
        }
        write_table(columns, folder / SCENE, units, about)
        stars = stars_of(self.scene, self.program, self.seed)
        write_astrometry(stars, folder / STARS)


def scene_of(program: ProgramConfig, seed: int) -> Scene:
    """The sources of a program: the same for the same seed."""
    rng = np.random.default_rng([seed, STREAMS["scene"]])
    return draw_scene(program.scene, program.ra, program.dec, program.radius, rng)


def stars_of(scene: Scene, program: ProgramConfig, seed: int) -> AstrometricReference:
    """The astrometric catalog that goes with a scene."""
    rng = np.random.default_rng([seed, STREAMS["catalog"]])
    return astrometric_catalog(scene, program.scene, rng)


@lru_cache(maxsize=2)
def true_epsf(detector: str, element: str, jitter: float, ipc: bool) -> Epsf:
    """The ePSF the sky is seen with; ``ipc``: whether capacitance is in it."""
    oversample = _OVERSAMPLE.get(element, 4)
    size = 2 * _RADIUS * oversample + 1
    return optical_epsf(detector, element, oversample=oversample, size=size, jitter=jitter, ipc=ipc)


def seen_with(observation: Observation, jitter: float) -> Seen:
    """What an exposure sees the sky with, without capacitance."""
    detector, element = observation.detector, observation.optical_element
    if not observation.dispersed:
        return true_epsf(detector, element, jitter, False)
    return partial(_monochromatic, detector, element, jitter)


@lru_cache(maxsize=32)
def _monochromatic(detector: str, element: str, jitter: float, wavelength: float) -> Epsf:
    """The ePSF of one wavelength, micrometre, to 20 pixels from the star."""
    return optical_epsf(detector, element, size=161, jitter=jitter, spectrum=wavelength)


def truth_file(path: Path) -> Path:
    """Where the truth of a simulated product is."""
    root = path.name.removesuffix(".asdf").removesuffix("_uncal")
    return path.with_name(f"{root}_truth.parquet")


def write_truth(columns: Mapping[str, Any], path: Path, recipe: Recipe) -> None:
    """Write the truth of the product ``path``, with the recipe of both."""
    write_table(columns, truth_file(path), UNITS, {"recipe": recipe.to_dict()})


def made(path: Path, recipe: Recipe) -> bool:
    """Whether a product of this recipe is there, with its truth."""
    if not (path.exists() and truth_file(path).exists()):
        return False
    try:
        found = io.peek(path).recipe
    except InputError:
        return False
    return found is not None and bool(found["id"] == recipe.id)
