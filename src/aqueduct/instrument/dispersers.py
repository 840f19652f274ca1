"""The grism and the prism: how far along its trace each wavelength falls.

    s(lambda) = s_0 + integral from lambda_0 to lambda of dl / D(l)        [pixel]

D [nm per pixel] is the dispersion and lambda_0 the wavelength without deviation, which
falls where the source would be imaged through a filter (s = 0): 1550 nm for both elements
(Bray et al. 2024, JATIS 10, 014003). D of the grism's first order and of the prism is that
of the Roman technical information, at the middle of the field; beyond its last rows it is
kept. (The table of the grism calls its wavelengths mm; they are nm.)

The technical information says nothing of the grism's zeroth order. With s' counted from
its own reference at lambda_1::

    lambda = lambda_1 + b s' + c s'^2,     s = s_1 + s'

b, c, lambda_1 and s_1 are those of the public trace configuration of the Roman Galaxy
Redshift Survey team (repository roman-grs-pit/grism_sim, 19 March 2025), at the middle of
WFI01: a faint spectrum of 36 pixels, 1359 pixels to the blue of the source.

In all detectors the trace runs along the columns of the science frame, wavelength rising
with y: their y axes lie within 1.2 degrees of the axis along which the focal-plane model
of that team disperses. That holds for the grism; of the prism nothing is published, and
the same is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqueduct.core.config import nearest
from aqueduct.core.errors import InputError
from aqueduct.instrument.technical import table

Floats = NDArray[np.float64]

ORDERS: Final = {"GRISM": ("GRISM", "GRISM0"), "PRISM": ("PRISM",)}
"""Orders of each optical element, by the name of their effective area."""
UNDEVIATED: Final = 1.55
"""Wavelength that is not displaced, micrometre."""

_FOLDER: Final = "WideFieldInstrument/Spectroscopy"
_TABLES: Final = {
    "GRISM": ("WFI_grism_dispersion.ecsv", "g_mean_lam", "g_dispersion"),
    "PRISM": ("WFI_prism_dispersion.ecsv", "p_mean_lam", "p_dispersion"),
}
_ZEROTH: Final = (1.5473, 0.02639, -7.35e-5, -1359.0)
"""lambda_1 [micrometre], b, c [micrometre per pixel and pixel^2] and s_1 [pixel]."""
_RANGE: Final = (0.5, 2.5)
"""Micrometre, beyond all that the elements transmit."""
_STEP: Final = 0.001


@dataclass(frozen=True, eq=False)
class Trace:
    """Where along its trace an order puts each wavelength; linear between the samples.

    Attributes
    ----------
    wavelength : ndarray of float64, (n,)
        Micrometre, ascending.
    offset : ndarray of float64, (n,)
        Pixels from the place of the direct image, ascending.
    """

    wavelength: Floats
    offset: Floats

    def to_offset(self, wavelength: ArrayLike) -> Floats:
        """Pixels along the trace of wavelengths in micrometre."""
        offset: Floats = np.interp(np.asarray(wavelength), self.wavelength, self.offset)
        return offset

    def to_wavelength(self, offset: ArrayLike) -> Floats:
        """Micrometre of pixels along the trace."""
        wavelength: Floats = np.interp(np.asarray(offset), self.offset, self.wavelength)
        return wavelength


@cache
def trace(order: str) -> Trace:
    """The trace of ``GRISM`` (first order), ``GRISM0`` (zeroth order) or ``PRISM``.

    Raises
    ------
    InputError
        If there is no such order.
    """
    if order == "GRISM0":
        return _zeroth()
    wave, per_pixel = dispersion(order)
    wave = np.concatenate([_RANGE[:1], wave, _RANGE[1:]])
    slope = 1 / np.pad(per_pixel, 1, mode="edge")
    steps = 0.5 * (slope[1:] + slope[:-1]) * np.diff(wave)
    offset = np.append(0.0, np.cumsum(steps))
    return Trace(wave, offset - np.interp(UNDEVIATED, wave, offset))


def dispersion(element: str) -> tuple[Floats, Floats]:
    """Wavelength (micrometre) and dispersion (micrometre per pixel) as published.

    Parameters
    ----------
    element : str
        ``GRISM``, for its first order, or ``PRISM``.

    Raises
    ------
    InputError
        If the element is neither.
    """
    if element not in _TABLES:
        known = (*_TABLES, "GRISM0")
        raise InputError(f"no dispersing element {element!r}", hint=nearest(element, known))
    file, *names = _TABLES[element]
    columns = table(f"{_FOLDER}/Dispersion/{file}")
    wave, per_pixel = (np.asarray(columns[name], np.float64) / 1000 for name in names)
    return wave, per_pixel


def _zeroth() -> Trace:
    start, b, c, shift = _ZEROTH
    wave = np.arange(_RANGE[0], _RANGE[1] + _STEP / 2, _STEP)
    along = (np.sqrt(b**2 + 4 * c * (wave - start)) - b) / (2 * c)
    return Trace(wave, shift + along)
