"""Align the detectors of an exposure with astrometric reference stars.

All detectors share one attitude, so that one map is fitted for all, on the plane that
touches the sky at the middle of the exposure (xi to the east, eta to the north)::

    (xi, eta)_reference = M (xi, eta)_measured + t

with the reference stars moved to the exposure's epoch. Their errors are

    sigma^2 = sigma_catalog^2 + (dt sigma_motion)^2 + sigma_centroid^2 + floor^2

and for stars without a known motion sigma_motion is ``unknown_motion``. The map is
brought to each detector's own reference point and put into its WCS.
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
from aqueduct.geometry.alignment import Alignment, Geometry, find_offset, fit, match
from aqueduct.geometry.astrometry import earth_position, propagated
from aqueduct.geometry.footprint import outline, s_region
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.tangent import Floats, TangentPlane, center
from aqueduct.geometry.wcs import corrected_wcs, uncorrected_wcs
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.measure.sources import best_position
from aqueduct.products.catalog import Catalog
from aqueduct.products.image import Image
from aqueduct.products.meta import updated
from aqueduct.products.references import AstrometricReference

MOTION_RATIO: Final = 1.3
"""Error of a proper motion per year over that of the position (Gaia DR3, any magnitude;
Gaia Collaboration 2021, A&A 649, A1, table 3), for references that don't give it."""
ROUNDS: Final = 5
NARROW: Final = 5.0
"""Tolerance of later matching rounds, in rms of the last fit,"""
NARROWEST: Final = 0.02
"""and its least value, arcsec."""
HALF_DETECTOR: Final = 230.0
"""Arcsec."""

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

    fit_geometry: Literal["auto", "shift", "rshift", "rscale", "general"] = Field(
        "auto",
        description="Map to fit; auto takes the simplest that the stars support",
    )
    search: float = Field(6.0, gt=0, le=60, description="Largest offset sought, arcsec")
    tolerance: float = Field(
        0.7, gt=0, le=5, description="Largest distance of a match after the offset, arcsec"
    )
    minimum_matches: int = Field(5, ge=2, description="Fewest stars a fit may rest on")
    clip: float = Field(3.0, ge=1.5, description="Standard deviations at which a match is left out")
    centroid_error: float = Field(
        0.05, gt=0, description="Centroid error where the catalog has none, pixel"
    )
    error_floor: float = Field(1.0, ge=0, description="Error added to each star in quadrature, mas")
    unknown_error: float = Field(
        1.0, ge=0, description="Error taken for reference positions that come without, mas"
    )
    unknown_motion: float = Field(
        10.0, ge=0, description="Error of the motion of stars that lack one, mas/yr"
    )
    on_failure: Literal["error", "flag"] = Field(
        "error", description="Too few matches: stop, or keep the WCS and record FAILED"
    )

    @property
    def geometry(self) -> Geometry | None:
        """The map to fit; None for the simplest that the stars support."""
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
        If the inputs don't belong together, or, unless ``on_failure`` is "flag", if there
        are too few matches.
    """
    _check(images, catalogs)
    plain = [replace(image, wcs=uncorrected_wcs(image.wcs)) for image in images]
    maps = [PixelMap.from_gwcs(image.wcs, image.data.shape) for image in plain]
    ra, dec, error = _measured(maps, catalogs, config)
    try:
        plane, made = _align(ra, dec, error, plain[0], astrometry, config)
    except InputError as failure:
        if config.on_failure == "error":
            raise
        results = {"status": "FAILED", "reason": failure.what, "n_detector": len(images)}
        kept = [_finished(image, results) for image in plain]
        return kept, [_relocated(*pair) for pair in zip(catalogs, maps, strict=True)]
    results = _results(made, plane, len(images))
    name = f"FIT-LVL2-{astrometry.name.split('.')[0].upper() or 'ASTROMETRY'}"
    aligned = [_finished(_aligned(image, plane, made, name), results) for image in plain]
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


def _measured(
    maps: list[PixelMap], catalogs: list[Catalog], config: TweakregConfig
) -> tuple[Floats, Floats, Floats]:
    """(ra, dec) in degrees and centroid error in arcsec of the good sources of all detectors."""
    parts = []
    for pixel_map, catalog in zip(maps, catalogs, strict=True):
        columns = catalog.columns
        ending = "_psf" if "x_psf" in columns else "_centroid"
        x, y = (np.asarray(columns[f"{axis}{ending}"], float) for axis in "xy")
        errors = [
            np.asarray(columns.get(f"{axis}{ending}_err", np.zeros(len(x))), float) for axis in "xy"
        ]
        error = np.hypot(*errors) / np.sqrt(2)
        error = np.where(np.isfinite(error) & (error > 0), error, config.centroid_error)
        ra, dec = pixel_map.to_sky(x, y)
        good = np.isfinite(ra) & _clean(catalog)
        parts.append(np.stack([ra[good], dec[good], PIXEL_SCALE * error[good]]))
    ra, dec, error = np.concatenate(parts, axis=1)
    return ra, dec, error


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
    ra: Floats,
    dec: Floats,
    error: Floats,
    image: Image,
    astrometry: AstrometricReference,
    config: TweakregConfig,
) -> tuple[TangentPlane, Alignment]:
    """The common plane, in arcsec, and the map on it."""
    if len(ra) < config.minimum_matches:
        raise _too_few(f"the catalogs hold {len(ra)} good sources")
    plane = TangentPlane(*center(ra, dec), scale=1 / 3600)
    source = np.stack(plane.to_pixel(ra, dec), axis=1)
    reach = float(np.hypot(*source.T).max()) + config.search
    target, target_error = _references(astrometry, image, plane, reach, config)
    if len(target) < config.minimum_matches:
        raise _too_few(f"{len(target)} reference stars lie in the field")
    least = config.minimum_matches
    moved = source + find_offset(source, target, config.search, config.tolerance, least)
    tolerance = config.tolerance
    for _ in range(ROUNDS):
        i, j = match(moved, target, tolerance)
        if len(i) < least:
            raise _too_few(f"{len(i)} stars match within {tolerance:.3f} arcsec")
        sigma = np.hypot(error[i, None], target_error[j])
        made = fit(source[i], target[j], sigma, config.geometry, config.clip)
        moved = made(source)
        # Wide at first for the rotation; then narrow, against chance matches.
        tolerance = min(config.tolerance, max(NARROW * made.rms, NARROWEST))
    if made.used.sum() < least:
        raise _too_few(f"{made.used.sum()} matches are left after clipping")
    return plane, made


def _too_few(what: str) -> InputError:
    return InputError(
        f"too few stars to align: {what}",
        where="tweakreg",
        hint="lower minimum_matches, widen search, or set on_failure = 'flag'",
    )


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


def _aligned(image: Image, plane: TangentPlane, made: Alignment, name: str) -> Image:
    """``image`` with the map, brought to the plane at its own reference point."""
    wcsinfo = image.meta["wcsinfo"]
    local = TangentPlane(float(wcsinfo["ra_ref"]), float(wcsinfo["dec_ref"]), scale=1 / 3600)
    before = HALF_DETECTOR * polynomial.chebyshev_grid(3)
    common = np.stack(plane.to_pixel(*local.to_sky(*before)), axis=1)
    after = np.stack(local.to_pixel(*plane.to_sky(*made(common).T)))
    affine = polynomial.fit(before, after, 1)
    matrix = np.stack([affine[:, 1, 0], affine[:, 0, 1]], axis=1)
    wcs = corrected_wcs(image.wcs, wcsinfo, matrix, affine[:, 0, 0])
    wcs.name = name
    return replace(image, wcs=wcs)


def _results(made: Alignment, plane: TangentPlane, detectors: int) -> dict[str, Any]:
    """What ``meta.wcs_fit_results`` records: angles in arcsec, errors in mas."""
    turn = np.arctan2(made.matrix[1, 0] - made.matrix[0, 1], np.trace(made.matrix))
    return {
        "status": "COMPLETE",
        "fitgeom": made.geometry,
        "nmatches": int(made.used.sum()),
        "n_rejected": int((~made.used).sum()),
        "n_detector": detectors,
        "center": [plane.ra0, plane.dec0],
        "shift": [float(value) for value in made.shift],
        "rotation": float(np.degrees(turn) * 3600),
        "scale": float(np.sqrt(np.linalg.det(made.matrix))),
        "matrix": [[float(value) for value in row] for row in made.matrix],
        "rms_mas": 1000 * made.rms,
        "chi2_reduced": made.chi2,
        "error_mas": 1000 * made.error,
    }


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
