"""How well injected sources are recovered.

A source counts as recovered where a catalog has one within 0.15 arcsec. In each bin of true
magnitude

    completeness = recovered / injected,   bias = median(F / F_true - 1)
    scatter = robust width of F / F_true,  pull = robust width of (F - F_true) / error
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aqueduct import io
from aqueduct.core.errors import InputError
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.instrument.photometry import abmag
from aqueduct.pipelines.compare import MATCH, Measured, robust_width
from aqueduct.products import Catalog


@dataclass(frozen=True)
class Recovery:
    """How well the sources of one bin of magnitude are recovered.

    Attributes
    ----------
    magnitude : float
        Middle of the bin, AB.
    injected, recovered : int
    bias, scatter : float
        Relative, of the flux.
    pull : float
    """

    magnitude: float
    injected: int
    recovered: int
    bias: float
    scatter: float
    pull: float

    @property
    def completeness(self) -> float:
        return self.recovered / self.injected


def recovery(
    measured: Measured,
    truth: Mapping[str, NDArray[Any]],
    *,
    without: Measured | None = None,
    width: float = 0.5,
) -> list[Recovery]:
    """Match a catalog with the sources that were injected.

    Parameters
    ----------
    measured : Measured
        The catalog of the file with the sources.
    truth : mapping
        ``ra``, ``dec`` (deg), ``flux`` (nJy), ``saturated``; saturated ones are left out.
    without : Measured, optional
        The catalog of the file without them: injected sources within 0.15 arcsec of one in it
        are left out, since what is found there may be that.
    width : float
        Of the bins, magnitudes.

    Returns
    -------
    list of Recovery
        From bright to faint; bins without sources are absent.
    """
    use = ~np.asarray(truth["saturated"], bool) & (np.asarray(truth["flux"]) > 0)
    ra, dec, flux = (np.asarray(truth[name], float)[use] for name in ("ra", "dec", "flux"))
    if without is not None:
        free = _separation(ra, dec, without)[0] > MATCH
        ra, dec, flux = ra[free], dec[free], flux[free]
    distance, nearest = _separation(ra, dec, measured)
    found = distance < MATCH
    magnitude = abmag(flux)
    return [
        _bin(level, found[pick], flux[pick], nearest[pick], measured)
        for level, pick in _bins(magnitude, width)
    ]


def _bins(magnitude: NDArray[np.float64], width: float) -> list[tuple[float, NDArray[np.int64]]]:
    place = np.floor(magnitude / width).astype(int)
    return [(float((k + 0.5) * width), np.flatnonzero(place == k)) for k in np.unique(place)]


def _bin(
    level: float,
    found: NDArray[np.bool_],
    flux: NDArray[np.float64],
    nearest: NDArray[np.int64],
    measured: Measured,
) -> Recovery:
    there = nearest[found]
    if not there.size:
        return Recovery(level, found.size, 0, np.nan, np.nan, np.nan)
    ratio = measured.flux[there] / flux[found] - 1
    pulls = (measured.flux[there] - flux[found]) / measured.flux_err[there]
    ratio, pulls = ratio[np.isfinite(ratio)], pulls[np.isfinite(pulls)]
    return Recovery(
        level,
        found.size,
        int(found.sum()),
        float(np.median(ratio)),
        robust_width(ratio),
        robust_width(pulls),
    )


def _separation(
    ra: NDArray[np.float64], dec: NDArray[np.float64], other: Measured
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Arcsec to the nearest source of a catalog, and its index."""
    if not len(ra) or not len(other.ra):
        return np.full(len(ra), np.inf), np.zeros(len(ra), np.int64)
    plane = TangentPlane(float(np.median(ra)), float(np.median(dec)), scale=1 / 3600)
    tree = cKDTree(np.column_stack(plane.to_pixel(other.ra, other.dec)))
    distance, nearest = tree.query(np.column_stack(plane.to_pixel(ra, dec)))
    return distance, nearest


def measured_in(path: Path, columns: Sequence[str] = ("ra_psf", "dec_psf", "psf_flux")) -> Measured:
    """Positions, fluxes and errors of a catalog file.

    Parameters
    ----------
    path : Path
    columns : sequence of str
        Right ascension, declination and flux; the error is in the last with ``_err``.

    Raises
    ------
    InputError
        If it is no catalog, or lacks a column.
    """
    catalog = io.read(path)
    if not isinstance(catalog, Catalog):
        raise InputError("is no catalog", where=str(path), hint="give a file of _cat.parquet")
    try:
        values = [np.asarray(catalog[name], float) for name in (*columns, f"{columns[-1]}_err")]
    except KeyError as error:
        raise InputError(f"has no column {error}", where=str(path)) from error
    good = np.isfinite(values[0]) & np.isfinite(values[1])
    return Measured(*(value[good] for value in values))
