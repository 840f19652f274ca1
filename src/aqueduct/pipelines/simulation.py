"""Simulate the exposures and co-adds of a program, with the truth beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from aqueduct import io
from aqueduct.core.errors import ConfigError
from aqueduct.core.step import Product
from aqueduct.geometry.skycells import SkyCell, cell, owner
from aqueduct.instrument.dispersers import ORDERS
from aqueduct.level3._blend import blended
from aqueduct.level3._cellinfo import wcsinfo
from aqueduct.pipelines.associate import PROMPT, associate
from aqueduct.pipelines.make_references import detector_truth
from aqueduct.pipelines.programs import (
    SCENE,
    STARS,
    Sky,
    made,
    program_of,
    scene_of,
    seen_with,
    stars_of,
    true_epsf,
    truth_file,
    write_truth,
)
from aqueduct.products import Image, Mosaic, Raw
from aqueduct.products.meta import Meta
from aqueduct.products.names import coadd_root, group_name
from aqueduct.run import Source, Unit, Watcher, run
from aqueduct.run.forecast import Forecast, check_space
from aqueduct.run.job import Outcome
from aqueduct.run.ledger import record
from aqueduct.run.meter import Meter
from aqueduct.run.recipe import Recipe
from aqueduct.simulate import Observation, level1
from aqueduct.simulate.level1 import expose, fluence
from aqueduct.simulate.level2 import level2
from aqueduct.simulate.level3 import Stack, angle_on, level3
from aqueduct.simulate.observation import metadata
from aqueduct.simulate.signatures import Fluence

__all__ = [
    "SCENE",
    "STARS",
    "program_of",
    "scene_of",
    "simulate_l1",
    "simulate_l2",
    "simulate_l3",
    "stars_of",
    "truth_file",
]

STAGE: Final = "simulate"
_MEMORY: Final = {Raw: 3 << 29, Image: 7 << 28, Mosaic: 2 << 30}
"""Bytes at the peak, as measured."""
_EXPOSURE_LIST: Final = {"detectors", "filters", "dithers"}


@dataclass(frozen=True)
class Job:
    """One product to simulate: its file, what made it, and how."""

    unit: Unit
    recipe: Recipe
    make: Callable[[], tuple[Product, Mapping[str, Any]]] = field(repr=False)
    bytes: int

    @property
    def path(self) -> Path:
        return self.unit.files[0]


def simulate_l1(
    *,
    preset: str | None = None,
    config: Path | None = None,
    detectors: Sequence[str] | None = None,
    elements: Sequence[str] | None = None,
    ma_table: int | None = None,
    catalog: Path | None = None,
    seed: int | None = None,
    rad: io.Generation = "2.1.0",
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
    catalog : Path, optional
        A table of sources (Parquet, ECSV, FITS) that takes the place of the drawn ones.
    seed : int, optional
        Of everything random but the detectors themselves; 1 if not given.
    rad : {"2.1.0", "2.2.0"}
        Schema generation to write.
    out : Path
        Folder of the products; made if absent.
    watcher : Watcher, optional
        Hears of progress.

    Returns
    -------
    list of Path
        The Level 1 files. Those that are there already are left alone.
    """
    sky = Sky.of(program_of(preset, config, detectors, elements, ma_table), seed, catalog)
    return _all(sky, [_raw(sky, each, out, rad) for each in sky.observations()], out, rad, watcher)


def simulate_l2(
    *,
    preset: str | None = None,
    config: Path | None = None,
    detectors: Sequence[str] | None = None,
    elements: Sequence[str] | None = None,
    ma_table: int | None = None,
    catalog: Path | None = None,
    seed: int | None = None,
    rad: io.Generation = "2.1.0",
    out: Path = Path(),
    watcher: Watcher | None = None,
) -> list[Path]:
    """Simulate calibrated images of a program, without ramps; see :func:`simulate_l1`.

    Returns
    -------
    list of Path
        The Level 2 files, ready for the mosaic pipeline.

    Raises
    ------
    ConfigError
        If the program takes spectra.
    """
    sky = Sky.of(program_of(preset, config, detectors, elements, ma_table), seed, catalog)
    _images_alone(sky)
    jobs = [_image(sky, each, out, rad) for each in sky.observations()]
    return _all(sky, jobs, out, rad, watcher)


def simulate_l3(
    *,
    preset: str | None = None,
    config: Path | None = None,
    detectors: Sequence[str] | None = None,
    elements: Sequence[str] | None = None,
    ma_table: int | None = None,
    catalog: Path | None = None,
    seed: int | None = None,
    rad: io.Generation = "2.1.0",
    coadd: bool = False,
    out: Path = Path(),
    watcher: Watcher | None = None,
) -> list[Path]:
    """Simulate a co-add in each filter of a program, on the sky cell of its target.

    Parameters
    ----------
    preset, config, detectors, elements, ma_table, catalog, seed, rad, out, watcher
        As for :func:`simulate_l1`.
    coadd : bool
        Simulate every image (into ``out/level2``) and co-add them, instead of drawing the
        scene on the cell at even depth.

    Returns
    -------
    list of Path
        The Level 3 files.

    Raises
    ------
    ConfigError
        If the program takes spectra.
    """
    sky = Sky.of(program_of(preset, config, detectors, elements, ma_table), seed, catalog)
    _images_alone(sky)
    target = cell(str(owner(sky.program.ra, sky.program.dec)))
    if not coadd:
        jobs = [_coadd(sky, element, target, out, rad) for element in sky.program.filters]
        return _all(sky, jobs, out, rad, watcher)
    folder = out / "level2"
    jobs = [_image(sky, each, folder, rad) for each in sky.observations()]
    images = _all(sky, jobs, folder, rad, watcher)
    lists = []
    for found in associate([Source(path, io.peek(path)) for path in images]):
        if found.target == target.name:
            lists.append(folder / f"{found.product}_asn.json")
            io.write_association(found, lists[-1])
    return list(run("mosaic", lists, out=out, rad=rad, watcher=watcher).files)


def _images_alone(sky: Sky) -> None:
    """Refuse programs with spectra, of which there are Level 1 exposures only."""
    found = [element for element in sky.program.filters if element in ORDERS]
    if found:
        raise ConfigError(
            f"no image is taken through {', '.join(found)}: it disperses light",
            hint="choose filters (--filter), or simulate Level 1 exposures",
        )


def _all(
    sky: Sky, jobs: Sequence[Job], out: Path, rad: io.Generation, watcher: Watcher | None
) -> list[Path]:
    """Do all jobs that are not done."""
    watcher = watcher or Watcher()
    folder = io.prepare_folder(out)
    units = [job.unit for job in jobs]
    missing = sum(job.bytes for job in jobs if not job.path.exists())
    memory = max(_MEMORY[kind] for unit in units for kind in unit.outputs)
    expected = Forecast(len(units), memory, missing)
    check_space(folder, expected.disk)
    watcher.planned(units, expected)
    sky.write(folder)
    with ThreadPoolExecutor(1) as pool:
        for kind in {kind for unit in units for kind in unit.outputs}:
            pool.submit(io.preload, kind, rad)  # while the first product is made
        for job in jobs:
            outcome = _done(job, rad, watcher)
            record(folder, outcome)
            watcher.progress(job.unit, outcome, "", 1.0)
    return [job.path for job in jobs]


def _done(job: Job, rad: io.Generation, watcher: Watcher) -> Outcome:
    """Do one job, unless its product is there."""
    if made(job.path, job.recipe):
        return Outcome(job.unit, "kept", job.unit.files)
    watcher.progress(job.unit, None, STAGE, 0.0)
    with Meter() as meter:
        product, truth = job.make()
        write_truth(truth, job.path, job.recipe)
        io.write(product, job.path, rad=rad, recipe=job.recipe.to_dict())
    return Outcome(job.unit, "made", job.unit.files, {STAGE: meter.reading})


def _raw(sky: Sky, observation: Observation, out: Path, rad: io.Generation) -> Job:
    """A Level 1 exposure."""
    config = sky.program.level1

    def make() -> tuple[Product, Mapping[str, Any]]:
        return level1(
            sky.scene,
            observation,
            detector_truth(observation.detector, sky.program.detector),
            seen_with(observation, config.jitter),
            config,
            sky.exposure_rng("l1", observation),
            earlier=_earlier(sky, observation),
        )

    path = out / observation.name.file("uncal")
    recipe = _recipe(sky, _about(observation, path), rad, "level1", level1)
    return Job(_unit(Raw, path), recipe, make, 40_000_000 * len(observation.table.read_pattern))


def _earlier(sky: Sky, observation: Observation) -> list[Fluence]:
    """What the exposures before this one have left in the detector."""
    program = sky.program
    seen: list[Fluence] = []
    if not program.persistence:
        return seen
    detector = detector_truth(observation.detector, program.detector)
    for before in sky.observations():
        gap = observation.exposure - before.exposure
        if before.detector == observation.detector and 0 < gap <= program.persistence:
            epsf = seen_with(before, program.level1.jitter)
            rate, _, _ = expose(sky.scene, before, detector, epsf, program.level1)
            wait = float((observation.start_time - before.end_time).to_value("s"))
            seen.append(Fluence(wait, fluence(rate, detector, before)))
    return seen


def _image(sky: Sky, observation: Observation, out: Path, rad: io.Generation) -> Job:
    """A Level 2 image."""
    config = sky.program.level2

    def make() -> tuple[Product, Mapping[str, Any]]:
        return level2(
            sky.scene,
            observation,
            detector_truth(observation.detector, sky.program.detector),
            true_epsf(observation.detector, observation.optical_element, config.jitter, False),
            config,
            sky.exposure_rng("l2", observation),
        )

    path = out / observation.name.file("cal")
    recipe = _recipe(sky, _about(observation, path), rad, "level2", level2)
    return Job(_unit(Image, path), recipe, make, 370_000_000)


def _coadd(sky: Sky, element: str, target: SkyCell, out: Path, rad: io.Generation) -> Job:
    """A Level 3 co-add, drawn on its cell."""
    taken = [each for each in sky.observations() if each.optical_element == element]
    config = sky.program.level3
    angle, info = config.position_angle, taken[0].pointing.wcsinfo(config.detector)
    known = {
        "exposures": config.exposures or len(sky.program.dithers),
        "position_angle": angle_on(target, config.detector, info) if angle is None else angle,
    }
    settings = config.model_copy(update=known)
    stack = Stack.of(target, element, taken[0].table, settings, taken[0].start_time)

    def make() -> tuple[Product, Mapping[str, Any]]:
        return level3(
            sky.scene,
            target,
            stack,
            true_epsf(config.detector, element, sky.program.level2.jitter, True),
            coadd_meta(taken, target, sky.program.level2.jitter),
            taken[0].start_time,
            sky.rng("l3", sky.program.filters.index(element)),
            sky=config.sky,
            noise=config.noise,
        )

    visit = taken[0].visit
    group = group_name(visit, "full")
    path = out / f"{coadd_root(visit.program, PROMPT, group, target.name, element)}_coadd.asdf"
    about = {"coadd": path.name, "stack": repr(stack), "start_time": taken[0].start_time.isot}
    recipe = _recipe(sky, about, rad, "level3", level3)
    return Job(_unit(Mosaic, path), recipe, make, 600_000_000)


def coadd_meta(taken: Sequence[Observation], target: SkyCell, jitter: float) -> Meta:
    """The metadata of a co-add of exposures that were never taken one by one."""
    metas = [
        {**metadata(each, jitter), "filename": each.name.file("cal"), "product_type": "l2"}
        for each in taken
    ]
    steps = ("flux", "resample", "skymatch")
    return {
        **blended(metas),
        "association": {"name": "None"},
        "cal_logs": ["drawn on its sky cell, without exposures"],
        "cal_step": {**dict.fromkeys(steps, "COMPLETE"), "outlier_detection": "SKIPPED"},
        "calibration_software_name": "Aqueduct",
        "calibration_software_version": version("roman-aqueduct"),
        "model_type": "MosaicModel",
        "product_type": "coadd",
        "wcsinfo": wcsinfo(target),
    }


def _unit(kind: type[Product], path: Path) -> Unit:
    root = path.name.removesuffix(".asdf")
    return Unit(STAGE, root.removesuffix("_uncal"), (), {kind: (path,)})


def _about(observation: Observation, path: Path) -> dict[str, Any]:
    return {
        "exposure": path.name,
        "start_time": observation.start_time.isot,
        "pointing": repr(observation.pointing),
        "true_pointing": repr(observation.true_pointing),
    }


def _recipe(
    sky: Sky,
    about: Mapping[str, Any],
    rad: io.Generation,
    name: str,
    function: Callable[..., Any],
) -> Recipe:
    """The sky and the product's own part of the program: not the list of exposures."""
    levels = {"level1", "level2", "level3"} - {name}
    values = sky.program.model_dump(mode="json", exclude=_EXPOSURE_LIST | levels)
    given = {**about, "seed": sky.seed, "schema": rad, **sky.given()}
    return Recipe((), given=given).linked(name, function, values)
