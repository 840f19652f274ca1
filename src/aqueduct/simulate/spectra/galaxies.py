"""Template spectra of galaxies: a few populations of stars behind dust, with emission lines.

    f_nu = D(lambda) sum over types: a_t S_t(lambda) + lines

S_t is the template of a type of star and a_t its share of the light at 0.55 micrometre, D the
dust of Calzetti's law. The shares and the dust were fitted to the broad-band colours from
0.14 to 2.2 micrometre of the sequence of Coleman, Wu & Weedman 1980, ApJS 43, 393, extended
by Bolzonella et al. 2000, A&A 363, 476; those of the starburst are set to be bluer still.
Lines, relative to H beta and rounded: hydrogen of case B at 10,000 K, Osterbrock & Ferland
2006, table 4.4; Lyman alpha, [O II] and [O III] of spirals, Ilbert et al. 2009, ApJ 690, 1236;
the others are typical of metal-rich and of metal-poor galaxies. The widths of H beta are set
to give those of H alpha in Kennicutt 1998, ARA&A 36, 189.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aqueduct.simulate.spectra.dust import calzetti
from aqueduct.simulate.spectra.grid import GRID, at, with_lines
from aqueduct.simulate.spectra.stars import star

Floats = NDArray[np.float64]


class _Galaxy(NamedTuple):
    """Shares of the light at 0.55 micrometre, E(B-V) and H beta, Angstrom at rest."""

    shares: dict[str, float]
    ebv: float
    width: float = 0.0
    """Equivalent width of H beta."""
    metals: str = "rich"


_GALAXIES: Final = {
    "E": _Galaxy({"B5": 0.008, "K0": 0.49, "K5": 0.49, "M6": 0.012}, 0.0),
    "Sbc": _Galaxy(
        {"O5": 0.02, "B5": 0.07, "F0": 0.64, "G2": 0.15, "M0": 0.08, "M2": 0.04}, 0.20, 5.5
    ),
    "Scd": _Galaxy({"O5": 0.12, "B5": 0.04, "A5": 0.74, "K5": 0.04, "M0": 0.05}, 0.30, 10.0),
    "Im": _Galaxy(
        {"O5": 0.09, "B0": 0.11, "B5": 0.25, "F0": 0.14, "F5": 0.42, "M2": 0.04},
        0.20,
        14.0,
        "poor",
    ),
    "starburst": _Galaxy({"O5": 0.45, "B0": 0.25, "A0": 0.26, "K5": 0.04}, 0.15, 45.0, "poor"),
}
_HYDROGEN: Final = {
    0.121567: 3.3,
    0.410289: 0.26,
    0.434168: 0.47,
    0.486269: 1.0,
    0.656461: 2.86,
    1.005210: 0.055,
    1.094109: 0.09,
    1.282159: 0.16,
    1.875613: 0.34,
    2.166120: 0.028,
}
"""Vacuum wavelength, micrometre: flux relative to H beta."""
_METALS: Final = {
    "rich": {
        0.372848: 1.64,
        0.496030: 0.20,
        0.500824: 0.59,
        0.654985: 0.30,
        0.658528: 0.90,
        0.671829: 0.40,
        0.673267: 0.30,
        0.907110: 0.25,
        0.953320: 0.62,
        1.083034: 0.30,
    },
    "poor": {
        0.372848: 1.80,
        0.386986: 0.30,
        0.496030: 1.35,
        0.500824: 4.00,
        0.587725: 0.12,
        0.654985: 0.05,
        0.658528: 0.15,
        0.671829: 0.20,
        0.673267: 0.15,
        0.907110: 0.20,
        0.953320: 0.50,
        1.083034: 0.35,
    },
}
_SIGMA: Final = 5e-4
"""Width of the lines in ln(lambda): 150 km/s."""
_ESCAPE: Final = 0.1
"""Share of the ionising light that leaves a galaxy."""


def galaxy(name: str) -> Floats:
    """f_nu of a type of galaxy on the grid, about one at 0.55 micrometre."""
    kind = _GALAXIES[name]
    dust = 10 ** (-0.4 * kind.ebv * (calzetti(GRID) - calzetti(np.array([0.55]))))
    visual = slice(at(0.54), at(0.56))
    flux = np.zeros_like(GRID)
    for spectral_type, share in kind.shares.items():
        light = star(spectral_type) * dust
        flux += share * light / light[visual].mean()
    flux *= np.where(GRID < 0.0912, _ESCAPE, 1.0)
    return _emission(flux, kind) if kind.width > 0 else flux


def _emission(flux: Floats, kind: _Galaxy) -> Floats:
    """Emission lines added, in their ratios to H beta."""
    ratios = _HYDROGEN | _METALS[kind.metals]
    centre = np.array(list(ratios))
    continuum = np.interp(centre, GRID, flux) / centre**2
    beta = continuum[list(ratios).index(0.486269)]
    equivalent = kind.width * 1e-4 * np.array(list(ratios.values())) * beta / continuum
    return with_lines(flux, centre, equivalent, _SIGMA * centre)


GALAXIES: Final[dict[str, Callable[[], Floats]]] = {
    name: partial(galaxy, name) for name in _GALAXIES
}
"""A maker for each type."""
