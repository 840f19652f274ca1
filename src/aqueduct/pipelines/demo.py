"""The whole channel in a few minutes: a simulated visit from Level 1 to a catalog."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aqueduct import io
from aqueduct.geometry import SkyCell, contains, parse_s_region
from aqueduct.io.table import read_table
from aqueduct.pipelines.associate import associate
from aqueduct.pipelines.compare import Comparison, Measured, Truth, compare
from aqueduct.pipelines.make_references import make
from aqueduct.pipelines.simulation import STARS, program_of, simulate_l1, truth_file
from aqueduct.products import Association, Catalog, Mosaic
from aqueduct.products.references import ApcorrReference, AstrometricReference
from aqueduct.products.window import SCIENCE
from aqueduct.references import References, load
from aqueduct.run import Source, Watcher, run
from aqueduct.run.meter import Meter, Reading
from aqueduct.simulate.scene import STAR

PRESET = "demo"
EDGE = 30
"""Pixels from the edge within which sources are left out of the comparison."""


@dataclass
class Report:
    """What the demo made and found.

    Attributes
    ----------
    stages : dict of str to (products, Reading)
    comparisons : dict of str to Comparison
    """

    stages: dict[str, tuple[int, Reading]] = field(default_factory=dict)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    images: list[Path] = field(default_factory=list)
    coadds: list[Path] = field(default_factory=list)
    catalogs: list[Path] = field(default_factory=list)
    segmentations: list[Path] = field(default_factory=list)


def demo(
    out: Path,
    *,
    seed: int = 1,
    jobs: int = 1,
    scheduler: str | None = None,
    watcher: Watcher | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> Report:
    """Simulate, calibrate, co-add and measure, and compare with the truth.

    Killed and run again, it goes on where it was.

    Parameters
    ----------
    out : Path
        Folder; Level N goes to ``out/levelN``.
    seed : int
        Of the simulation.
    jobs, scheduler
        As for :func:`aqueduct.run.run`.
    watcher : Watcher, optional
        Hears of progress.
    note : callable
        Told what begins, a line at a time.
    """
    report = Report()
    options: dict[str, Any] = {
        "jobs": jobs,
        "scheduler": scheduler,
        "watcher": watcher,
        "references": reference_root(out, seed),
    }

    def stage(name: str, work: Callable[[], list[Path]]) -> list[Path]:
        note(name)
        with Meter() as meter:
            files = work()
        report.stages[name] = (len(files), meter.reading)
        return files

    raw = stage(
        "simulate",
        lambda: simulate_l1(preset=PRESET, seed=seed, out=out / "level1", watcher=watcher),
    )
    stage("references", lambda: _references(out, seed, note))
    calibrated = stage("level2", lambda: run("exposure", raw, out=out / "level2", **options).files)
    report.images = [path for path in calibrated if path.name.endswith("_cal.asdf")]
    lists = stage("associate", lambda: _associate(report.images, out / "level2"))
    report.coadds = stage(
        "level3", lambda: run("mosaic", lists, out=out / "level3", **options).files
    )
    measured = stage(
        "level4", lambda: run("catalog", report.coadds, out=out / "level4", **options).files
    )
    report.catalogs = [path for path in measured if path.suffix == ".parquet"]
    report.segmentations = [path for path in measured if path.suffix == ".asdf"]
    report.comparisons = _compare(out, reference_root(out, seed), report)
    return report


def reference_root(out: Path, seed: int) -> Path:
    """Where the demo keeps its references."""
    return out / f"references-{seed}"


def _references(out: Path, seed: int, note: Callable[[str], None]) -> list[Path]:
    """The embedded reference set, with stars to align to: made once, whole or not at all."""
    root, program = reference_root(out, seed), program_of(PRESET)
    if not root.exists():
        stars = load(AstrometricReference, out / "level1" / STARS)
        part = root.with_name(f".{root.name}")
        shutil.rmtree(part, ignore_errors=True)
        make(part, program.detectors, program.filters, seed, astrometry=stars, note=note)
        part.rename(root)
    return list(root.rglob("*.asdf"))


def _associate(images: list[Path], folder: Path) -> list[Path]:
    """Associations of the sky cell that the exposures cover best, one for each filter."""
    sources = [Source(path, io.peek(path)) for path in images]
    found = associate(sources, by="visit")
    best = max({one.target for one in found}, key=lambda name: _coverage(name, found, sources))
    paths = []
    for association in (one for one in found if one.target == best):
        path = folder / f"{association.product}_asn.json"
        io.write_association(association, path)
        paths.append(path)
    return paths


def _coverage(cell: str, found: list[Association], sources: list[Source]) -> tuple[float, str]:
    """Share of a grid over the cell's area on images, summed over them; ties by name."""
    info = next(one for one in found if one.target == cell).skycell_wcs_info
    sky = SkyCell.from_wcs_info(info)
    grid = np.linspace(0, sky.pixels - 1, 25)
    x, y = (axis.ravel() for axis in np.meshgrid(grid, grid))
    ra, dec = sky.plane.to_sky(x, y)
    shares = [
        float(
            np.mean(contains(*parse_s_region(source.header.meta["wcsinfo"]["s_region"]), ra, dec))
        )
        for source in sources
    ]
    return sum(shares), cell


# ------------------------------------------------------------------ comparison with truth
def _compare(out: Path, root: Path, report: Report) -> dict[str, Comparison]:
    """Level 2 catalogs (PSF photometry) and the Level 4 catalog (apertures) against truth."""
    made = {}
    for path in report.images:
        made[f"level2 {path.name.split('_')[3].upper()} {path.name.split('_')[1]}"] = _image(
            out, path
        )
    for path in report.coadds:
        coadd = io.read(path)
        assert isinstance(coadd, Mosaic)
        element = coadd.optical_element
        made[f"level4 {element}"] = _coadd(out, root, coadd, report)
    return made


def _truth(out: Path, images: Sequence[Path]) -> dict[str, Any]:
    """True sources on any of some exposures of one filter, where they were at that time."""
    tables = [
        read_table(truth_file(out / "level1" / path.name.replace("_cal.asdf", "_uncal.asdf")))[0]
        for path in images
    ]
    joined = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    _, first = np.unique(joined["source"], return_index=True)
    return {name: values[first] for name, values in joined.items()}


def _image(out: Path, path: Path) -> Comparison:
    catalog = io.read(path.with_name(path.name.replace("_cal.asdf", "_cat.parquet")))
    assert isinstance(catalog, Catalog)
    names = ("ra_psf", "dec_psf", "psf_flux", "psf_flux_err")
    measured = Measured(*(np.asarray(catalog[name], float) for name in names))
    true = _truth(out, [path])
    middle, half = (SCIENCE - 1) / 2, SCIENCE / 2 - EDGE
    inside = (np.abs(true["x"] - middle) < half) & (np.abs(true["y"] - middle) < half)
    return compare(measured, _stars(true), inside)


def _stars(true: dict[str, Any]) -> Truth:
    return Truth(true["ra"], true["dec"], true["flux"], true["kind"] == STAR)


def _coadd(out: Path, root: Path, coadd: Mosaic, report: Report) -> Comparison:
    """Flux in 0.4 arcsec, corrected for the light outside by the aperture-correction reference."""
    catalog = io.read(report.catalogs[0])
    assert isinstance(catalog, Catalog)
    element = coadd.optical_element
    images = [path for path in report.images if path.name.split("_")[3] == element.lower()]
    truth = _stars(_truth(out, images))
    share = _share_within(0.4, element, root, images[0])
    band = f"_{element.lower()}" if catalog.kind == "multiband" else ""
    flux, error = (
        np.asarray(catalog[f"aper04{band}_flux{ending}"], float) / share for ending in ("", "_err")
    )
    ra, dec = (np.asarray(catalog[name], float) for name in ("ra", "dec"))
    return compare(Measured(ra, dec, flux, error), truth, _covered(truth, coadd))


def _share_within(radius: float, element: str, root: Path, image: Path) -> float:
    """Share of a star's light within ``radius`` arcsec."""
    meta = io.peek(image).meta
    row = References(root).get(ApcorrReference, meta).table[element]
    pixels = radius / (3600 * np.degrees(np.sqrt(meta["photometry"]["pixel_area"])))
    return float(np.interp(pixels, row["ee_radii"], row["ee_fractions"]))


def _covered(truth: Truth, coadd: Mosaic) -> Any:
    """True sources where every exposure contributed."""
    x, y = coadd.cell.plane.to_pixel(truth.ra, truth.dec)
    size = coadd.data.shape[0]
    on = (np.abs(x - size / 2) < size / 2 - EDGE) & (np.abs(y - size / 2) < size / 2 - EDGE)
    full = int(np.bitwise_or.reduce(coadd.context[0].ravel()))
    inside = np.zeros(len(x), bool)
    inside[on] = coadd.context[0][np.round(y[on]).astype(int), np.round(x[on]).astype(int)] == full
    return inside
