"""The sum over a band that turns templates into electrons per second, and its tables.

    rate = sum over k: f(lambda_k) w(lambda_k),   w = integral of A hat_k / h dln(lambda)

The sum runs over the points lambda_k of a template as they are observed; hat_k is the
function that is one at that point and falls to zero at the next, so that the sum is the
integral of f, linear between its points, with the effective area A. w depends on lambda_k
alone and is tabulated at eighths of a step, as is all else that depends on the band.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aqueduct.instrument.filters import effective_area
from aqueduct.instrument.spectrum import PHOTON
from aqueduct.kernels.compile import jit
from aqueduct.simulate.spectra import igm
from aqueduct.simulate.spectra.dust import calzetti, milky_way
from aqueduct.simulate.spectra.grid import GRID, STEP

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]

_PHASES: Final = 8
_FINE: Final = 4
"""Samples of the effective area per phase."""
_UNCOVERED: Final = 0.01
"""Share of a band at each end that a template may leave out."""
_PER_MAGNITUDE: Final = 0.4 * float(np.log(10.0))


class Rest(NamedTuple):
    """What depends on the wavelength at rest, on the grid of the templates: (w,) each."""

    dust: Floats
    lines: Integers
    """How many lines of the Lyman series lie redward."""
    ionising: NDArray[np.bool_]


class Tables(NamedTuple):
    """What depends on the observed wavelength, on a grid of the same step: (.., n) each."""

    weight: Floats
    dust: Floats
    series: Floats
    forest: Floats
    damped: Floats
    rest: Floats


@dataclass(frozen=True, eq=False)
class Band:
    """A band from ``blue`` to ``red``, all but 1 % at each end; ``start`` is its ln(lambda)."""

    blue: float
    red: float
    start: float
    tables: Tables


@cache
def at_rest() -> Rest:
    """The tables at rest, made once."""
    redward = (igm.lines()[:, None] > GRID).sum(axis=0)
    return Rest(calzetti(GRID), redward.astype(np.int32), GRID < igm.LIMIT)


@cache
def bandpass(detector: str, element: str) -> Band:
    """The tables of an element in a detector, made once."""
    wave, area = effective_area(detector, element)
    start = float(np.log(wave[0])) - 2 * STEP
    number = int((np.log(wave[-1]) - start) / STEP) + 4
    nodes = np.exp(start + STEP * np.arange(number))
    shares = np.cumsum(area / wave) / (area / wave).sum()
    blue, red = np.interp([_UNCOVERED, 1 - _UNCOVERED], shares, wave)
    weight = _weights(wave, area, start, number)
    terms = igm.continuum_terms(nodes)
    tables = Tables(weight, milky_way(nodes), igm.series_depth(nodes), *terms)
    return Band(float(blue), float(red), start, tables)


def _weights(wave: Floats, area: Floats, start: float, number: int) -> Floats:
    """Integral of the effective area with the hat at each phase of each point: (9, n)."""
    per_step = _PHASES * _FINE
    fine = start + STEP / per_step * np.arange(-per_step, (number + 1) * per_step + 1)
    values = np.interp(np.exp(fine), wave, area, left=0.0, right=0.0)
    hat = 1 - np.abs(np.arange(-per_step, per_step + 1)) / per_step
    smooth = np.convolve(values, hat, mode="valid") * PHOTON * STEP / per_step
    return np.stack(
        [smooth[phase * _FINE :: per_step][: number - 1] for phase in range(_PHASES + 1)]
    )


@jit
def _between(values: Floats, place: int, share: float) -> np.float64:
    """Linear interpolation between ``values[place]`` and the next."""
    mixed: np.float64 = values[place] + share * (values[place + 1] - values[place])
    return mixed


@jit
def summed(
    flux: Floats,
    template: Integers,
    shift: Floats,
    ebv: Floats,
    galactic_ebv: Floats,
    terms: Floats,
    rest: Rest,
    band: Tables,
) -> Floats:
    """Sum of f w over the points of each source's template that fall in the band.

    Point k of a template is observed ``k - shift`` steps along the band. ``terms`` are those
    of :func:`aqueduct.simulate.spectra.igm.source_terms`, (n, 3).
    """
    result = np.empty(len(template))
    for s in range(len(template)):
        first = max(int(np.ceil(shift[s])), 0)
        start = int(first - shift[s])
        ahead = first - shift[s] - start
        phase = min(int(ahead * _PHASES), _PHASES - 1)
        low, high = band.weight[phase], band.weight[phase + 1]
        share = ahead * _PHASES - phase
        own, galactic = _PER_MAGNITUDE * ebv[s], _PER_MAGNITUDE * galactic_ebv[s]
        row, total = flux[template[s]], 0.0
        for n in range(min(len(low) - start, len(row) - first)):
            k, j = first + n, start + n
            light = row[k] * (low[j] + share * (high[j] - low[j]))
            depth = own * rest.dust[k]
            if galactic > 0:
                depth += galactic * _between(band.dust, j, ahead)
            if rest.lines[k] > 0:
                depth += _between(band.series[rest.lines[k]], j, ahead)
            if rest.ionising[k]:
                depth += terms[s, 0] * _between(band.forest, j, ahead) + terms[s, 1]
                depth += _between(band.rest, j, ahead)
                depth -= terms[s, 2] * _between(band.damped, j, ahead)
            total += light * np.exp(-depth) if depth > 0 else light
        result[s] = total
    return result
