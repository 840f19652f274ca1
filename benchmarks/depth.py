"""Depth of simulated exposures calibrated by Aqueduct, beside the published sensitivity.

    python benchmarks/depth.py --filter F158,F213 --out build/depth

For each filter a full frame of WFI01 with few stars is simulated at twice the minimum
zodiacal light, and calibrated with references that have errors of their own:

- 57 s: MA table 3, 18 reads;
- 1 h: MA table 11, 309 reads or 977 s, the longest; 3600 s of such exposures are 3.68 of
  them, and the error of their mean flux is lower by the root of that.

A point source at 5 sigma has five times the error of

- psf: a fit of the reference ePSF P at a known position, [ sum P^2 / err^2 ]^(-1/2) with
  ``err`` of Level 2, the median over blank places;
- scatter: the same fits' fluxes at those places, background subtracted;
- aperture: the sum within the best circle, over the share of the light that it holds;
- etc: what the mission's exposure-time calculator does, from which such tables come: the
  sum within 0.2 arcsec less the mean of a ring of 0.4 to 0.6 arcsec
  (roman-docs.stsci.edu, "ETC Appendix: Inputs and Calculations"), at the same blank places;
  its scatter there, over the net share of a star's light;
- catalog: psf_flux_err of Level 2, the median of true stars of 3 to 15 sigma that were
  found (a window of 5 x 5 pixels, the star's own photons).

Beside them stands the table of the Roman technical information,
AB_mag_limiting_sensitivity. The last columns say over how many pixels of blank sky each
spreads a star: (flux error / err of a pixel)^2, and for the published limit with our err.
For the calculator's method that is A (1 + A / ring) / share^2.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy.ndimage import binary_dilation
from scipy.spatial import cKDTree

from aqueduct import io
from aqueduct.core import dq
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.instrument.filters import FILTERS
from aqueduct.instrument.matables import ma_table
from aqueduct.instrument.photometry import abmag, njy
from aqueduct.instrument.technical import table
from aqueduct.io.table import read_table
from aqueduct.measure.background import background
from aqueduct.pipelines.make_references import make
from aqueduct.pipelines.simulation import STARS
from aqueduct.products import Catalog, Image, Segmentation
from aqueduct.products.references import ApcorrReference, EpsfReference
from aqueduct.products.window import SCIENCE
from aqueduct.psf.epsf import Epsf
from aqueduct.references import References

PUBLISHED = "WideFieldInstrument/Imaging/Sensitivity/AB_mag_limiting_sensitivity.ecsv"
EXPOSURES = {"57 s": (3, None, "fifty_seven_sec_point"), "1 h": (11, 3600.0, "one_hr_point")}
"""MA table, seconds to scale to, and column of the published table."""
LIMITS = ("psf", "scatter", "aperture", "etc", "catalog")
PLACES = 4000
CIRCLE, RING = 0.2, (0.4, 0.6)
"""Arcsec: the calculator's aperture, and its ring for the background."""
FINE = 11
"""Points per pixel, along each axis, that decide what share of it a circle covers."""
HALF = 8
"""Pixels to either side of the middle of a PSF fit."""
CLEAR = 20
"""Pixels between a blank place and the nearest detected light."""
PROGRAM = """
aperture = "WFI01_FULL"
radius = 4.5
filters = ["{element}"]
ma_table = {number}
[scene]
stars = 4.0
star_limits = [20.0, 27.0]
galaxies = 0.0
[level1]
zodiacal = 2.0
"""


def level2(element: str, number: int, out: Path) -> Path:
    """Simulate and calibrate one exposure; its Level 2 file, made once."""
    folder = out / f"{element.lower()}_{number}"
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "program.toml"
    program.write_text(PROGRAM.format(element=element, number=number))
    _aqueduct("simulate", "l1", "--config", program, "--seed", 5, "--out", folder / "l1")
    (raw,) = (folder / "l1").glob("*_uncal.asdf")
    make(out / "references", ["WFI01"], [element], 1, official=False)
    stars = f"references.astrometry={folder / 'l1' / STARS}"
    where = ["--references", out / "references", "--out", folder / "l2"]
    _aqueduct("run", "exposure", raw, *where, "--set", stars)
    return folder / "l2" / raw.name.replace("_uncal", "_cal")


def _aqueduct(*words: object) -> None:
    program = str(Path(sys.executable).with_name("aqueduct"))
    subprocess.run([program, "-q", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def errors(path: Path, references: Path, truth: Path) -> dict[str, float]:
    """Errors of a point source's flux, and of a pixel, nJy."""
    image, segments, catalog = (
        io.read(path.with_name(path.name.replace("_cal.asdf", ending)))
        for ending in ("_cal.asdf", "_segm.asdf", "_cat.parquet")
    )
    assert isinstance(image, Image) and isinstance(segments, Segmentation)
    assert isinstance(catalog, Catalog)
    store = References(references)
    epsf = Epsf.from_reference(store.get(EpsfReference, image.meta))
    bad = (image.dq & (dq.DO_NOT_USE | dq.SATURATED | dq.JUMP_DET)) != 0
    bad |= ~(np.isfinite(image.data) & (image.err > 0))
    lit = binary_dilation(segments.data > 0, iterations=CLEAR)
    level = background(np.asarray(image.data, np.float32), bad | lit).level
    err = np.asarray(image.err, np.float64)
    data = np.asarray(image.data, np.float64) - level
    flux, error = _fits(data, err, bad, lit, epsf)
    photometry = image.meta["photometry"]
    unit = photometry["conversion_megajanskys"] * photometry["pixel_area"] * 1e15
    pixel = unit * float(np.median(err[~(bad | lit)]))
    curve = store.get(ApcorrReference, image.meta).table[
        image.meta["instrument"]["optical_element"]
    ]
    best = np.min(np.sqrt(np.pi) * curve["ee_radii"] / curve["ee_fractions"])
    sigma = unit * float(np.median(error))
    return {
        "psf": sigma,
        "scatter": unit * _spread(flux),
        "aperture": pixel * float(best),
        "etc": unit * _spread(_circles(data, bad, lit, epsf)),
        "catalog": _cataloged(catalog, truth, sigma),
        "pixel": pixel,
    }


def _cataloged(catalog: Catalog, truth: Path, sigma: float) -> float:
    """Median psf_flux_err of faint true stars."""
    (path,) = truth.glob("*_truth.parquet")
    true, _ = read_table(path)
    x, y, own = (np.asarray(catalog[name], float) for name in ("x_psf", "y_psf", "psf_flux_err"))
    fitted = np.isfinite(x + y + own) & (np.asarray(catalog["psf_flags"]) == 0)
    tree = cKDTree(np.stack([x[fitted], y[fitted]], axis=1))
    faint = (true["flux"] > 3 * sigma) & (true["flux"] < 15 * sigma)
    distance, which = tree.query(np.stack([true["x"][faint], true["y"][faint]], axis=1))
    return float(np.median(own[fitted][which[distance < 1]]))


def _fits(data, err, bad, lit, epsf: Epsf) -> tuple[np.ndarray, np.ndarray]:
    """Fluxes and errors of PSF fits at random blank places, DN/s."""
    rng = np.random.default_rng(1)
    found: list[tuple[float, float]] = []
    while len(found) < PLACES:
        x, y = rng.uniform(HALF + 1, SCIENCE - HALF - 2, 2)
        row, column = round(y), round(x)
        if lit[row, column] or bad[row - 1 : row + 2, column - 1 : column + 2].any():
            continue
        part = (slice(row - HALF, row + HALF + 1), slice(column - HALF, column + HALF + 1))
        stamp = np.zeros((2 * HALF + 1, 2 * HALF + 1), np.float32)
        moved = Epsf(
            epsf.at(x, y)[None].astype(np.float32), epsf.oversample, np.zeros(1), np.zeros(1)
        )
        moved.render(np.array([x - column + HALF]), np.array([y - row + HALF]), np.ones(1), stamp)
        weight = np.where(bad[part], 0.0, stamp / err[part] ** 2)
        norm = (weight * stamp).sum()
        found.append(((weight * data[part]).sum() / norm, norm**-0.5))
    flux, error = np.array(found).T
    return flux, error


def _spread(values: np.ndarray) -> float:
    """Robust standard deviation."""
    return 1.4826 * float(np.median(np.abs(values - np.median(values))))


def _circles(data, bad, lit, epsf: Epsf) -> np.ndarray:
    """The calculator's fluxes of nothing, at random blank pixels, DN/s of a whole star."""
    rng = np.random.default_rng(2)
    circle, ring = _covered(0.0, CIRCLE), _covered(*RING)
    stamp = np.zeros(circle.shape, np.float32)
    place = np.full(1, float(HALF))
    middle = Epsf(
        epsf.at(SCIENCE / 2, SCIENCE / 2)[None].astype(np.float32),
        epsf.oversample,
        np.zeros(1),
        np.zeros(1),
    )
    middle.render(place, place, np.ones(1), stamp)
    net = (stamp * circle).sum() - (stamp * ring).sum() * circle.sum() / ring.sum()
    found: list[float] = []
    while len(found) < PLACES:
        row, column = rng.integers(HALF, SCIENCE - HALF, 2)
        part = (slice(row - HALF, row + HALF + 1), slice(column - HALF, column + HALF + 1))
        if lit[row, column] or (bad[part] & (circle > 0)).any():
            continue
        good = np.where(bad[part], 0.0, ring)
        values = np.where(bad[part], 0.0, data[part])
        level = (good * values).sum() / good.sum()
        found.append(((circle * values).sum() - level * circle.sum()) / net)
    return np.array(found)


def _covered(inner: float, outer: float) -> np.ndarray:
    """Share of each pixel between two circles, arcsec, about the middle one."""
    fine = (np.arange((2 * HALF + 1) * FINE) + 0.5) / FINE - HALF - 0.5
    distance = np.hypot(fine, fine[:, None]) * PIXEL_SCALE
    inside = (distance >= inner) & (distance < outer)
    return inside.reshape(2 * HALF + 1, FINE, 2 * HALF + 1, FINE).mean(axis=(1, 3))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--filter", default=",".join(FILTERS))
    parser.add_argument("--exposure", choices=[*EXPOSURES, "both"], default="both")
    parser.add_argument("--out", type=Path, default=Path("build/depth"))
    options = parser.parse_args()
    published = table(PUBLISHED)
    chosen = list(EXPOSURES) if options.exposure == "both" else [options.exposure]
    print("5-sigma limits, AB mag (minus the published one); pixels a star is spread over")
    print("filter  time published" + "".join(f"{name:>16s}" for name in LIMITS), end="")
    print("   pixels: psf  aperture    etc  published")
    for element in options.filter.split(","):
        row = published[[str(name) == element for name in published["filter"]]][0]
        for name in chosen:
            number, seconds, column = EXPOSURES[name]
            path = level2(element, number, options.out)
            found = errors(path, options.out / "references", path.parents[1] / "l1")
            taken = ma_table(number).accumulated_exposure_time[-1]
            deeper = (seconds / taken) ** 0.5 if seconds else 1.0
            shown = ""
            for limit in LIMITS:
                magnitude = float(abmag(5 * found[limit] / deeper))
                shown += f"{magnitude:8.2f} ({magnitude - row[column]:+.2f})"
            told = float(njy(row[column])) / 5 * deeper
            spread = [
                (one / found["pixel"]) ** 2
                for one in (found["psf"], found["aperture"], found["etc"], told)
            ]
            print(f"{element:7s}{name:5s}{row[column]:9.2f} {shown}      ", end="")
            print("".join(f"{pixels:9.1f}" for pixels in spread), flush=True)


if __name__ == "__main__":
    main()
