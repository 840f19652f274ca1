"""Add sources to files that exist.

The file given and the one written are a pair that differs by the sources alone: whatever is
run on both shows what they do; see :mod:`aqueduct.pipelines.recovery`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct import io
from aqueduct.core.errors import ConfigError, InputError
from aqueduct.core.provenance import file_digest
from aqueduct.core.step import Product
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.instrument.dispersers import ORDERS
from aqueduct.instrument.noise import IPC
from aqueduct.pipelines.programs import (
    STREAMS,
    made,
    program_of,
    scene_of,
    true_epsf,
    truth_file,
    write_truth,
)
from aqueduct.pipelines.scene_files import scene_from_file
from aqueduct.products import Image, Mosaic, Raw
from aqueduct.products.references import (
    DistortionReference,
    FlatReference,
    GainReference,
    IntegralNonlinearityReference,
    InverseLinearityReference,
    LinearityReference,
    PhotomReference,
    SaturationReference,
)
from aqueduct.products.window import SCIENCE, SCIENCE_WINDOW
from aqueduct.psf.optical import JITTER
from aqueduct.references import References
from aqueduct.run import Unit, Watcher
from aqueduct.run.forecast import Forecast, check_space
from aqueduct.run.job import Outcome
from aqueduct.run.ledger import record
from aqueduct.run.meter import Meter
from aqueduct.run.recipe import Input, Recipe
from aqueduct.simulate.inject import grid_scene, inject_level2, inject_level3, middle_of
from aqueduct.simulate.inject_ramps import Response, inject_level1
from aqueduct.simulate.level3 import angle_on
from aqueduct.simulate.scene import Scene

STAGE: Final = "inject"
_MEMORY: Final = 3 << 30
"""Bytes at the peak, as measured for a raw exposure."""


@dataclass(frozen=True)
class Grid:
    """Stars on a regular grid over each image.

    Attributes
    ----------
    spacing : float
        Pixels between neighbours.
    bright, faint : float
        AB magnitudes between which theirs are drawn evenly.
    """

    spacing: float = 100.0
    bright: float = 20.0
    faint: float = 26.0


@dataclass(frozen=True)
class Injector:
    """What is injected, and what with.

    Attributes
    ----------
    scene : Scene or Grid
    seed : int
    references : References
    gain : float, optional
        Electrons per flat-fielded DN in images; without, that of the references.
    source : dict
        What the scene came from, for the recipe.
    """

    scene: Scene | Grid
    seed: int
    references: References
    gain: float | None = None
    source: Mapping[str, Any] = field(default_factory=dict)

    def into(self, product: Product, name: str) -> tuple[Product, Mapping[str, Any]]:
        """``product`` with the sources in it, and the truth about them."""
        rng = np.random.default_rng([self.seed, STREAMS["inject"], zlib.crc32(name.encode())])
        if isinstance(product, Raw):
            return self._raw(product, rng)
        if isinstance(product, Image):
            return self._image(product, rng)
        if isinstance(product, Mosaic):
            return self._mosaic(product, rng)
        raise InputError(
            f"nothing can be injected into a {type(product).__name__}",
            where=name,
            hint="give Level 1 exposures, Level 2 images or Level 3 co-adds",
        )

    def _scene(
        self, sky: Any, shape: tuple[int, int], element: str, time: Any, rng: np.random.Generator
    ) -> Scene:
        if isinstance(self.scene, Scene):
            return self.scene
        limits = (self.scene.bright, self.scene.faint)
        return grid_scene(sky, shape, self.scene.spacing, limits, element, time, rng)

    def _raw(self, raw: Raw, rng: np.random.Generator) -> tuple[Product, Mapping[str, Any]]:
        about, meta = raw.exposure, raw.meta
        if about.optical_element in ORDERS:
            raise InputError(
                f"nothing can be injected into spectra of {about.optical_element}",
                where=str(meta["filename"]),
                hint="give exposures through a filter",
            )
        distortion = self.references.get(DistortionReference, meta)
        factor = float(meta["velocity_aberration"]["scale_factor"])
        wcs = detector_wcs(distortion.transform, meta["wcsinfo"], factor)
        sky = PixelMap.from_gwcs(wcs, (SCIENCE, SCIENCE))
        place = (SCIENCE, SCIENCE), about.optical_element, middle_of(meta)
        epsf = true_epsf(about.detector, about.optical_element, JITTER, False)
        scene = self._scene(sky, *place, rng)
        return inject_level1(raw, scene, epsf, self._response(meta), sky, rng)

    def _response(self, meta: Mapping[str, Any]) -> Response:
        get = self.references.get
        return Response(
            gain=get(GainReference, meta),
            flat=get(FlatReference, meta),
            linearity=get(LinearityReference, meta),
            inverse_linearity=get(InverseLinearityReference, meta),
            integral_nonlinearity=get(IntegralNonlinearityReference, meta),
            saturation=get(SaturationReference, meta),
            photom=get(PhotomReference, meta),
            capacitance=IPC,
        )

    def _image(self, image: Image, rng: np.random.Generator) -> tuple[Product, Mapping[str, Any]]:
        about = image.exposure
        epsf = true_epsf(about.detector, about.optical_element, JITTER, True)
        sky = None
        if isinstance(self.scene, Grid):
            sky = PixelMap.from_gwcs(image.wcs, image.data.shape)
        place = (SCIENCE, SCIENCE), about.optical_element, middle_of(image.meta)
        scene = self._scene(sky, *place, rng)
        return inject_level2(image, scene, epsf, self._electrons(image), rng)

    def _electrons(self, image: Image) -> NDArray[np.float32] | float:
        """Electrons per flat-fielded DN."""
        if self.gain is not None:
            return self.gain
        gain = self.references.get(GainReference, image.meta).data
        flat = self.references.get(FlatReference, image.meta).data
        science = SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns
        return np.asarray(gain[science] * np.where(flat > 0, flat, 1), np.float32)

    def _mosaic(
        self, mosaic: Mosaic, rng: np.random.Generator
    ) -> tuple[Product, Mapping[str, Any]]:
        element, time = mosaic.optical_element, mosaic.meta["coadd_info"]["time_mean"]
        detector, info = _member(mosaic)
        angle = angle_on(mosaic.cell, detector, info)
        epsf = true_epsf(detector, element, JITTER, True)
        shape = (mosaic.cell.pixels, mosaic.cell.pixels)
        scene = self._scene(mosaic.cell.plane, shape, element, time, rng)
        return inject_level3(mosaic, scene, epsf, detector, angle, rng)


def inject(
    files: Iterable[Path],
    *,
    catalog: Path | None = None,
    preset: str | None = None,
    config: Path | None = None,
    grid: Grid | None = None,
    gain: float | None = None,
    references: Path | None = None,
    seed: int | None = None,
    rad: io.Generation = "2.1.0",
    out: Path = Path(),
    watcher: Watcher | None = None,
) -> list[Path]:
    """Add sources to Level 1, 2 or 3 files; the files themselves stay as they are.

    Parameters
    ----------
    files : iterable of Path
    catalog, preset, config, grid
        What to inject: a table of sources, those of a program, or stars on a grid; one of them.
    gain : float, optional
        Electrons per flat-fielded DN of images; without, that of the references.
    references : Path, optional
        Root of a reference cache.
    seed : int, optional
        1 if not given.
    rad : {"2.1.0", "2.2.0"}
        Schema generation to write.
    out : Path
        Folder of the products, other than that of the files; made if absent.
    watcher : Watcher, optional
        Hears of progress.

    Returns
    -------
    list of Path
        New files of the same names, each with the truth (``_truth.parquet``) beside it.

    Raises
    ------
    ConfigError
        If not exactly one kind of source is given.
    InputError
        If a file would be overwritten, or nothing can be injected into it.
    """
    seed = 1 if seed is None else seed
    scene, source = _sources(catalog, preset, config, grid, seed)
    injector = Injector(scene, seed, References(references), gain, source)
    watcher, folder = watcher or Watcher(), io.prepare_folder(out)
    units = [_unit(Path(path), folder) for path in files]
    size = sum(unit.inputs[0].stat().st_size for unit in units if not unit.files[0].exists())
    expected = Forecast(len(units), _MEMORY, size)
    check_space(folder, expected.disk)
    watcher.planned(units, expected)
    for unit in units:
        outcome = _injected(unit, injector, rad, watcher)
        record(folder, outcome)
        watcher.progress(unit, outcome, "", 1.0)
    made_files = [unit.files[0] for unit in units]
    if made_files and all(_rows(truth_file(path)) == 0 for path in made_files):
        raise InputError(
            "no source lies on any of the files: they were written as they are",
            hint="see where the sources are: `aqueduct show` prints what a file covers",
        )
    return made_files


def _rows(path: Path) -> int:
    from pyarrow.parquet import read_metadata

    return int(read_metadata(path).num_rows)


def _sources(
    catalog: Path | None, preset: str | None, config: Path | None, grid: Grid | None, seed: int
) -> tuple[Scene | Grid, dict[str, Any]]:
    """What to inject, and the same for the recipe."""
    if sum(given is not None for given in (catalog, preset, config, grid)) != 1:
        raise ConfigError(
            "give one of a catalog, a preset, a configuration file and a grid",
            hint="see `aqueduct simulate inject --help`",
        )
    if grid is not None:
        return grid, {"grid": repr(grid)}
    if catalog is not None:
        return scene_from_file(catalog), {"catalog": file_digest(catalog)}
    program = program_of(preset, config)
    return scene_of(program, seed), {"program": program.model_dump(mode="json")}


def _unit(path: Path, folder: Path) -> Unit:
    made_path = folder / path.name
    if made_path.resolve() == path.resolve():
        raise InputError(
            "would be overwritten by its own injection",
            where=str(path),
            hint="give another folder with --out",
        )
    return Unit(STAGE, path.stem, (path,), {io.peek(path).product: (made_path,)})


def _injected(unit: Unit, injector: Injector, rad: io.Generation, watcher: Watcher) -> Outcome:
    """Inject into one file, unless that is done."""
    path, target = unit.inputs[0], unit.files[0]
    recipe = _recipe(path, injector, rad)
    if made(target, recipe):
        return Outcome(unit, "kept", unit.files)
    watcher.progress(unit, None, STAGE, 0.0)
    with Meter() as meter:
        product, truth = injector.into(io.read(path), path.name)
        write_truth(truth, target, recipe)
        io.write(product, target, rad=rad, recipe=recipe.to_dict())
    return Outcome(unit, "made", unit.files, {STAGE: meter.reading})


def _recipe(path: Path, injector: Injector, rad: io.Generation) -> Recipe:
    header = io.peek(path)
    identity = header.recipe["id"] if header.recipe else file_digest(path)
    given = {**injector.source, "schema": rad}
    values = {"seed": injector.seed, "gain": injector.gain}
    function: Callable[..., Any] = inject_level1 if header.product is Raw else inject_level2
    if header.product is Mosaic:
        function = inject_level3
    return Recipe((Input(path.name, identity),), given=given).linked("inject", function, values)


def _member(mosaic: Mosaic) -> tuple[str, dict[str, float]]:
    """Detector and pointing of the first exposure of a co-add."""
    try:
        members = mosaic.meta["individual_image_meta"]
        info = {
            name: float(members["wcsinfo"][name][0]) for name in ("ra_ref", "dec_ref", "roll_ref")
        }
        return str(members["instrument"]["detector"][0]), info
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(
            f"individual_image_meta lacks or garbles {error}",
            where=str(mosaic.meta.get("filename", "")),
            hint="co-add the images with `aqueduct run mosaic`",
        ) from error
