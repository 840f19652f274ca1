"""Galaxies: redshifts, types, sizes and shapes that go with their brightness.

Numbers come from :mod:`aqueduct.simulate.scene.luminosity`. A galaxy at the knee of the
luminosity function has 10^10.85 solar masses at any redshift (Muzzin et al. 2013, ApJ 777,
18: 10.8 to 11.0 up to z = 2). Half-light semi-major axes follow van der Wel et al. 2014
(ApJ 788, 28): star-forming galaxies 8.9 kpc (1+z)^-0.75 (m / 5e10)^0.22, scatter 0.17 dex;
quiescent ones 5.6 kpc (1+z)^-1.48 (m / 5e10)^0.76, scatter 0.12 dex, and no smaller slope
than that of the star-forming below 2e10 solar masses. Axis ratios are those of oblate
spheroids seen from random directions, q^2 = 1 - (1 - c^2) sin^2(i), with thickness c of
0.25 +- 0.06 for disks and 0.55 +- 0.15 for quiescent galaxies. Star-forming galaxies have
a bulge, with a mean share of light rising with mass as in Lang et al. 2014 (ApJ 788, 11).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.simulate.scene.cosmology import arcsec_per_kpc
from aqueduct.simulate.scene.luminosity import (
    absolute,
    galaxy_density,
    quasar_density,
    red_share,
    schechter,
)
from aqueduct.simulate.scene.sampling import draw_cells, within

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

TEMPLATES: Final = ("galaxy-E", "galaxy-Sbc", "galaxy-Scd", "galaxy-Im", "galaxy-starburst")
"""Spectral templates from quiescent to starburst, counted by ``type``."""
_WAVELENGTH: Final = 1.577
"""Pivot of F158, um."""
_KNEE: Final = 10.85
_PIVOT_MASS: Final = np.log10(5e10)
_Z_STEP: Final = 0.02
_STEP: Final = 0.05
_SIZES: Final = (0.02, 15.0)
"""Arcsec."""


class GalaxyConfig(StepConfig):
    """Which galaxies a scene has."""

    limits: tuple[float, float] = Field((16.0, 26.0), description="AB magnitudes in F158")
    redshifts: tuple[float, float] = Field((0.02, 9.0), description="Least and greatest")
    density: float = Field(1.0, ge=0, description="Factor on the counts")
    bulges: bool = Field(True, description="Give star-forming galaxies a bulge")


class AgnConfig(StepConfig):
    """Which active nuclei a scene has: points, quasars of the first type."""

    limits: tuple[float, float] = Field((15.0, 25.0), description="AB magnitudes in F158")
    redshifts: tuple[float, float] = Field((0.3, 5.0), description="Least and greatest")
    density: float = Field(1.0, ge=0, description="Factor on the counts")
    hosts: bool = Field(False, description="Put each in the galaxy nearest in redshift")


class Galaxies(NamedTuple):
    """Columns of galaxies; ``type`` counts :data:`TEMPLATES`, ``dust`` is E(B-V)."""

    magnitude: Floats
    redshift: Floats
    type: Integers
    dust: Floats
    sersic: Floats
    radius: Floats
    axis_ratio: Floats
    position_angle: Floats
    bulge_fraction: Floats
    bulge_sersic: Floats
    bulge_radius: Floats
    bulge_axis_ratio: Floats


def draw_galaxies(config: GalaxyConfig, area: float, rng: np.random.Generator) -> Galaxies:
    """Draw the galaxies of ``area`` square degrees, without places."""
    magnitude, z = _brightness(config.limits, config.redshifts, rng, area * config.density)
    bright, _, _ = schechter(_WAVELENGTH / (1 + z), z)
    relative = absolute(magnitude, z) - bright
    quiescent = rng.random(len(z)) < red_share(relative, z)
    mass = _KNEE - 0.4 * relative
    kind = np.where(quiescent, 0, _star_forming_type(relative, z, rng))
    return Galaxies(
        magnitude, z, kind, _dust(mass, quiescent, rng), *_shapes(config, mass, z, quiescent, rng)
    )


def draw_quasars(config: AgnConfig, area: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """(F158 magnitudes, redshifts) of the quasars of ``area`` square degrees."""
    z, magnitude = _grid(config.redshifts, _Z_STEP), _grid(config.limits, _STEP)
    density = config.density * quasar_density(_middle(magnitude)[:, None], _middle(z))
    cells = draw_cells(density * np.diff(magnitude)[:, None] * np.diff(z) * area, rng)
    return within(magnitude, cells[0], rng), within(z, cells[1], rng)


def _brightness(
    limits: tuple[float, float],
    redshifts: tuple[float, float],
    rng: np.random.Generator,
    area: float,
) -> tuple[Floats, Floats]:
    z, magnitude = _grid(redshifts, _Z_STEP), _grid(limits, _STEP)
    density = galaxy_density(_middle(magnitude)[:, None], _middle(z), _WAVELENGTH)
    cells = draw_cells(density * np.diff(magnitude)[:, None] * np.diff(z) * area, rng)
    return within(magnitude, cells[0], rng), within(z, cells[1], rng)


def _grid(limits: tuple[float, float], step: float) -> Floats:
    low, high = limits
    return np.linspace(low, high, max(int(np.ceil((high - low) / step)), 1) + 1)


def _middle(edges: Floats) -> Floats:
    return np.asarray(0.5 * (edges[1:] + edges[:-1]))


def _star_forming_type(relative: Floats, z: Floats, rng: np.random.Generator) -> Integers:
    """From Sbc to starburst: bluer when fainter and earlier, by our own choice."""
    blue = 1.8 + 0.3 * relative + 0.5 * np.minimum(z, 2.5) + 0.7 * rng.standard_normal(len(z))
    return np.clip(np.floor(blue), 1, len(TEMPLATES) - 1).astype(np.int64)


def _dust(mass: Floats, quiescent: NDArray[np.bool_], rng: np.random.Generator) -> Floats:
    """E(B-V), mag, of Calzetti dust: more in massive star-forming galaxies (our own choice)."""
    mean = 0.12 * 10 ** (0.25 * (mass - 10))
    drawn = mean * np.exp(0.4 * rng.standard_normal(len(mass)))
    return np.where(quiescent, 0.0, np.clip(drawn, 0.0, 0.6))


def _shapes(
    config: GalaxyConfig,
    mass: Floats,
    z: Floats,
    quiescent: NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Floats, ...]:
    """The shape columns of :class:`Galaxies`, in its order."""
    number = len(z)
    disk, spheroid = rng.normal(0.25, 0.06, number), rng.normal(0.55, 0.15, number)
    sine2 = 1 - rng.random(number) ** 2
    ratio = _projected(np.where(quiescent, spheroid, disk), sine2)
    radius = _semi_major(mass, z, quiescent, rng) * np.sqrt(ratio)
    n_disk = np.clip(np.exp(np.log(1.0) + 0.2 * rng.standard_normal(number)), 0.5, 2.0)
    n_all = np.clip(np.exp(np.log(3.8) + 0.25 * rng.standard_normal(number)), 2.0, 6.0)
    mean = np.clip(0.15 + 0.2 * (mass - 10), 0.03, 0.6)
    share = rng.beta(3 * mean, 3 * (1 - mean))
    # A bulge below a hundredth of the light isn't worth drawing.
    share = np.where(quiescent | (share < 0.01) | (not config.bulges), 0.0, share)
    has = share > 0
    bulge = radius * np.clip(np.exp(np.log(0.25) + 0.3 * rng.standard_normal(number)), 0.08, 0.8)
    n_bulge = np.clip(np.exp(np.log(2.5) + 0.3 * rng.standard_normal(number)), 1.0, 4.0)
    return (
        _stepped(np.where(quiescent, n_all, n_disk)),
        np.clip(radius, *_SIZES),
        ratio,
        rng.uniform(0.0, 180.0, number),
        share,
        np.where(has, _stepped(n_bulge), np.nan),
        np.where(has, np.clip(bulge, *_SIZES), np.nan),
        np.where(has, _projected(spheroid, sine2), np.nan),
    )


def _stepped(index: Floats) -> Floats:
    """Steps of 0.05: renderers tabulate a profile for each index."""
    return np.asarray(np.round(index * 20) / 20)


def _projected(thickness: Floats, sine2: Floats) -> Floats:
    c = np.clip(thickness, 0.1, 0.95)
    return np.asarray(np.sqrt(1 - (1 - c**2) * sine2))


def _semi_major(
    mass: Floats, z: Floats, quiescent: NDArray[np.bool_], rng: np.random.Generator
) -> Floats:
    """Half-light semi-major axis, arcsec."""
    relative = mass - _PIVOT_MASS
    forming = np.log10(8.9) - 0.75 * np.log10(1 + z) + 0.22 * relative
    edge = np.log10(2e10) - _PIVOT_MASS
    slope = 0.76 * np.maximum(relative, edge) + 0.22 * np.minimum(relative - edge, 0)
    quiet = np.log10(5.6) - 1.48 * np.log10(1 + z) + slope
    scatter = np.where(quiescent, 0.12, 0.17) * rng.standard_normal(len(z))
    kpc = 10 ** (np.where(quiescent, quiet, forming) + scatter)
    return np.asarray(kpc * arcsec_per_kpc(z))
