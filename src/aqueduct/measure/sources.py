"""From an image and its segments to catalog columns, used by Levels 2 and 4.

Shapes and positions come from one image (:func:`detected`), fluxes of each filter from
that filter's, at the same places and in the same apertures (:func:`fluxes`).

    flux [nJy] = sum of surface brightness [MJy/sr] x solid angle of a pixel [sr] x 1e15

with the solid angle at the source's own position. Errors contain the noise that pixels
share and the error of the background (:mod:`aqueduct.measure.apertures`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aqueduct.geometry.tangent import SkyMap, jacobian, vector
from aqueduct.instrument.photometry import NJY_PER_MJY, abmag
from aqueduct.measure import apertures
from aqueduct.measure.apertures import (
    Field,
    Noise,
    Vector,
    annuli,
    circular,
    elliptical,
)
from aqueduct.measure.psf_photometry import NOT_CONVERGED, Fits
from aqueduct.measure.shapes import (
    KRON,
    NARROWEST,
    Moments,
    boxes,
    half_light,
    kron,
    moments,
    touching,
    windowed,
)
from aqueduct.measure.sharpness import sharpness
from aqueduct.products import columns as declared
from aqueduct.products.catalog import Kind

Columns = dict[str, NDArray[Any]]

SR_PER_ARCSEC2: Final = np.radians(1 / 3600) ** 2
_MAG: Final = 2.5 / np.log(10)
_FWHM: Final = 2.354820045030949
_ARCSEC: Final = 3600 * 180 / np.pi
_LOCUS: Final = 1.1
"""Scatter allowed to point sources' flux ratio, from pixel phase and PSF changes."""
_SIGMAS: Final = 3.0
_SHARED: Final = 0.2
"""Radius in arcsec by which the noise of apertures on co-adds has reached its plateau."""


@dataclass(frozen=True)
class Detected:
    """Positions and shapes that fluxes are measured at; pixels and radians.

    Attributes
    ----------
    columns : dict
        The catalog columns that no filter owns.
    label : ndarray of int32
    x, y : ndarray
        Windowed centroids.
    a, b, theta : ndarray
        Semi-axes of the Kron aperture, and its angle.
    jacobian : ndarray, (source, 2, 2)
        Arcsec east and north per pixel in x and y.
    box : ndarray of int64, (source, 4)
        First and last row, first and last column of each segment.
    field : Field
        The image measured on.
    moments : Moments
        Of its segments.
    """

    columns: Columns
    label: NDArray[np.int32]
    x: Vector
    y: Vector
    a: Vector
    b: Vector
    theta: Vector
    jacobian: Vector
    box: NDArray[np.int64]
    field: Field
    moments: Moments

    @property
    def scale(self) -> Vector:
        """Arcsec on a pixel's side."""
        return np.asarray(np.sqrt(np.abs(np.linalg.det(self.jacobian))))


def middle_scale(sky: SkyMap, shape: tuple[int, ...]) -> float:
    """Arcsec on a side of the image's middle pixel."""
    middle = (np.array([(size - 1) / 2]) for size in (shape[1], shape[0]))
    return float(np.sqrt(np.abs(np.linalg.det(jacobian(sky, *middle)[0]))))


def radii(scale: Vector) -> Vector:
    """Radii of the circular apertures in pixels, (source, aperture)."""
    return np.array(list(declared.APERTURES.values())) / scale[:, None]


def noise_of(field: Field, scale: float) -> Noise:
    """The noise of apertures of the catalog's radii; ``scale`` in arcsec per pixel."""
    sizes = [radius / scale for radius in declared.APERTURES.values()]
    return apertures.noise(field, sizes, _SHARED / scale)


def detected(field: Field, sky: SkyMap, noise: Noise) -> Detected:
    """Measure positions and shapes of all segments of ``field.labels``.

    Parameters
    ----------
    field : Field
        The image to measure on.
    sky : SkyMap
    noise : NoiseFactors
        Of ``field``.
    """
    box = boxes(field.labels)
    label = np.arange(1, len(box) + 1, dtype=np.int32)
    first = moments(field, box)
    a, b, theta = first.ellipse()
    # A segment without light has no centroid: its box still says where it is.
    x = np.where(np.isfinite(first.x), first.x, box[:, 2:].mean(axis=1))
    y = np.where(np.isfinite(first.y), first.y, box[:, :2].mean(axis=1))
    a, b, theta = (np.where(np.isfinite(v), v, d) for v, d in ((a, 1.0), (b, 1.0), (theta, 0.0)))
    ratio = kron(field, label, x, y, a, b, theta)
    ka, kb = KRON * ratio * a, KRON * ratio * b
    half = half_light(field, label, x, y, first.flux, ka, least=NARROWEST * _FWHM / 2)
    width = np.where(np.isfinite(half), 2 * half / _FWHM, np.sqrt(a * b))
    xw, yw, xv, yv, found = windowed(field, label, x, y, width)
    xv, yv = np.where(found, xv, first.x_variance), np.where(found, yv, first.y_variance)
    factor = noise.shared(first.area)
    turn = jacobian(sky, xw, yw)
    out = Detected({}, label, xw, yw, ka, kb, theta, turn, box, field, first)
    scale = out.scale
    out.columns.update(
        label=label,
        **_placed("_centroid", sky, turn, x, y, first.x_variance, first.y_variance, factor),
        **_placed("_centroid_win", sky, turn, xw, yw, xv, yv, factor),
        **dict(zip(("bbox_ymin", "bbox_ymax", "bbox_xmin", "bbox_xmax"), box.T, strict=True)),
        segment_area=first.area * scale**2,
        **_ellipse(a, b, theta, turn, scale),
        kron_radius=ratio * a * scale,
        **_nearest(*sky.to_sky(xw, yw)),
        warning_flags=_warnings(field, box, xw, yw, found, first.masked, scale),
    )
    return out


def _placed(
    ending: str, sky: SkyMap, turn: Vector, x: Vector, y: Vector, xv: Vector, yv: Vector,
    factor: Vector | float = 1.0,
) -> Columns:  # fmt: skip
    """Pixel and sky position columns of one kind; variances in pixels."""
    ra, dec = sky.to_sky(x, y)
    east, north = (np.sqrt(turn[:, n, 0] ** 2 * xv + turn[:, n, 1] ** 2 * yv) for n in (0, 1))
    return {
        f"x{ending}": x,
        f"y{ending}": y,
        f"x{ending}_err": factor * np.sqrt(xv),
        f"y{ending}_err": factor * np.sqrt(yv),
        f"ra{ending}": ra,
        f"dec{ending}": dec,
        f"ra{ending}_err": factor * east,
        f"dec{ending}_err": factor * north,
    }


def _ellipse(a: Vector, b: Vector, theta: Vector, turn: Vector, scale: Vector) -> Columns:
    cos, sin = np.cos(theta), np.sin(theta)
    east = turn[:, 0, 0] * cos + turn[:, 0, 1] * sin
    north = turn[:, 1, 0] * cos + turn[:, 1, 1] * sin
    major, minor = a * scale, b * scale
    return {
        "semimajor": major,
        "semiminor": minor,
        "fwhm": 2 * np.sqrt(np.log(2) * (major**2 + minor**2)),
        "ellipticity": 1 - minor / major,
        "orientation_pix": np.degrees(theta),
        "orientation_sky": np.degrees(np.arctan2(east, north)) % 180.0,
        "cxx": (cos / major) ** 2 + (sin / minor) ** 2,
        "cyy": (sin / major) ** 2 + (cos / minor) ** 2,
        "cxy": 2 * cos * sin * (major**-2 - minor**-2),
    }


def _nearest(ra: Vector, dec: Vector) -> Columns:
    """The nearest other source; label 0 and NaN where there is none."""
    label, distance = np.zeros(len(ra), np.int32), np.full(len(ra), np.nan)
    good = np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    if len(good) > 1:
        points = vector(ra[good], dec[good])
        chord, index = cKDTree(points).query(points, k=2)
        # Of two at one place, a source may come second to itself.
        other = np.where(index[:, 1] == np.arange(len(good)), index[:, 0], index[:, 1])
        label[good] = good[other] + 1
        distance[good] = _ARCSEC * 2 * np.arcsin(chord[:, 1] / 2)
    return {"nn_label": label, "nn_distance": distance}


def _warnings(
    field: Field, box: NDArray[np.int64], x: Vector, y: Vector, found: NDArray[np.bool_],
    masked: Vector, scale: Vector,
) -> NDArray[np.int32]:  # fmt: skip
    height, width = field.mask.shape
    row, column = np.rint(y).astype(np.int64), np.rint(x).astype(np.int64)
    off = (row < 0) | (row >= height) | (column < 0) | (column >= width)
    bad = off | field.mask[np.where(off, 0, row), np.where(off, 0, column)]
    lost = circular(field, x, y, (declared.APERTURES["04"] / scale)[:, None]).lost[:, 0]
    edge = (box[:, 0] == 0) | (box[:, 2] == 0) | (box[:, 1] == height - 1)
    flags = np.zeros(len(x), np.int32)
    for flag, where in (
        (declared.UNUSABLE, bad),
        (declared.MASKED, (masked > 0) | (lost > 0)),
        (declared.EDGE, edge | (box[:, 3] == width - 1)),
        (declared.BLENDED, touching(field.labels, box)),
        (declared.NOT_WINDOWED, ~found),
    ):
        flags[where] |= flag
    return flags


def fluxes(
    field: Field, at: Detected, noise: Noise, unit: float, point_ratio: float, fwhm: float
) -> Columns:
    """The columns of one filter, by their names without it.

    Parameters
    ----------
    field : Field
        The filter's image.
    at : Detected
    noise : NoiseFactors
        Of ``field``.
    unit : float
        MJy/sr of one data unit.
    point_ratio : float
        Flux of a point source within 0.4 arcsec over that within 0.2.
    fwhm : float
        Of the PSF in pixels, for sharpness and roundness.
    """
    brightness = unit * NJY_PER_MJY * SR_PER_ARCSEC2
    njy = brightness * at.scale**2
    sizes = radii(at.scale)
    circles = circular(field, at.x, at.y, sizes)
    shape = elliptical(field, at.label, at.x, at.y, at.a, at.b, at.theta)
    segment = at.moments if field is at.field else moments(field, at.box)
    scale = float(np.median(at.scale)) if len(at.scale) else 1.0
    inner, outer = (edge / scale for edge in declared.ANNULUS)
    level, level_error, count = annuli(field, at.x, at.y, inner, outer)
    half = half_light(field, at.label, at.x, at.y, shape.flux[:, 0], at.a)
    sharp, round_ = sharpness(field, at.x, at.y, fwhm)
    flux = circles.flux * njy[:, None]
    error = np.sqrt(noise.variance(circles.variance, np.pi * sizes**2)) * njy[:, None]
    total = shape.flux[:, 0] * njy
    total_error = np.sqrt(noise.variance(shape.variance[:, 0], np.pi * at.a * at.b)) * njy
    out = {
        "sharpness": sharp,
        "roundness1": round_,
        "fluxfrac_radius_50": half * at.scale,
        "aper_bkg_flux": level * brightness,
        "aper_bkg_flux_err": level_error * noise.shared(count) * brightness,
        "segment_flux": segment.flux * njy,
        "segment_flux_err": np.sqrt(noise.variance(segment.variance, segment.area)) * njy,
        "kron_flux": total,
        "kron_flux_err": total_error,
    }
    for n, name in enumerate(declared.APERTURES):
        out[f"aper{name}_flux"], out[f"aper{name}_flux_err"] = flux[:, n], error[:, n]
    with np.errstate(invalid="ignore", divide="ignore"):
        positive = np.where(total > 0, total, np.nan)
        out["kron_abmag"] = abmag(positive)
        out["kron_abmag_err"] = _MAG * total_error / positive
    out["is_extended"] = extended(out, point_ratio)
    return out


def extended(columns: Mapping[str, NDArray[Any]], point_ratio: float) -> NDArray[np.bool_]:
    """Whether sources are broader than a point source by more than 10 % and 3 sigma.

    With f and F the fluxes within 0.2 and 0.4 arcsec, and s the point source's F / f, the
    excess E = F - 1.1 s f is compared with its error. The noise of f is part of that of F::

        var E = var F + (1.1 s)^2 var f - 2 (1.1 s) var f
    """
    inner, outer = columns["aper02_flux"], columns["aper04_flux"]
    vi, vo = columns["aper02_flux_err"] ** 2, columns["aper04_flux_err"] ** 2
    s = _LOCUS * point_ratio
    variance = np.maximum(vo + (s * s - 2 * s) * vi, 0.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(outer - s * inner > _SIGMAS * np.sqrt(variance))


def psf_columns(fits: Fits, at: Detected, sky: SkyMap, unit: float, factor: float) -> Columns:
    """The columns of PSF photometry; ``factor`` is the noise factor of the window."""
    njy = unit * NJY_PER_MJY * SR_PER_ARCSEC2 * at.scale**2
    return {
        **_placed(
            "_psf", sky, at.jacobian, fits.x, fits.y, fits.x_error**2, fits.y_error**2, factor
        ),
        "psf_flux": fits.flux * njy,
        "psf_flux_err": factor * fits.flux_error * njy,
        "psf_flags": fits.flags,
        "psf_gof": fits.chi2,
    }


def best_position(columns: Mapping[str, NDArray[Any]]) -> Columns:
    """``ra`` and ``dec``: of the PSF fit where it is good and the source a point, else windowed."""
    ra, dec = columns["ra_centroid_win"], columns["dec_centroid_win"]
    if "x_psf" in columns:
        point = ~columns["is_extended"] & ((columns["psf_flags"] & NOT_CONVERGED) == 0)
        point &= np.isfinite(columns["ra_psf_err"]) & np.isfinite(columns["ra_psf"])
        ra = np.where(point, columns["ra_psf"], ra)
        dec = np.where(point, columns["dec_psf"], dec)
    return {"ra": ra, "dec": dec}


def joined_flags(
    labels: NDArray[np.int32], flags: NDArray[np.uint32], count: int
) -> NDArray[np.int32]:
    """``image_flags``: flags of each segment's pixels joined, bits 0 to 30."""
    out = np.zeros(count + 1, np.uint32)
    where = np.flatnonzero((labels > 0) & (flags != 0))
    np.bitwise_or.at(out, labels.ravel()[where], flags.ravel()[where])
    return (out[1:] & np.uint32(0x7FFFFFFF)).astype(np.int32)


def table(
    columns: Columns, kind: Kind, filters: tuple[str, ...] = (), psf: bool = False
) -> Columns:
    """Columns in the declared order and types."""
    return {
        column.name: np.asarray(columns[column.name]).astype(column.dtype)
        for column in declared.columns(kind, filters, psf)
    }
