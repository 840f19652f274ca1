"""Template spectra of stars and brown dwarfs.

    f_nu = B_nu(T) 10^(-0.4 c(lambda)) prod over features (1 - depth * profile)

B_nu is a black body. The features are the Balmer and Paschen jumps and lines, the break of
the metals at 4000 A, the bands of TiO, FeH, CO, H2O and CH4, and the wings of Na and K. c is
the smooth curve through eight broad bands that gives each type the colours of its kind.
Colours, rounded: Covey et al. 2007, AJ 134, 2398 and Bochanski et al. 2007, AJ 133, 531 in
ugriz; Pecaut & Mamajek 2013, ApJS 208, 9 in JHK, with J, H, K (AB) - (Vega) = 0.91, 1.39,
1.85. Jumps: Chalonge & Divan 1973, A&A 23, 69; bands: Kirkpatrick 2005, ARA&A 43, 195.
The depths are set by hand, to look as those stars do at low resolution.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aqueduct.instrument.spectrum import planck
from aqueduct.simulate.spectra.grid import GRID

Floats = NDArray[np.float64]


class _Type(NamedTuple):
    """Parameters of a spectral type: temperature (K), colours (AB) and depths of features."""

    temperature: float
    colours: tuple[float, ...]
    """u-g, g-r, r-i, i-z, z-J, J-H, H-K."""
    balmer: float = 0.0
    """Balmer jump in dex."""
    metals: float = 0.0
    """Break at 4000 A in dex."""
    tio: float = 0.0
    feh: float = 0.0
    co: float = 0.0
    water: float = 0.0
    methane: float = 0.0
    alkali: float = 0.0


# fmt: off
_TYPES: Final = {
    "O5": _Type(42000, (-.40, -.55, -.36, -.31, -.60, -.63, -.54), balmer=.03),
    "B0": _Type(30000, (-.25, -.50, -.34, -.29, -.57, -.60, -.53), balmer=.07),
    "B5": _Type(15200, (.40, -.38, -.27, -.22, -.47, -.54, -.51), balmer=.27),
    "A0": _Type(9700, (1.00, -.24, -.20, -.16, -.38, -.48, -.47), balmer=.50),
    "A5": _Type(8080, (1.13, -.05, -.12, -.12, -.30, -.40, -.45), balmer=.45),
    "F0": _Type(7220, (1.10, .10, -.03, -.06, -.20, -.35, -.44), balmer=.32, metals=.02),
    "F5": _Type(6550, (1.05, .28, .07, .00, -.10, -.27, -.43), balmer=.20, metals=.05),
    "G2": _Type(5770, (1.30, .45, .12, .03, -.05, -.15, -.42), balmer=.10, metals=.10),
    "K0": _Type(5270, (1.65, .60, .20, .08, .04, -.06, -.39), metals=.16),
    "K5": _Type(4400, (2.40, 1.05, .42, .22, .22, .12, -.35), metals=.25, tio=.03, co=.07),
    "M0": _Type(3850, (2.60, 1.38, .66, .37, .38, .18, -.30), metals=.25, tio=.15, co=.10),
    "M2": _Type(3550, (2.60, 1.45, 1.00, .55, .52, .15, -.26), metals=.25, tio=.30, co=.12,
                water=.04),
    "M4": _Type(3200, (2.60, 1.50, 1.42, .78, .72, .11, -.21), metals=.25, tio=.50, feh=.06,
                co=.13, water=.09, alkali=.10),
    "M6": _Type(2850, (2.55, 1.55, 2.00, 1.10, 1.00, .12, -.13), metals=.25, tio=.62, feh=.12,
                co=.14, water=.15, alkali=.15),
    "M8": _Type(2570, (2.50, 1.75, 2.70, 1.60, 1.30, .22, -.03), metals=.25, tio=.68, feh=.20,
                co=.15, water=.22, alkali=.20),
    "L1": _Type(2100, (2.50, 2.30, 2.50, 1.85, 1.60, .37, .03), tio=.25, feh=.28, co=.17,
                water=.36, alkali=.50),
    "L5": _Type(1600, (2.50, 2.30, 2.40, 2.30, 1.80, .57, .18), feh=.20, co=.20, water=.50,
                alkali=.85),
    "T2": _Type(1250, (2.50, 2.30, 2.50, 3.20, 2.10, -.03, -.27), feh=.05, co=.10, water=.70,
                methane=.35, alkali=.92),
    "T6": _Type(950, (2.50, 2.30, 2.50, 3.80, 2.70, -.53, -.47), water=.90, methane=.80,
                alkali=.95),
    "T8": _Type(750, (2.50, 2.30, 2.50, 4.00, 3.00, -.58, -.50), water=.94, methane=.90,
                alkali=.96),
}
# fmt: on

_BANDS: Final = (
    (0.327, 0.383),
    (0.412, 0.542),
    (0.558, 0.688),
    (0.693, 0.833),
    (0.845, 0.965),
    (1.155, 1.325),
    (1.52, 1.78),
    (2.02, 2.30),
)
"""Edges of u, g, r, i, z, J, H, K as top hats, micrometre."""
_BALMER_LINES: Final = (0.65646, 0.48627, 0.43417, 0.41029, 0.39712, 0.38902, 0.38365)
_OTHER_HYDROGEN: Final = (1.87561, 1.28216, 1.09411, 1.00521, 2.16612, 1.73669)
_TIO_HEADS: Final = (0.4761, 0.4954, 0.5167, 0.5448, 0.5847, 0.6159, 0.6651, 0.7053, 0.7589, 0.8432)
_WATER: Final = ((0.92, 0.98, 0.3), (1.10, 1.19, 0.5), (1.33, 1.50, 1.0), (1.77, 2.05, 1.0))
"""Edges, micrometre, and relative optical depth; 2.7 micrometre follows."""
_METHANE: Final = ((1.10, 1.20, 0.3), (1.60, 1.80, 1.0), (2.18, 2.44, 1.0), (3.1, 3.6, 1.5))
_SHARP: Final = 0.004
"""Width of a jump and of the head of a band, in ln(lambda)."""


@cache
def star(name: str) -> Floats:
    """f_nu of a spectral type on the grid, one at 1 micrometre for the black body."""
    kind = _TYPES[name]
    flux = planck(GRID, kind.temperature)
    flux *= _hydrogen(kind.balmer) * _metals(kind.metals)
    flux *= np.exp(-_molecules(kind) - _alkali(kind.alkali))
    return _with_colours(flux, kind.colours)


def white_dwarf() -> Floats:
    """f_nu of a hot white dwarf (DA): a black body of 30,000 K with broad Balmer lines."""
    return planck(GRID, 30000.0) * _lines(_BALMER_LINES, 0.35, 0.008) * 10 ** (-0.06 * _below(0.37))


def _with_colours(flux: Floats, colours: tuple[float, ...]) -> Floats:
    """``flux`` times a smooth curve, so that its magnitudes differ as wanted."""
    from scipy.interpolate import PchipInterpolator

    wanted = -np.append(0.0, np.cumsum(colours))
    centre = np.log([np.sqrt(blue * red) for blue, red in _BANDS])
    places = np.clip(np.log(GRID), centre[0], centre[-1])
    for _ in range(4):
        seen = np.array(
            [-2.5 * np.log10(flux[(blue <= GRID) & (red >= GRID)].mean()) for blue, red in _BANDS]
        )
        change = wanted - seen
        flux = flux * 10 ** (-0.4 * PchipInterpolator(centre, change - change[5])(places))
    return flux


def _hydrogen(jump: float) -> Floats:
    """Balmer and Paschen jumps, lines that grow with them, and the Lyman limit."""
    strength = jump / 0.5
    dex = jump * _below(0.370) + 0.15 * jump * _below(0.822) + 0.8 * _below(0.0912)
    lines = _lines(_BALMER_LINES[:1], 0.26 * strength, 0.0025)
    lines *= _lines(_BALMER_LINES[1:], 0.50 * strength, 0.0025)
    lines *= _lines(_OTHER_HYDROGEN, 0.15 * strength, 0.0022)
    return np.asarray(10**-dex * lines)


def _metals(step: float) -> Floats:
    """The break at 4000 A, lesser ones in the ultraviolet, the G band, Mg and Na."""
    dex = step * (_below(0.398) + 2.0 * _below(0.29) + 6.0 * _below(0.21))
    return np.asarray(10**-dex * _lines((0.4305, 0.5175, 0.5892), 1.2 * step, 0.004))


def _molecules(kind: _Type) -> Floats:
    """Optical depth of the bands."""
    depth = _depth(kind.tio) * sum(_degraded(head, 0.03) for head in _TIO_HEADS)
    depth += _depth(kind.feh) * _degraded(0.9896, 0.02)
    depth += _depth(kind.co) * (_degraded(2.2935, 0.08) + 2 * _degraded(4.6, 0.06))
    water = sum(share * _between(*edges) for *edges, share in _WATER)
    depth += _depth(kind.water) * (water + 1.5 * _between(2.45, 3.1))
    depth += _depth(kind.methane) * sum(share * _between(*edges) for *edges, share in _METHANE)
    return np.asarray(depth)


def _alkali(depth: float) -> Floats:
    """Optical depth of the broad resonance lines of sodium and potassium."""
    wings = (1 / (1 + (np.log(GRID / line) / 0.03) ** 2) for line in (0.5893, 0.7682))
    return np.asarray(_depth(depth) * sum(wings))


def _lines(centres: tuple[float, ...], depth: float, width: float) -> Floats:
    """Transmission of Gaussian absorption lines; ``width`` in ln(lambda)."""
    profiles = (np.exp(-0.5 * (np.log(GRID / centre) / width) ** 2) for centre in centres)
    return np.asarray(np.prod([1 - depth * profile for profile in profiles], axis=0))


def _below(wavelength: float) -> Floats:
    """One shortward of a wavelength, zero longward, with a soft edge."""
    return np.asarray(0.5 - 0.5 * np.tanh(np.log(GRID / wavelength) / (2 * _SHARP)))


def _between(blue: float, red: float) -> Floats:
    """One in an interval, with edges of 1.5 %."""
    rise, fall = (np.tanh(np.log(GRID / edge) / 0.015) for edge in (blue, red))
    return np.asarray(0.5 * (rise - fall))


def _degraded(head: float, length: float) -> Floats:
    """A band with a sharp head that fades redward, over ``length`` in ln(lambda)."""
    fade = np.exp(-np.maximum(np.log(GRID / head), 0.0) / length)
    return np.asarray(fade * (1 - _below(head)))


def _depth(share: float) -> float:
    """Optical depth that takes away a share of the light."""
    return -float(np.log1p(-share))


STARS: Final[dict[str, Callable[[], Floats]]] = {
    **{name: partial(star, name) for name in _TYPES},
    "DA": white_dwarf,
}
"""A maker for each type."""
