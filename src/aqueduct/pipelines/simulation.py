"""Simulate Level 1 exposures of a small program, with the truth beside them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from aqueduct import io
from aqueduct.core.errors import ConfigError, InputError
from aqueduct.io.table import write_table
from aqueduct.pipelines.make_references import detector_truth
from aqueduct.products import Raw
from aqueduct.products.references import AstrometricReference
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.optical import optical_epsf
from aqueduct.references import write_astrometry
from aqueduct.run import Unit, Watcher
from aqueduct.run.forecast import Forecast, check_space
from aqueduct.run.job import Outcome
from aqueduct.run.ledger import record
from aqueduct.run.meter import Meter
from aqueduct.run.recipe import Recipe
from aqueduct.simulate import (
    Observation,
    ProgramConfig,
    Scene,
    astrometric_catalog,
    draw_scene,
    level1,
    observations,
    preset,
)

SCENE = "scene.parquet"
STARS = "astrometry.parquet"
STAGE = "simulate"
_MEMORY = 3 << 30
"""Bytes at the peak, as measured."""
_UNITS = {
    "ra": "deg",
    "dec": "deg",
    "flux": "nJy",
    "rate": "electron / s",
    "x": "pix",
    "y": "pix",
    "radius": "arcsec",
    "position_angle": "deg",
    "pmra": "mas / yr",
    "pmdec": "mas / yr",
    "parallax": "mas",
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
            f"{key}: {first['msg']}", where=where, hint="see docs/reference/simulation"
        ) from error


def simulate_l1(
    *,
    preset: str | None = None,
    config: Path | None = None,
    detectors: Sequence[str] | None = None,
    elements: Sequence[str] | None = None,
    ma_table: int | None = None,
    seed: int | None = None,
    out: Path = Path(),
    watcher: Watcher | None = None,
) -> list[Path]:
    """Simulate every exposure of a program.

    Beside each exposure is its truth (``_truth.parquet``: x, y, ra, dec, flux, rate of every
    source on the detector); beside all of them the scene and an astrometric catalog with
    realistic errors.

    Parameters
    ----------
    preset, config
        Name of a preset, or a TOML file; one of them.
    detectors, elements, ma_table
        Replace those of the program.
    seed : int, optional
        Of everything random but the detectors themselves; 1 if not given.
    out : Path
        Folder of the products; made if absent.
    watcher : Watcher, optional
        Hears of progress.

    Returns
    -------
    list of Path
        The Level 1 files. Those that are there already are left alone.
    """
    program = program_of(preset, config, detectors, elements, ma_table)
    seed = 1 if seed is None else seed
    watcher = watcher or Watcher()
    folder = io.prepare_folder(out)
    scene = scene_of(program, seed)
    plan = observations(program, np.random.default_rng([seed, 1]))
    units = [_unit(observation, folder) for observation in plan]
    new = [unit for unit in units if not unit.files[0].exists()]
    expected = Forecast(
        len(units), _MEMORY, len(new) * 40_000_000 * len(plan[0].table.read_pattern)
    )
    check_space(folder, expected.disk)
    watcher.planned(units, expected)
    _write_scene(scene, program, seed, folder)
    for unit, observation in zip(units, plan, strict=True):
        outcome = _take(unit, observation, scene, program, seed, watcher)
        record(folder, outcome)
        watcher.progress(unit, outcome, "", 1.0)
    return [unit.files[0] for unit in units]


def scene_of(program: ProgramConfig, seed: int) -> Scene:
    """The sources of a program: the same for the same seed."""
    rng = np.random.default_rng([seed, 0])
    return draw_scene(program.scene, program.ra, program.dec, program.radius, rng)


def stars_of(scene: Scene, program: ProgramConfig, seed: int) -> AstrometricReference:
    """The astrometric catalog that goes with a scene."""
    return astrometric_catalog(scene, program.scene, np.random.default_rng([seed, 2]))


def _unit(observation: Observation, folder: Path) -> Unit:
    path = folder / observation.name.file("uncal")
    return Unit(STAGE, path.name.removesuffix("_uncal.asdf"), (), {Raw: (path,)})


def truth_file(path: Path) -> Path:
    """Where the truth of a Level 1 file is."""
    return path.with_name(path.name.replace("_uncal.asdf", "_truth.parquet"))


def _take(
    unit: Unit,
    observation: Observation,
    scene: Scene,
    program: ProgramConfig,
    seed: int,
    watcher: Watcher,
) -> Outcome:
    """Simulate one exposure, unless it is there."""
    path = unit.files[0]
    recipe = _recipe(observation, program, seed)
    if _made(path, recipe):
        return Outcome(unit, "kept", unit.files)
    watcher.progress(unit, None, "simulate", 0.0)
    with Meter() as meter:
        # One stream an exposure: leaving one out does not change the others.
        stream = [seed, 3, observation.exposure, int(observation.detector[3:])]
        raw, truth = level1(
            scene,
            observation,
            detector_truth(observation.detector, program.detector),
            _epsf(observation.detector, observation.optical_element, program.level1.jitter),
            program.level1,
            np.random.default_rng(stream),
        )
        write_table(truth, truth_file(path), _UNITS, {"recipe": recipe.to_dict()})
        io.write(raw, path, recipe=recipe.to_dict())
    return Outcome(unit, "made", unit.files, {"simulate": meter.reading})


@lru_cache(maxsize=2)
def _epsf(detector: str, element: str, jitter: float) -> Epsf:
    return optical_epsf(detector, element, jitter=jitter)


def _recipe(observation: Observation, program: ProgramConfig, seed: int) -> Recipe:
    """The sky and the exposure's own part of the program: not the list of exposures."""
    values = program.model_dump(mode="json", exclude={"detectors", "filters", "dithers"})
    about = {
        "exposure": str(observation.name.file("uncal")),
        "start_time": observation.start_time.isot,
        "pointing": repr(observation.pointing),
        "true_pointing": repr(observation.true_pointing),
        "seed": seed,
    }
    return Recipe((), given=about).linked("level1", level1, values)


def _made(path: Path, recipe: Recipe) -> bool:
    if not (path.exists() and truth_file(path).exists()):
        return False
    try:
        found = io.peek(path).recipe
    except InputError:
        return False
    return found is not None and found["id"] == recipe.id


def _write_scene(scene: Scene, program: ProgramConfig, seed: int, folder: Path) -> None:
    """The scene as a table, and the stars to align to."""
    shape = ("ra", "dec", "kind", "sersic", "radius", "axis_ratio", "position_angle")
    motion = ("pmra", "pmdec", "parallax")
    columns = {name: getattr(scene, name) for name in (*shape, *motion)}
    fluxes = {f"flux_{element.lower()}": values for element, values in scene.flux.items()}
    units = {**_UNITS, **dict.fromkeys(fluxes, "nJy")}
    about = {"epoch": scene.epoch, "seed": seed, "program": program.model_dump(mode="json")}
    write_table({**columns, **fluxes}, folder / SCENE, units, about)
    write_astrometry(stars_of(scene, program, seed), folder / STARS)
