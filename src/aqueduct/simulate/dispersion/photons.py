"""A source's electrons along its trace.

    r_k = sum_i w_k(u_i) integral over interval i of f_nu A / (h lambda) dlambda

The band is cut into intervals much shorter than a pixel, and at every sample of the
spectrum and of the effective area; the integral is that of
:func:`aqueduct.instrument.spectrum.electron_rate`. What an interval holds is spread over
the six nodes around its place u_i with the weights of Lagrange interpolation, so that the
sum, the centroid and the next four moments are kept: the spectrum is not made broader.

A source that has no spectrum but fluxes in filters gets a power law from each filter's
pivot wavelength to the next, and a constant f_nu beyond the first and the last. The wide
filter F146, which holds three others, is used only if it is the only one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import nearest
from aqueduct.core.errors import InputError
from aqueduct.instrument.dispersers import ORDERS, trace
from aqueduct.instrument.filters import effective_area
from aqueduct.instrument.spectrum import PHOTON, Spectrum, electron_rate
from aqueduct.kernels.compile import jit
from aqueduct.simulate.scene import Scene

Floats = NDArray[np.float64]

_INTERVAL: Final = 0.125
"""Longest interval, pixels along the trace."""
_UNCOVERED: Final = 0.01
_WIDE: Final = "F146"
_FAINTEST: Final = 1e-6
"""Least flux in a filter, of the greatest: a power law knows no zero."""
BEYOND: Final = (0.3, 3.0)
"""Micrometre to which the first and the last flux are kept."""


@dataclass(frozen=True, eq=False)
class Band:
    """One order of a disperser in one detector, finely cut.

    Attributes
    ----------
    wavelength : ndarray of float64, (n,)
        Micrometre, ascending.
    area : ndarray of float64, (n,)
        m^2.
    offset : ndarray of float64, (n,)
        Pixels along the trace from the direct image, ascending.
    core : (float, float)
        Micrometre between which a spectrum must be known: all but 1 % of the electrons of
        a flat one.
    """

    wavelength: Floats
    area: Floats
    offset: Floats
    core: tuple[float, float]


@cache
def band(detector: str, order: str) -> Band:
    """The band of ``GRISM`` (first order), ``GRISM0`` or ``PRISM`` in a detector."""
    path = trace(order)
    wave, area = effective_area(detector, order)
    first, last = path.to_offset(wave[[0, -1]])
    steps = np.linspace(first, last, int((last - first) / _INTERVAL) + 2)
    fine = np.union1d(wave, path.to_wavelength(steps[1:-1]))
    share = np.cumsum(area / wave)
    low, high = np.interp(np.array([_UNCOVERED / 2, 1 - _UNCOVERED / 2]) * share[-1], share, wave)
    core = (float(low), float(high))
    return Band(fine, np.interp(fine, wave, area), path.to_offset(fine), core)


def require_cover(spectrum: Spectrum, cut: Band, order: str) -> None:
    """Refuse a spectrum that ends within a band; it would be taken for dark there.

    Raises
    ------
    InputError
    """
    first, last = spectrum.wavelength[[0, -1]]
    low, high = cut.core
    if first > low or last < high:
        raise InputError(
            f"a spectrum covers {first:.4g} to {last:.4g} micrometre, "
            f"{order} needs {low:.4g} to {high:.4g}",
            hint="extend the spectrum, with zeros if there is no light",
        )


def source_spectrum(scene: Scene, source: int, limits: tuple[float, float] = BEYOND) -> Spectrum:
    """The spectrum of one source, or that drawn through its fluxes in filters.

    Parameters
    ----------
    scene : Scene
    source : int
    limits : (float, float)
        Micrometre between which it is wanted.

    Raises
    ------
    InputError
        If the scene has neither spectra nor fluxes.
    """
    if scene.spectra is not None:
        return scene.spectra.spectrum(source, limits)
    names = [name for name in scene.flux if name != _WIDE] or list(scene.flux)
    if not names:
        raise InputError("the scene has neither spectra nor fluxes", hint="add one of them")
    pivots = np.array([_pivot(name) for name in names])
    order = np.argsort(pivots)
    return _power_laws(pivots[order], np.array([scene.flux[names[k]][source] for k in order]))


def dispersed_rates(scene: Scene, detector: str, element: str, time: Any = None) -> Floats:
    """Total electron/s of each source in all orders of ``GRISM`` or ``PRISM``.

    Parameters
    ----------
    scene : Scene
    detector, element : str
    time : astropy.time.Time, optional
        When, for light curves.

    Raises
    ------
    InputError
        If the element disperses nothing, or a source has no spectrum over its band.
    """
    total = np.zeros(len(scene))
    for order in orders(element):
        if scene.spectra is not None:
            total += scene.spectra.rates(detector, order)
        else:
            spectra = (source_spectrum(scene, source) for source in range(len(scene)))
            total += [electron_rate(spectrum, detector, order) for spectrum in spectra]
    return total * scene.brightness(element, time)


def orders(element: str) -> tuple[str, ...]:
    """The orders of ``GRISM`` or ``PRISM``, by the name of their effective area."""
    if element not in ORDERS:
        raise InputError(f"{element!r} disperses no light", hint=nearest(element, ORDERS))
    return ORDERS[element]


def _power_laws(pivots: Floats, flux: Floats) -> Spectrum:
    peak = flux.max()
    if not peak > 0:
        return Spectrum.flat(0.0)
    fine = np.geomspace(*BEYOND, 256)
    low = np.log(np.maximum(flux, _FAINTEST * peak))
    return Spectrum(fine, np.exp(np.interp(np.log(fine), np.log(pivots), low)))


@cache
def _pivot(element: str) -> float:
    """Pivot wavelength, micrometre, in the first detector."""
    wave, area = effective_area("WFI01", element)
    return float(np.sqrt((area * wave).sum() / (area / wave).sum()))


@jit
def lagrange(t: float) -> tuple[float, float, float, float, float, float]:
    """Weights of the samples -2 to 3 for a point at ``t`` in [0, 1)."""
    a, b, c, d, e, f = t + 2.0, t + 1.0, t, t - 1.0, t - 2.0, t - 3.0
    return (
        -b * c * d * e * f / 120.0,
        a * c * d * e * f / 24.0,
        -a * b * d * e * f / 12.0,
        a * b * c * e * f / 12.0,
        -a * b * c * d * f / 24.0,
        a * b * c * d * e / 120.0,
    )


@jit
def deposit(
    wavelength: Floats,
    area: Floats,
    offset: Floats,
    at: Floats,
    flux: Floats,
    start: float,
    scale: float,
    nodes: Floats,
) -> None:
    """Add the electrons per second of a spectrum to ``nodes``.

    Parameters
    ----------
    wavelength, area, offset : ndarray, (n,)
        As in :class:`Band`.
    at, flux : ndarray, (m,)
        The spectrum: micrometre and nJy.
    start, scale : float
        A wavelength at ``offset`` falls on node ``start + scale * offset``.
    nodes : ndarray of float64
        Changed in place; what falls off is lost.
    """
    j, left = 0, wavelength[0]
    for i in range(len(wavelength) - 1):
        width = wavelength[i + 1] - wavelength[i]
        while left < wavelength[i + 1]:
            while j < len(at) and at[j] <= left:
                j += 1
            right = min(at[j], wavelength[i + 1]) if j < len(at) else wavelength[i + 1]
            if 0 < j < len(at):
                tilt = (flux[j] - flux[j - 1]) / (at[j] - at[j - 1])
                f0 = flux[j - 1] + tilt * (left - at[j - 1])
                f1 = flux[j - 1] + tilt * (right - at[j - 1])
                slope = (area[i + 1] - area[i]) / width
                a0 = area[i] + slope * (left - wavelength[i])
                a1 = area[i] + slope * (right - wavelength[i])
                middle = 2.0 * (f0 + f1) * (a0 + a1) / (left + right)
                rate = PHOTON * (right - left) / 6.0 * (f0 * a0 / left + f1 * a1 / right + middle)
                share = (0.5 * (left + right) - wavelength[i]) / width
                place = start + scale * (offset[i] + share * (offset[i + 1] - offset[i]))
                node = int(np.floor(place))
                if rate != 0.0 and node >= 2 and node + 3 < len(nodes):
                    weights = lagrange(place - node)
                    for m in range(6):
                        nodes[node - 2 + m] += rate * weights[m]
            left = right
