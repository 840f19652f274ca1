"""How true the Level 2 source catalog is: fluxes, positions, completeness, false sources.

    python benchmarks/catalog_accuracy.py REFERENCES [--image CAL.asdf --truth TRUTH] [--out FOLDER]

Without ``--image`` frames of WFI01 and F158 are simulated: idealized Level 2 of 5000 stars of
17 to 26 AB, and one of bare sky, on which every source is false. With it, a calibrated image
and its truth: the ``_truth.parquet`` of ``aqueduct simulate``, or an ECSV table of ra, dec, type
and flux in maggies by filter, as romanisim takes them. Isolated stars are those with no other
true source within 3 arcsec. Positions are of the PSF fit, with the shift common to all
(the alignment's) taken off; their scatter and that of pulls is half the 16 to 84 % range.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from catalog_cost import cataloged, simulated
from scipy.spatial import cKDTree

from aqueduct import io
from aqueduct.geometry.wcs import PixelMap
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.instrument.photometry import abmag, njy
from aqueduct.io.table import read_table
from aqueduct.products import Catalog, Image

BINS = (17.0, 19.0, 21.0, 22.5, 23.5, 24.5, 25.5, 26.0)
COUNT = 5000
SKY_ONLY = 40.0
"""AB magnitude of the one star of a frame of bare sky."""
ISOLATED = 3.0 / PIXEL_SCALE
MATCHED = 0.15 / PIXEL_SCALE
EDGE = 10


def truth_of(path: Path, element: str, image: Image) -> dict[str, np.ndarray]:
    """x, y (pixels), flux (nJy) of true sources, and which are stars."""
    if path.suffix == ".parquet":
        table, _ = read_table(path)
        flux = np.asarray(table["flux"], float)
        star = np.ones(len(flux), bool)
    else:
        from astropy.table import Table

        table = Table.read(path)
        flux = np.asarray(table[element], float) * njy(0.0)
        star = np.asarray(table["type"] == "PSF")
    ra, dec = (np.asarray(table[name], float) for name in ("ra", "dec"))
    x, y = PixelMap.from_gwcs(image.wcs, image.data.shape).to_pixel(ra, dec)
    on = np.isfinite(x + y)
    return {"x": x[on], "y": y[on], "flux": flux[on], "star": star[on]}


def spread(values: np.ndarray) -> float:
    """Half the range of the middle 68 %."""
    low, high = np.percentile(values, [15.865, 84.135])
    return float(high - low) / 2


def report(catalog: Catalog, image: Image, truth: dict[str, np.ndarray]) -> None:
    """Print fluxes, positions, completeness and purity by magnitude."""
    true = np.stack([truth["x"], truth["y"]], axis=1)
    found = np.stack([catalog["x_psf"], catalog["y_psf"]], axis=1).astype(float)
    known = np.flatnonzero(np.isfinite(found).all(axis=1))
    away, nearest = cKDTree(found[known]).query(true)
    row = known[nearest]
    alone = cKDTree(true).query(true, k=2)[0][:, 1] > ISOLATED if len(true) > 1 else away >= 0
    height, width = image.data.shape
    inside = (true > EDGE).all(axis=1) & (true[:, 0] < width - EDGE) & (true[:, 1] < height - EDGE)
    fair = truth["star"] & alone & inside
    clean = (catalog["warning_flags"][row] == 0) & (catalog["psf_flags"][row] == 0)
    magnitude = abmag(truth["flux"])
    print("      AB     stars  found  flux/truth: median +- error   mean   pull   x, y mas   pulls")
    for low, high in itertools.pairwise(BINS):
        of = fair & (magnitude >= low) & (magnitude < high)
        hit = of & (away < MATCHED)
        use = hit & clean
        if use.sum() < 5:
            continue
        flux, error = catalog["psf_flux"][row[use]], catalog["psf_flux_err"][row[use]]
        ratio = flux / truth["flux"][use]
        pull = (flux - truth["flux"][use]) / error
        offsets = found[row[use]] - true[use]
        offsets -= np.median(offsets, axis=0)
        pulls = [offsets[:, n] / catalog[f"{a}_psf_err"][row[use]] for n, a in enumerate("xy")]
        mas = 1000 * PIXEL_SCALE
        print(
            f"{low:5.1f}-{high:4.1f} {of.sum():7d} {hit.sum() / of.sum():6.3f}"
            f"        {np.median(ratio):8.5f} +- {1.25 * spread(ratio) / use.sum() ** 0.5:.5f}"
            f"  {np.average(ratio, weights=(flux / error) ** 2):8.5f} {spread(pull):6.3f}"
            f"  {mas * spread(offsets[:, 0]):5.2f} {mas * spread(offsets[:, 1]):5.2f}"
            f"  {spread(pulls[0]):5.2f} {spread(pulls[1]):5.2f}"
        )
    stray = cKDTree(true).query(found[known])[0] > 1.5
    print(f"  {len(catalog)} sources, {stray.sum()} of them further than 1.5 pixels from any true")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("references", type=Path)
    parser.add_argument("--image", type=Path)
    parser.add_argument("--truth", type=Path)
    parser.add_argument("--out", type=Path, default=Path("build/catalog"))
    options = parser.parse_args()
    path, truth = options.image, options.truth
    if path is None:
        sky = simulated(options.out / "sky", "l2", np.array([SKY_ONLY]), 1)
        print(f"bare sky: {len(cataloged(sky, options.references)())} false sources")
        magnitudes = np.random.default_rng(2).uniform(BINS[0], BINS[-1], COUNT)
        path = simulated(options.out / "field", "l2", magnitudes, 2)
        (truth,) = path.parent.glob("*_truth.parquet")
    image = io.read(path)
    assert isinstance(image, Image) and truth is not None
    element = image.exposure.optical_element
    report(cataloged(path, options.references)(), image, truth_of(truth, element, image))


if __name__ == "__main__":
    main()
