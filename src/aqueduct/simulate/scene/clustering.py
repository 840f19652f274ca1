"""Places of galaxies that cluster: a log-normal random field in each slice of distance.

In a slice of comoving depth D at distance X, galaxies of the three-dimensional correlation
function (r / r0)^-g have the angular one (Limber 1953, ApJ 117, 134)

    w(theta) = sqrt(pi) Gamma((g-1)/2) / Gamma(g/2) r0^g (X theta)^(1-g) / D

The density is exp(G - s^2 / 2), G a Gaussian field of covariance ln(1 + w) and variance s^2
(Coles & Jones 1991, MNRAS 248, 1), sampled on a grid; structures smaller than its cells, and
those common to two slices, are left out. Each slice has as many galaxies as without.
"""

from __future__ import annotations

from math import gamma
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.simulate.scene.cosmology import comoving_distance

Floats = NDArray[np.float64]

_CELLS: Final = 512
"""Cells along a side of the field, which is twice the diameter of the scene."""


class ClusteringConfig(StepConfig):
    """How galaxies cluster."""

    apply: bool = Field(False, description="Otherwise they lie at random")
    length: float = Field(7.0, gt=0, description="Correlation length r0, comoving Mpc")
    slope: float = Field(1.8, gt=1, lt=3, description="Slope g of the correlation function")
    depth: float = Field(150.0, gt=0, description="Depth of a slice, comoving Mpc")


def clustered_places(
    config: ClusteringConfig,
    redshift: Floats,
    ra: float,
    dec: float,
    radius: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats]:
    """(ra, dec) in degrees of galaxies with these redshifts, in a circle.

    Parameters
    ----------
    config : ClusteringConfig
    redshift : ndarray, (n,)
    ra, dec : float
        Centre, degrees.
    radius : float
        Arcmin.
    rng : numpy.random.Generator
    """
    x, y = np.empty(len(redshift)), np.empty(len(redshift))
    piece = (comoving_distance(redshift) / config.depth).astype(int)
    for k in np.unique(piece):
        rows = np.flatnonzero(piece == k)
        amplitude = angular_amplitude(config, (k + 0.5) * config.depth)
        density = _lognormal(amplitude, config.slope, radius, rng)
        x[rows], y[rows] = _sampled(density, len(rows), radius, rng)
    return TangentPlane(ra, dec, scale=1 / 60).to_sky(x, y)


def angular_amplitude(config: ClusteringConfig, distance: float) -> float:
    """Amplitude w(1 arcmin) of the angular correlation of a slice at a comoving distance, Mpc."""
    g = config.slope
    factor = np.sqrt(np.pi) * gamma((g - 1) / 2) / gamma(g / 2)
    transverse = np.radians(1 / 60) * distance
    return float(factor * config.length**g * transverse ** (1 - g) / config.depth)


def _lognormal(amplitude: float, slope: float, radius: float, rng: np.random.Generator) -> Floats:
    """Relative density on the cells of the square about the circle."""
    side = 4 * radius / _CELLS
    step = np.minimum(np.arange(_CELLS), _CELLS - np.arange(_CELLS)) * side
    theta = np.maximum(np.hypot(step[:, None], step), 0.5 * side)
    covariance = np.log1p(amplitude * theta ** (1 - slope))
    power = np.maximum(np.fft.rfft2(covariance).real, 0.0)
    noise = np.fft.rfft2(rng.standard_normal((_CELLS, _CELLS)))
    field = np.fft.irfft2(noise * np.sqrt(power), s=(_CELLS, _CELLS))
    return np.exp(field[: _CELLS // 2, : _CELLS // 2])


def _sampled(
    density: Floats, count: int, radius: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """``count`` offsets (arcmin) in the circle, as likely as the density."""
    number = len(density)
    middle = ((np.arange(number) + 0.5) / number * 2 - 1) * radius
    edges = np.cumsum(np.where(np.hypot(middle[:, None], middle) <= radius, density, 0.0))
    cell = np.searchsorted(edges, rng.random(count) * edges[-1], side="right")
    row, column = np.divmod(np.minimum(cell, edges.size - 1), number)
    shift = (rng.random((2, count)) - 0.5) * 2 * radius / number
    return middle[column] + shift[0], middle[row] + shift[1]
