"""Luminosity functions of stars in F158, from an initial mass function and lifetimes.

    main sequence    phi = xi(m) f(m) |dm/dM|,  xi ~ m^-1.3 below 0.5 solar masses, m^-2.3 above
    after it         phi = (stars leaving it per Gyr) x (Gyr spent in the phase) g(M)

with xi of Kroupa 2001 (MNRAS 322, 231), 0.08 stars per pc^3 below 1 solar mass at the Sun
(Reyle et al. 2021, A&A 650, A201). f is the share still on the main sequence: its
lifetime is 10 Gyr m^-2.9, stars of the thin disk were formed evenly over 10 Gyr, others all
at one time. Giants: 1.2 Gyr from the turnoff to the tip with g ~ 10^(0.29 M), and 0.1 Gyr in
the red clump at M_H = -1.50 +- 0.15 Vega. Masses, types and magnitudes on the main sequence:
Pecaut & Mamajek 2013 (ApJS 208, 9), H = AB - 1.39. L and T dwarfs: 0.3 and 0.5 per 1000 pc^3
and subtype (Kirkpatrick et al. 2021, ApJS 253, 7). White dwarfs are left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CLASSES: Final = "OBAFGKMLT"
"""A type is coded as 10 x the place of its class here + its subtype: G2 is 42."""
_TO_AB: Final = 1.39
_LOCAL: Final = 0.08
_SEQUENCE: Final = np.array(
    [
        # type, solar masses, M_H (Vega)
        [15.0, 4.7, -0.5],
        [20.0, 2.3, 1.0],
        [25.0, 1.88, 1.65],
        [30.0, 1.61, 1.85],
        [35.0, 1.33, 2.40],
        [40.0, 1.08, 3.07],
        [45.0, 0.98, 3.43],
        [50.0, 0.87, 4.00],
        [55.0, 0.70, 4.75],
        [60.0, 0.57, 5.30],
        [61.0, 0.50, 5.73],
        [62.0, 0.44, 6.20],
        [63.0, 0.37, 6.70],
        [64.0, 0.23, 7.75],
        [65.0, 0.162, 8.70],
        [66.0, 0.102, 9.70],
        [67.0, 0.090, 10.05],
        [68.0, 0.085, 10.45],
        [69.0, 0.079, 10.80],
    ]
)
_COOL: Final = np.array([[70.0, 11.0], [75.0, 12.2], [80.0, 13.3], [85.0, 14.7], [88.0, 16.5]])
"""Type and M_H (Vega) of brown dwarfs."""
_COOL_DENSITY: Final = (0.3e-3, 0.5e-3)
_STEP: Final = 0.05
_BRANCH: Final = (-6.5, 2.8)
"""M_H (Vega) of the tip of the giant branch and of its foot."""
_BRANCH_TYPES: Final = (66.0, 50.0)
_BRANCH_SLOPE: Final = 0.29
_BRANCH_GYR: Final = 1.2
_CLUMP: Final = (-1.50, 0.15, 0.1, 51.0)
"""M_H (Vega), scatter, Gyr, type."""


@dataclass(frozen=True, eq=False)
class Population:
    """Stars of one age, in steps of their type.

    Attributes
    ----------
    magnitude, width : ndarray
        Middle and width of each step in absolute AB magnitude in F158.
    type : ndarray
        Spectral code.
    density : ndarray
        Stars per pc^3 in each step, for a population as dense as the thin disk at the Sun.
    mass_density : float
        Solar masses per pc^3 of its main sequence and its giants.
    """

    magnitude: Floats
    width: Floats
    type: Floats
    density: Floats
    mass_density: float


@cache
def thin() -> Population:
    """Stars born evenly over the last 10 Gyr."""
    mass = np.geomspace(_SEQUENCE[-1, 1], _SEQUENCE[0, 1], 2001)
    leaving = np.trapezoid(np.where(mass > 1, imf(mass), 0.0), mass) / 10
    return _population(lambda m: np.minimum(1.0, m**-2.9), float(leaving))


@cache
def old() -> Population:
    """Stars born 10 Gyr ago: thick disk and bulge."""
    return _single(1.0)


@cache
def halo() -> Population:
    """Stars born 12 Gyr ago, poor in metals and so faster."""
    return _single(0.85)


def imf(mass: Floats) -> Floats:
    """Stars per pc^3 and solar mass at the Sun, had none died."""
    relative = mass / 0.5
    shape = np.where(relative < 1, relative**-1.3, relative**-2.3)
    low, high = 0.5 * (0.16**-0.3 - 1) / 0.3, 0.5 * (1 - 2**-1.3) / 1.3
    return np.asarray(_LOCAL / (low + high) * shape)


def _single(turnoff: float) -> Population:
    """All of one age: the turnoff mass falls as t^(-1/2.9)."""
    age = 10 * turnoff**-2.9
    leaving = float(imf(np.array([turnoff]))[0]) * turnoff / (2.9 * age)
    return _population(lambda m: (m < turnoff).astype(float), leaving)


def _population(alive: Callable[[Floats], Floats], leaving: float) -> Population:
    parts = [_main_sequence(alive), _brown_dwarfs(), *_giants(leaving)]
    magnitude, kind, density = (np.concatenate([part[k] for part in parts]) for k in range(3))
    mass = np.geomspace(_SEQUENCE[-1, 1], _SEQUENCE[0, 1], 2001)
    total = np.trapezoid(imf(mass) * alive(mass) * mass, mass)
    return Population(
        magnitude + _TO_AB, np.full(len(magnitude), _STEP), kind, density, float(total)
    )


Rows = tuple[Floats, Floats, Floats]


def _main_sequence(alive: Callable[[Floats], Floats]) -> Rows:
    kinds, masses, magnitudes = _SEQUENCE.T
    middle = np.arange(magnitudes[0] + _STEP / 2, magnitudes[-1], _STEP)
    edges = np.append(middle - _STEP / 2, middle[-1] + _STEP / 2)
    mass = np.exp(np.interp(edges, magnitudes, np.log(masses)))
    centre = np.sqrt(mass[1:] * mass[:-1])
    density = imf(centre) * alive(centre) * -np.diff(mass)
    return middle, np.interp(middle, magnitudes, kinds), density


def _brown_dwarfs() -> Rows:
    kinds, magnitudes = _COOL.T
    middle = np.arange(magnitudes[0] + _STEP / 2, magnitudes[-1], _STEP)
    types = np.interp(middle, magnitudes, kinds)
    per_type = np.where(types < 80, *_COOL_DENSITY)
    return middle, types, per_type * np.gradient(types)


def _giants(leaving: float) -> list[Rows]:
    """The branch and the clump; ``leaving`` is stars per pc^3 and Gyr."""
    tip, foot = _BRANCH
    branch = np.arange(tip + _STEP / 2, foot, _STEP)
    shares = 10 ** (_BRANCH_SLOPE * branch)
    types = np.interp(branch, _BRANCH, _BRANCH_TYPES)
    mean, scatter, gyr, kind = _CLUMP
    clump = np.arange(mean - 4 * scatter, mean + 4 * scatter, _STEP)
    bell = np.exp(-0.5 * ((clump - mean) / scatter) ** 2)
    return [
        (branch, types, leaving * _BRANCH_GYR * shares / shares.sum()),
        (clump, np.full(len(clump), kind), leaving * gyr * bell / bell.sum()),
    ]
