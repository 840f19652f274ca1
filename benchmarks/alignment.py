"""Accuracy of the joint alignment of 18 detectors, against truth on a grid.

    python benchmarks/alignment.py --stars 5 30 400 --trials 4
    python benchmarks/alignment.py --sparse

Truth is the SIAF with a wrong pointing (1 arcsec, 20 arcsec of roll) and a wrong distortion:

linear   the linear maps off by a normal error of 1 % of their rms term: of each detector
         (``--linear all``), of what each has beyond an even pixel (``distortion``), or as
         much of it for the field as a whole (``field``)
higher   5 mas rms of random polynomials of degree 2 to 5, one for the whole field as the
         optics make it (``--higher field``) or one for each detector (``detector``)

Stars follow 10^(0.2 G) from G = 15 to 20.7 with the errors of Gaia DR3 (or DR4: 0.72 of the
positions', 0.37 of the motions') carried to 2027.25; one in twenty has a wrong motion, one in
fifty is another star, and each detector has unrelated sources. ``limit`` is the Bayesian
Cramer-Rao limit of those stars, priors known and outliers left out; ``pull`` the error over
the error that the fit states.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from astropy.time import Time

from aqueduct.geometry import polynomial
from aqueduct.geometry.astrometry import earth_position, propagated
from aqueduct.geometry.fieldfit import DEGREE, GROUPS, OWN_GROUP, Pairs, known_priors, legendre
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.pointing import Pointing, on_sky
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.level2.tweakreg import TweakregConfig, tweakreg
from aqueduct.products.catalog import Catalog
from aqueduct.products.image import PLANES, Image
from aqueduct.products.references import AstrometricReference
from aqueduct.simulate.scene.gaia import gaia_error

SIDE = 4088
DETECTORS = [f"WFI{number:02d}" for number in range(1, 19)]
TRUE = Pointing(270.0, 66.0)
SAID = Pointing(270.0 + 0.8 / 3600 / np.cos(np.radians(66)), 66.0 - 0.6 / 3600, 20 / 3600)
START = Time("2027-04-01T00:00:00")
YEARS = START.jyear - 2016.0
CENTROID = 0.3
"""mas."""
PIXEL = 0.11
RELEASES = {"dr3": (1.0, 1.0), "dr4": (0.72, 0.37)}
FIELD = 1600.0


@dataclass(frozen=True)
class Case:
    """What is drawn."""

    stars: int
    linear: str
    higher: str
    release: str
    strangers: int
    outliers: bool = True


@dataclass(frozen=True)
class Truth:
    """The true map of one detector: the SIAF and an error, arcsec in V2 and V3."""

    detector: str
    matrix: np.ndarray
    own: np.ndarray
    field: np.ndarray

    def v2v3(self, x, y):
        here = aperture(self.detector)
        v2, v3 = here.to_v2v3(x, y)
        u, v = (np.asarray(axis) / (SIDE - 1) * 2 - 1 for axis in (x, y))
        flat = np.stack([u.ravel(), v.ravel()], axis=1)
        middle = aperture("WFI_CEN")
        there = np.stack([v2.ravel() - middle.v2_ref, v3.ravel() - middle.v3_ref], axis=1) / FIELD
        change = flat @ self.matrix.T + legendre(flat) @ self.own.T
        change += legendre(there) @ self.field.T
        return v2 + change[:, 0].reshape(v2.shape), v3 + change[:, 1].reshape(v3.shape)

    def to_sky(self, x, y):
        return on_sky(TRUE.attitude, *self.v2v3(x, y))


def bent(rng, strength=0.005):
    """A polynomial of degrees 2 to 5 with a displacement of 5 mas rms."""
    terms = rng.normal(size=(2, OWN_GROUP.size))
    terms[:, :3] = 0
    return strength * terms / np.sqrt(np.sum(terms**2))


def truths(case, rng):
    field, none = bent(rng), np.zeros((2, OWN_GROUP.size))
    # An error of 1 % of the 1.5 % by which the terms differ from even pixels.
    shared = 0.01 * 0.015 * PIXEL * SIDE / 2 * rng.normal(size=(2, 2)) / np.sqrt(3)
    made = []
    for detector in DETECTORS:
        here = aperture(detector)
        nodes = polynomial.chebyshev_grid(8)
        v = np.stack(here.to_v2v3(*((nodes + 1) / 2 * (SIDE - 1))))
        linear = polynomial.fit(nodes, v, 1)
        matrix = np.stack([linear[:, 1, 0], linear[:, 0, 1]], axis=1)
        if case.linear != "all":
            u, _, w = np.linalg.svd(matrix)
            matrix = matrix - PIXEL * (SIDE - 1) / 2 * (u @ w)
        error = 0.01 * rng.normal(size=(2, 2)) * np.sqrt(np.mean(matrix**2))
        own = bent(rng)
        here = field.copy() if case.higher == "field" else none.copy()
        if case.linear == "field":
            here[:, 1:3] = shared * FIELD / (PIXEL * SIDE / 2)
            error[:] = 0
        made.append(Truth(detector, error, none if case.higher == "field" else own, here))
    return made


def an_image(detector):
    meta = {
        "wcsinfo": SAID.wcsinfo(detector),
        "observation": {"visit_id": "0000101001001001001", "exposure": 1},
        "exposure": {
            "start_time": START,
            "type": "WFI_IMAGE",
            "frame_time": 3.16,
            "read_pattern": [[1]],
        },
        "instrument": {"detector": detector, "optical_element": "F158"},
    }
    wcs = detector_wcs(aperture(detector).model(), meta["wcsinfo"])
    plane = np.broadcast_to(np.float32(0), (SIDE, SIDE))
    return Image(**dict.fromkeys(PLANES, plane), meta=meta, wcs=wcs)


def exposure(case, rng, made, images):
    """Catalogs, reference stars, and the error and place of the good ones by detector."""
    catalogs, stars, used = [], [], []
    for truth in made:
        count = rng.poisson(case.stars) if case.stars < 5 else int(case.stars)
        x, y = rng.uniform(4, SIDE - 5, (2, count))
        magnitude = 15 + np.log10(1 + rng.uniform(size=count) * (10**1.14 - 1)) / 0.2
        of_position, of_motion = RELEASES[case.release]
        error = gaia_error(magnitude)
        position = error * np.array([[0.8], [0.7]]) * of_position
        motion = error * np.array([[1.03], [0.89]]) * of_motion
        plx_error = error * of_position
        pm, parallax = rng.normal(0, 8, (2, count)), rng.exponential(0.5, count)
        real = pm + rng.normal(0, 10, pm.shape) * (rng.uniform(size=count) < 0.05) * case.outliers
        other = (rng.uniform(size=count) < 0.02) & case.outliers
        sky = truth.to_sky(x, y)
        then = propagated(*sky, *-real, -parallax, YEARS, earth_position(START))
        off = position * rng.normal(size=(2, count)) + other * rng.normal(0, 200, (2, count))
        ra = then[0] + off[0] / 3600e3 / np.cos(np.radians(then[1]))
        dec = then[1] + off[1] / 3600e3
        pm = pm + motion * rng.normal(size=pm.shape)
        given = parallax + plx_error * rng.normal(size=count)
        stars.append(np.stack([ra, dec, *pm, given, *position, *motion, magnitude]))
        sigma = np.hypot(np.hypot(position, YEARS * motion), CENTROID) / 1e3
        used.append((x, y, sigma.T, (np.abs(real - pm) < 5 * motion).all(axis=0) & ~other))
        more = rng.uniform(4, SIDE - 5, (2, case.strangers))
        noise = CENTROID / 1e3 / PIXEL
        columns = {
            "x_psf": np.append(x + rng.normal(0, noise, count), more[0]),
            "y_psf": np.append(y + rng.normal(0, noise, count), more[1]),
        }
        columns |= {
            name: np.full(count + case.strangers, noise) for name in ("x_psf_err", "y_psf_err")
        }
        catalogs.append(Catalog(columns, {}, "image"))
    names = ("ra", "dec", "pmra", "pmdec", "parallax", "ra_error", "dec_error", "pmra_error",
             "pmdec_error", "magnitude")  # fmt: skip
    columns = dict(zip(names, np.concatenate(stars, axis=1), strict=True))
    return catalogs, AstrometricReference(name="gaia.parquet", epoch=2016.0, **columns), used


def limit(case, used):
    """Bayesian Cramer-Rao limit of the rms error vector, mas."""
    taus = np.zeros(len(GROUPS))
    taus[:4] = (60.0, 1.0, 1.0, 1.0)
    each = 0.005 / np.sqrt(36)
    first = GROUPS.index("field_2" if case.higher == "field" else "detector_2")
    taus[first : first + DEGREE - 1] = each
    taus[GROUPS.index("detector_1")] = {"all": 5.0, "distortion": 0.05, "field": 0.0}[case.linear]
    middle = aperture("WFI_CEN")
    field, place = [], []
    grid = polynomial.chebyshev_grid(12).T
    grids = []
    for detector, (x, y, _, good) in zip(DETECTORS, used, strict=True):
        here = aperture(detector)
        for xs, ys, out in ((x[good], y[good], field), (*((grid.T + 1) / 2 * (SIDE - 1)), grids)):
            v = np.stack(here.to_v2v3(xs, ys), axis=1) - (middle.v2_ref, middle.v3_ref)
            out.append(v / FIELD)
        place.append(np.stack([x[good], y[good]], axis=1) / (SIDE - 1) * 2 - 1)
    sigma = np.concatenate([sigma[good] for _, _, sigma, good in used])
    starts = np.cumsum([0, *map(len, place)])
    pairs = Pairs(np.concatenate(field), np.concatenate(place), starts, 0 * sigma, sigma)
    known = known_priors(pairs, taus)
    variances = [np.einsum("nana->n", known.covariance(d, at, grid)) for d, at in enumerate(grids)]
    area = np.sqrt(np.prod(1 - grid**2, axis=1))
    return 1e3 * np.sqrt(np.average(np.mean(variances, axis=0), weights=area))


def trial(case, rng, images):
    made = truths(case, rng)
    catalogs, reference, used = exposure(case, rng, made, images)
    began = time.thread_time()
    aligned, _ = tweakreg(images, catalogs, reference, TweakregConfig(on_failure="flag"))
    spent = time.thread_time() - began
    results = [image.meta["wcs_fit_results"] for image in aligned]
    if results[0]["status"] == "FAILED":
        return None
    errors = []
    grid = np.meshgrid(*2 * [(np.arange(24) + 0.5) / 24 * SIDE - 0.5])
    for image, truth in zip(aligned, made, strict=True):
        sky = truth.to_sky(*grid)
        plane = TangentPlane(float(np.mean(sky[0])), float(np.mean(sky[1])), scale=1 / 3600e3)
        there = PixelMap.from_gwcs(image.wcs, (SIDE, SIDE)).to_sky(*grid)
        errors.append(np.hypot(*np.subtract(plane.to_pixel(*there), plane.to_pixel(*sky))))
    stated = np.array([one["error_mas"] for one in results])
    return np.array(errors), stated, limit(case, used), spent, results[0]


def report(case, trials, images):
    done = [trial(case, np.random.default_rng(seed), images) for seed in range(trials)]
    good = [one for one in done if one is not None]
    failed = len(done) - len(good)
    label = f"{case.stars:6g} {case.release} {case.linear:10s} {case.higher:8s}"
    if not good:
        print(f"{label} FAILED {failed}/{len(done)}")
        return
    errors = np.stack([one[0] for one in good])
    stated = np.stack([one[1] for one in good])
    rms = np.sqrt(np.mean(errors**2))
    pull = np.sqrt(np.mean(errors**2) / np.mean(stated**2))
    bound = np.sqrt(np.mean([one[2] ** 2 for one in good]))
    spent = min(one[3] for one in good)
    kinds = ",".join(sorted({one[4]["geometry"] for one in good}))
    print(
        f"{label} rms {rms:7.3f}  p90 {np.percentile(errors, 90):7.3f}  limit {bound:6.3f}  "
        f"pull {pull:5.2f}  cpu {spent / len(DETECTORS):.3f} s/detector  "
        f"matches {good[0][4]['nmatches']}  {kinds}  FAILED {failed}/{len(done)}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--stars", type=float, nargs="+", default=[5, 30, 400])
    parser.add_argument(
        "--linear", nargs="+", default=["distortion"], choices=("distortion", "field", "all")
    )
    parser.add_argument("--higher", nargs="+", default=["field", "detector"])
    parser.add_argument("--release", nargs="+", default=["dr3"], choices=tuple(RELEASES))
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--strangers", type=int, default=500, help="on each detector")
    parser.add_argument("--sparse", action="store_true", help="rates of FAILED in sparse fields")
    options = parser.parse_args()
    stars = [0.1, 0.2, 0.3, 0.5, 1, 2] if options.sparse else options.stars
    images = [an_image(detector) for detector in DETECTORS]
    for release in options.release:
        for linear in options.linear:
            for higher in options.higher:
                for count in stars:
                    case = Case(count, linear, higher, release, options.strangers)
                    report(case, options.trials, images)


if __name__ == "__main__":
    main()
