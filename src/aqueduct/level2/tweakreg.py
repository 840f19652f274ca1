"""Align the detectors of an exposure with astrometric reference stars.

All detectors share one attitude and one optical distortion, and each has its own errors on
top. One map is fitted for all of them, on the plane that touches the sky at the middle of
the exposure (xi to the east, eta to the north)::

    (xi, eta)_reference = attitude (xi, eta) + field (xi, eta) + detector (x, y)

Each part is taken only as far as the stars ask for it: shift -> rotation -> scale -> affine
-> polynomials over the field -> polynomials on each detector, by the evidence
(:mod:`aqueduct.geometry.fieldfit`). The reference stars are moved to the exposure's epoch.
Their errors are

    sigma^2 = sigma_catalog^2 + (dt sigma_motion)^2 + sigma_centroid^2 + floor^2

and for stars without a known motion sigma_motion is ``unknown_motion``. The map is
brought to the plane at each detector's own reference point and put into its WCS.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, Literal

import numpy as np
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.geometry import polynomial
from aqueduct.geometry.astrometry import earth_position, propagated
from aqueduct.geometry.fieldfit import DEGREE, FieldGeometry
from aqueduct.geometry.footprint import outline, s_region
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.tangent import Floats, TangentPlane, center
from aqueduct.geometry.wcs import corrected_wcs, uncorrected_wcs
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.level2._align import Solution, Stars, solve
from aqueduct.level2._fit_results import fit_results, map_results
from aqueduct.measure.sources import best_position
from aqueduct.products.catalog import Catalog
from aqueduct.products.image import Image
from aqueduct.products.meta import updated
from aqueduct.products.references import AstrometricReference

MOTION_RATIO: Final = 1.3
"""Error of a proper motion per year over that of the position (Gaia DR3, any magnitude;
Gaia Collaboration 2021, A&A 649, A1, table 3), for references that don't give it."""
GRID: Final = 12
"""Places on each axis of a detector where its map is sampled."""
STRAIGHT: Final = {"shift", "rshift", "rscale", "general"}
"""Geometries that are affine on each detector."""

SKY_COLUMNS: Final = {
    "": "_centroid",
    "_centroid": "_centroid",
    "_centroid_win": "_centroid_win",
    "_psf": "_psf",
}
"""Ending of each pair of ra, dec columns, and of the x, y columns it comes from."""

BEST: Final = {"ra_centroid_win", "ra_psf", "ra_psf_err", "is_extended", "psf_flags"}
"""Columns by which the position of a source is chosen."""


class TweakregConfig(StepConfig):
    """Parameters of tweakreg."""

    fit_geometry: Literal["auto", "shift", "rshift", "rscale", "general", "field", "detector"] = (
        Field("auto", description="Map to fit; auto takes that of the greatest evidence")
    )
    search: float = Field(6.0, gt=0, le=60, description="Largest offset sought, arcsec")
    tolerance: float = Field(
        0.7, gt=0, le=5, description="Largest distance of a match after the offset, arcsec"
    )
    minimum_matches: int = Field(5, ge=2, description="Fewest stars a fit may rest on")
    clip: float = Field(
        5.0, ge=1.5, description="Standard deviations beyond which a match counts for nothing"
    )
    centroid_error: float = Field(
        0.05, gt=0, description="Centroid error where the catalog has none, pixel"
    )
    error_floor: float = Field(0.3, ge=0, description="Error added to each star in quadrature, mas")
    unknown_error: float = Field(
        1.0, ge=0, description="Error taken for reference positions that come without, mas"
    )
    unknown_motion: float = Field(
        10.0, ge=0, description="Error of the motion of stars that lack one, mas/yr"
    )
    on_failure: Literal["error", "flag"] = Field(
        "flag", description="Too few matches: stop, or keep the WCS and record FAILED"
    )

    @property
    def geometry(self) -> FieldGeometry | None:
        """The map to fit; None for that of the greatest evidence."""
        return None if self.fit_geometry == "auto" else self.fit_geometry


@step(shape="group", cal_step="tweakreg", redoable=True)
def tweakreg(
    images: list[Image],
    catalogs: list[Catalog],
    astrometry: AstrometricReference,
    config: TweakregConfig,
) -> tuple[list[Image], list[Catalog]]:
    """Correct the WCS of all detectors of one exposure, and the sky positions measured.

    Parameters
    ----------
    images : list of Image
        Detectors of one exposure, after assign_wcs. An earlier alignment is dropped first.
    catalogs : list of Catalog
        One for each image, in the same order; 0-based pixels of the science area.
    astrometry : AstrometricReference
    config : TweakregConfig

    Returns
    -------
    list of Image
        With the aligned ``wcs``, ``meta.wcsinfo.s_region`` and ``meta.wcs_fit_results``;
        the arrays are shared.
    list of Catalog
        With ra and dec columns from the aligned WCS.

    Raises
    ------
    InputError
        If the inputs don't belong together, or, if ``on_failure`` is "error", if there
        are too few matches.
    """
    _check(images, catalogs)
    plain = [replace(image, wcs=uncorrected_wcs(image.wcs)) for image in images]
    maps = [PixelMap.from_gwcs(image.wcs, image.data.shape) for image in plain]
    plane = _plane(plain)
    stars = _measured(plane, plain, maps, catalogs, config)
    target, sigma = _references(astrometry, plain[0], plane, _reach(stars, config), config)
    try:
        solution = _align(stars, target, sigma, len(images), config)
    except InputError as failure:
        if config.on_failure == "error":
            raise
        results = {"status": "FAILED", "reason": failure.what, "nmatches": 0,
                   "n_detector": len(images)}  # fmt: skip
        kept = [_finished(image, results) for image in plain]
        return kept, [_relocated(*pair) for pair in zip(catalogs, maps, strict=True)]
    name = f"FIT-LVL2-{astrometry.name.split('.')[0].upper() or 'ASTROMETRY'}"
    aligned = [
        _aligned(image, pixels, plane, solution, index, name)
        for index, (image, pixels) in enumerate(zip(plain, maps, strict=True))
    ]
    return aligned, [
        _relocated(catalog, PixelMap.from_gwcs(image.wcs, image.data.shape))
        for image, catalog in zip(aligned, catalogs, strict=True)
    ]


def _check(images: list[Image], catalogs: list[Catalog]) -> None:
    if not images or len(images) != len(catalogs):
        raise InputError(
            f"{len(images)} images and {len(catalogs)} catalogs",
            where="tweakreg",
            hint="give one catalog for each image",
        )
    if any(image.wcs is None for image in images):
        raise InputError("an image has no WCS", where="tweakreg", hint="run assign_wcs first")
    about = [image.meta.get("observation", {}) for image in images]
    exposures = {(str(one.get("visit_id")), str(one.get("exposure"))) for one in about}
    if len(exposures) > 1:
        raise InputError(
            f"the images are of {len(exposures)} exposures, which share no attitude",
            where="tweakreg",
            hint="align each exposure by itself",
        )


def _plane(images: list[Image]) -> TangentPlane:
    """The common plane, in arcsec, at the middle of the detectors."""
    about = [image.meta["wcsinfo"] for image in images]
    ra, dec = center(*([float(one[key]) for one in about] for key in ("ra_ref", "dec_ref")))
    return TangentPlane(ra, dec, scale=1 / 3600)


def _measured(
    plane: TangentPlane,
    images: list[Image],
    maps: list[PixelMap],
    catalogs: list[Catalog],
    config: TweakregConfig,
) -> Stars:
    """The good sources of all detectors."""
    parts = []
    for index, (image, pixels, catalog) in enumerate(zip(images, maps, catalogs, strict=True)):
        columns = catalog.columns
        ending = "_psf" if "x_psf" in columns else "_centroid"
        x, y = (np.asarray(columns[f"{axis}{ending}"], float) for axis in "xy")
        errors = [
            np.asarray(columns.get(f"{axis}{ending}_err", np.zeros(len(x))), float) for axis in "xy"
        ]
        error = np.hypot(*errors) / np.sqrt(2)
        error = np.where(np.isfinite(error) & (error > 0), error, config.centroid_error)
        ra, dec = pixels.to_sky(x, y)
        good = np.isfinite(ra) & _clean(catalog)
        there = plane.to_pixel(ra[good], dec[good])
        place = _scaled(image, x[good], y[good])
        which = np.full(good.sum(), index)
        parts.append(np.stack([*there, *place, PIXEL_SCALE * error[good], which]))
    xi, eta, u, v, sigma, which = np.concatenate(parts, axis=1)
    return Stars(np.stack([xi, eta], 1), np.stack([u, v], 1), sigma, which.astype(np.intp))


def _reach(stars: Stars, config: TweakregConfig) -> float:
    """Radius in which reference stars may be of use, arcsec."""
    return float(np.hypot(*stars.plane.T).max(initial=0.0)) + config.search


def _scaled(image: Image, x: Floats, y: Floats) -> Floats:
    """Pixels scaled to [-1, 1] over the image, (2, n)."""
    rows, columns = image.data.shape
    return np.stack([2 * x / (columns - 1) - 1, 2 * y / (rows - 1) - 1])


def _clean(catalog: Catalog) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Sources without any flag and with flux."""
    good = np.ones(len(catalog), bool)
    for name in ("warning_flags", "psf_flags"):
        if name in catalog.columns:
            good &= np.asarray(catalog[name]) == 0
    if "psf_flux" in catalog.columns:
        good &= np.asarray(catalog["psf_flux"]) > 0
    return good


def _align(
    stars: Stars, target: Floats, sigma: Floats, detectors: int, config: TweakregConfig
) -> Solution:
    try:
        for count, what in ((len(stars.plane), "good sources"), (len(target), "reference stars")):
            if count < config.minimum_matches:
                raise InputError(f"there are {count} {what}")
        return solve(
            stars,
            target,
            sigma,
            detectors,
            geometry=config.geometry,
            search=config.search,
            tolerance=config.tolerance,
            least=config.minimum_matches,
            clip=config.clip,
        )
    except InputError as error:
        raise InputError(
            f"too few stars to align: {error.what}",
            where="tweakreg",
            hint="lower minimum_matches, widen search, or set on_failure = 'flag'",
        ) from error


def _references(
    stars: AstrometricReference,
    image: Image,
    plane: TangentPlane,
    reach: float,
    config: TweakregConfig,
) -> tuple[Floats, Floats]:
    """Plane positions (n, 2) and errors (n, 2) in arcsec at the exposure's epoch."""
    time = image.exposure.start_time
    years = float(time.jyear) - stars.epoch
    # First a coarse cut: the catalog may cover far more than the field.
    near = np.hypot(*plane.to_pixel(stars.ra, stars.dec)) < reach + 60.0
    columns = (stars.ra, stars.dec, stars.pmra, stars.pmdec, stars.parallax)
    ra, dec, pmra, pmdec, parallax = (np.asarray(column, float)[near] for column in columns)
    ra, dec = propagated(ra, dec, pmra, pmdec, parallax, years, earth_position(time))
    known = np.isfinite(pmra) & np.isfinite(pmdec)
    variances = []
    for error, motion_error in (
        (stars.ra_error, stars.pmra_error),
        (stars.dec_error, stars.pmdec_error),
    ):
        here = np.asarray(error, float)[near]
        here = np.where(np.isfinite(here), here, config.unknown_error)
        rate = MOTION_RATIO * here if motion_error is None else np.asarray(motion_error)[near]
        rate = np.where(known & np.isfinite(rate), rate, config.unknown_motion)
        variances.append(here**2 + (years * rate) ** 2 + config.error_floor**2)
    target = np.stack(plane.to_pixel(ra, dec), axis=1)
    inside = np.hypot(*target.T) < reach
    return target[inside], np.sqrt(np.stack(variances, axis=1)[inside]) / 1000


def _aligned(
    image: Image,
    pixels: PixelMap,
    plane: TangentPlane,
    solution: Solution,
    index: int,
    name: str,
) -> Image:
    """``image`` with the map, brought to the plane at its own reference point."""
    wcsinfo = image.meta["wcsinfo"]
    local = TangentPlane(float(wcsinfo["ra_ref"]), float(wcsinfo["dec_ref"]), scale=1 / 3600)
    rows, columns = image.data.shape
    place = polynomial.chebyshev_grid(GRID)
    size = np.array([[columns - 1], [rows - 1]])
    sky = pixels.to_sky(*((place + 1) / 2 * size))
    common = np.stack(plane.to_pixel(*sky), axis=1)
    after = np.stack(local.to_pixel(*plane.to_sky(*solution(index, common, place.T).T)))
    straight = solution.field.geometry in STRAIGHT
    made = polynomial.fit(np.stack(local.to_pixel(*sky)), after, 1 if straight else DEGREE)
    matrix = np.stack([made[:, 1, 0], made[:, 0, 1]], axis=1)
    shift = made[:, 0, 0].copy()
    made[:, [0, 1, 0], [0, 0, 1]] = 0.0
    bend = None if straight else np.einsum("ab,bij->aij", np.linalg.inv(matrix), made)
    wcs = corrected_wcs(image.wcs, wcsinfo, matrix, shift, bend)
    wcs.name = name
    results = {
        **fit_results(solution, index, common, place.T),
        **map_results(matrix, shift),
        "center": [local.ra0, local.dec0],
    }
    return _finished(replace(image, wcs=wcs), results)


def _finished(image: Image, results: dict[str, Any]) -> Image:
    corners = s_region(*outline(image.wcs, image.data.shape))
    meta = updated(image.meta, wcsinfo={"s_region": corners})
    if results["status"] == "FAILED":
        meta = updated(meta, cal_step={"tweakreg": "FAILED"})
    return replace(image, meta={**meta, "wcs_fit_results": results})


def _relocated(catalog: Catalog, pixel_map: PixelMap) -> Catalog:
    """``catalog`` with its ra and dec columns from its pixel positions."""
    columns = dict(catalog.columns)
    for sky, pixel in SKY_COLUMNS.items():
        if f"ra{sky}" in columns and f"x{pixel}" in columns:
            columns[f"ra{sky}"], columns[f"dec{sky}"] = pixel_map.to_sky(
                columns[f"x{pixel}"], columns[f"y{pixel}"]
            )
    if set(columns) >= BEST:
        columns.update(best_position(columns))
    return replace(catalog, columns=columns)
