"""Star counts in any direction: the disks, the halo and the bulge of the Milky Way.

    dN = rho_c(d) / rho_c(Sun) phi_c(M) omega d^2 dd dM,     m = M + 5 log10(d / 10 pc) + A(d)

Disks are exponentials of scale height and length 0.30 and 2.6 kpc (thin), 0.90 and 3.6 kpc
(thick, 0.12 of the thin at the Sun); the halo is a power law of index -2.8 flattened to
0.64, 0.005 of the thin disk at the Sun (Juric et al. 2008, ApJ 673, 864). The bulge is the
bar G2 of Dwek et al. 1995 (ApJ 445, 716), with 1.0e10 solar masses in stars that still shine
(1.3e10 with remnants: Portail et al. 2017, MNRAS 465, 1621). The luminosity functions phi_c
are in :mod:`aqueduct.simulate.scene.populations`. Dust is an exponential layer of height
0.10 kpc, E(B-V) = 0.23 mag/kpc in the plane and from the centre to the Sun, thinning beyond
the Sun's circle with length 2.6 kpc (Drimmel & Spergel 2001, ApJ 556, 181, without arms).

Velocities [km/s]: the disks rotate at 233, the thick one slower by 45; dispersions are
(35, 25, 20), (65, 45, 40) and 110 each way in the halo, 115 in the bulge, which turns with
75 per kpc, the Sun (11.1, 245, 7.25) (Bland-Hawthorn & Gerhard 2016, ARA&A 54, 529).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.geometry.tangent import axes, vector
from aqueduct.simulate.scene.populations import Population, halo, old, thin
from aqueduct.simulate.scene.sampling import draw_cells

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

SUN: Final = 8.2
"""Distance of the Sun from the centre, kpc."""
_SUN_HEIGHT: Final = 0.02
_THIN: Final = (0.30, 2.6)
_THICK: Final = (0.90, 3.6, 0.12)
_HALO: Final = (2.8, 0.64, 0.005)
_BAR: Final = (1.58, 0.62, 0.43)
_BAR_ANGLE: Final = np.radians(25.0)
_BULGE_MASS: Final = 1.0e10
_DUST: Final = (0.23, 0.10, 2.6)
_DISTANCES: Final = np.geomspace(0.01, 60.0, 181)
"""Edges of the cells along the line of sight, kpc."""
_VELOCITY: Final = np.array([11.1, 245.0, 7.25])
_GALACTIC: Final = np.array(
    [
        [-0.0548755604162154, -0.8734370902348850, -0.4838350155487132],
        [0.4941094278755837, -0.4448296299600112, 0.7469822444972189],
        [-0.8676661490190047, -0.1980763734312015, 0.4559837761750669],
    ]
)
"""From ICRS to galactic axes: Hipparcos and Tycho catalogues, vol. 1, section 1.5.3."""


class StarConfig(StepConfig):
    """Which stars a scene has."""

    limits: tuple[float, float] = Field((13.0, 26.0), description="AB magnitudes in F158")
    density: float = Field(1.0, ge=0, description="Factor on the counts")
    dust: float = Field(1.0, ge=0, description="Factor on the dust of the Milky Way")


class Stars(NamedTuple):
    """Columns of stars; ``type`` is a spectral code, ``dust`` the E(B-V) before them."""

    magnitude: Floats
    distance: Floats
    type: Floats
    dust: Floats
    pmra: Floats
    pmdec: Floats


class _Component(NamedTuple):
    """One part of the Galaxy along a line of sight."""

    density: Floats
    population: Population
    rotation: float
    lag: float
    dispersion: tuple[float, float, float]


def draw_stars(
    config: StarConfig, ra: float, dec: float, area: float, rng: np.random.Generator
) -> Stars:
    """Draw the stars of ``area`` square degrees about a direction, without places.

    Parameters
    ----------
    config : StarConfig
    ra, dec : float
        Degrees; all stars are drawn as if in this direction.
    area : float
    rng : numpy.random.Generator
    """
    toward = _GALACTIC @ vector(ra, dec)
    middle = np.sqrt(_DISTANCES[1:] * _DISTANCES[:-1])
    place = _place(toward, middle)
    reddening = config.dust * _reddening(place, middle)
    parts = [
        _draw(part, config, middle, reddening, area * config.density, rng)
        for part in _components(place)
    ]
    motions = [
        _proper_motions(part, ra, dec, stars[1], rng)
        for part, stars in zip(_components(place), parts, strict=True)
    ]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Stars(*columns, *np.concatenate(motions, axis=1))


def _place(toward: Floats, distance: Floats) -> Floats:
    """Galactocentric (x, y, z) in kpc: the Sun at x = -8.2, y along the rotation."""
    return np.array([-SUN, 0.0, _SUN_HEIGHT]) + distance[:, None] * toward


def _components(place: Floats) -> list[_Component]:
    cylinder, height = np.hypot(place[:, 0], place[:, 1]), place[:, 2]

    def disk(scale_height: float, length: float) -> Floats:
        up = np.abs(height) - _SUN_HEIGHT
        return np.asarray(np.exp(-up / scale_height - (cylinder - SUN) / length))

    index, flat, share = _HALO
    round_radius = np.sqrt(cylinder**2 + (height / flat) ** 2)
    spheroid = share * (SUN / np.maximum(round_radius, 1.0)) ** index
    return [
        _Component(disk(*_THIN), thin(), 233.0, 0.0, (35.0, 25.0, 20.0)),
        _Component(_THICK[2] * disk(*_THICK[:2]), old(), 233.0, 45.0, (65.0, 45.0, 40.0)),
        _Component(spheroid, halo(), 0.0, 0.0, (110.0, 110.0, 110.0)),
        _Component(_bulge(place), old(), 75.0, 0.0, (115.0, 115.0, 115.0)),
    ]


def _bulge(place: Floats) -> Floats:
    """Density of the bar in units of the local density of the old population."""
    x, y, z = place.T
    cos, sin = np.cos(_BAR_ANGLE), np.sin(_BAR_ANGLE)
    # Its near end is at positive longitude, where y is positive and x negative.
    along, across = (x * cos - y * sin) / _BAR[0], (x * sin + y * cos) / _BAR[1]
    radius2 = np.sqrt((along**2 + across**2) ** 2 + (z / _BAR[2]) ** 4)
    central = _BULGE_MASS / (_BAR_VOLUME * np.prod(_BAR) * 1e9)
    return np.asarray(central / old().mass_density * np.exp(-0.5 * radius2))


def _bar_volume() -> float:
    """Integral of exp(-r_s^2 / 2) over space in units of the three scales."""
    edge = np.linspace(0, 7, 281)
    u, w = np.meshgrid(edge, edge, indexing="ij")
    shell = 2 * np.pi * u * np.exp(-0.5 * np.sqrt(u**4 + w**4))
    return float(2 * np.trapezoid(np.trapezoid(shell, edge, axis=0), edge))


_BAR_VOLUME: Final = _bar_volume()


def _reddening(place: Floats, distance: Floats) -> Floats:
    """E(B-V) from the Sun to each distance."""
    local, height, length = _DUST
    cylinder = np.hypot(place[:, 0], place[:, 1])
    outward = np.exp(-np.maximum(cylinder - SUN, 0.0) / length)
    per_kpc = local * outward * np.exp(-np.abs(place[:, 2]) / height)
    return np.asarray(np.cumsum(per_kpc * np.diff(_DISTANCES)))


def _draw(
    part: _Component,
    config: StarConfig,
    distance: Floats,
    reddening: Floats,
    area: float,
    rng: np.random.Generator,
) -> tuple[Floats, Floats, Floats, Floats]:
    """Magnitude, distance, type and reddening of the stars of one component."""
    from aqueduct.simulate.spectra.dust import milky_way

    per_ebv = float(milky_way(np.array([1.577]))[0])
    stars, (bright, faint) = part.population, config.limits
    dimming = 5 * np.log10(distance * 100) + per_ebv * reddening
    half = 0.5 * stars.width + 2.5 * np.log10(_DISTANCES[1] / _DISTANCES[0])
    magnitude = dimming[:, None] + stars.magnitude
    seen = (magnitude > bright - half) & (magnitude < faint + half)
    shell = np.radians(1) ** 2 * np.diff(_DISTANCES**3) / 3 * 1e9
    expected = np.where(seen, (area * part.density * shell)[:, None] * stars.density, 0.0)
    far, row = draw_cells(expected, rng)
    cubes = _DISTANCES**3
    place = np.cbrt(cubes[far] + rng.random(len(far)) * np.diff(cubes)[far])
    shift = (rng.random(len(row)) - 0.5) * stars.width[row]
    apparent = stars.magnitude[row] + shift + 5 * np.log10(place * 100) + per_ebv * reddening[far]
    keep = (apparent > bright) & (apparent < faint)
    return apparent[keep], place[keep], stars.type[row][keep], reddening[far][keep]


def _proper_motions(
    part: _Component, ra: float, dec: float, distance: Floats, rng: np.random.Generator
) -> Floats:
    """(pmra*, pmdec) in mas/yr, (2, n)."""
    toward = _GALACTIC @ vector(ra, dec)
    place = _place(toward, distance)
    cylinder = np.maximum(np.hypot(place[:, 0], place[:, 1]), 1e-3)
    turning = part.rotation * (cylinder if part.rotation < 100 else 1.0) - part.lag
    # Clockwise seen from the north pole: at the Sun (x < 0) towards +y.
    velocity = np.asarray(part.dispersion) * rng.standard_normal((len(distance), 3))
    velocity[:, 0] += turning * place[:, 1] / cylinder
    velocity[:, 1] -= turning * place[:, 0] / cylinder
    east, north = axes(ra, dec)
    across = np.stack([_GALACTIC @ east, _GALACTIC @ north])
    return np.asarray(across @ (velocity - _VELOCITY).T / (4.74047 * distance))
