"""The optical model beside the PSF statistics that the mission publishes.

The tables (Roman technical information of 2024-06-03) are for a K0V star on detectors 1 and
18, images of about 7 arcsec, pointing jitter of 8 mas full width at half maximum, and
neither charge diffusion nor inter-pixel capacitance; FWHM of the light before the pixel, 8
samples per pixel; effective pixels and peak on the detector's pixels, with the star on the
middle of a pixel and on the corner of four. :func:`summary` takes the same conditions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Final

import numpy as np

from aqueduct.core.errors import InputError
from aqueduct.instrument.detectors import sca
from aqueduct.instrument.technical import text
from aqueduct.psf.blur import Jitter
from aqueduct.psf.energy import effective_pixels, fwhm
from aqueduct.psf.optical import OpticalModel

DETECTORS: Final = ("WFI01", "WFI18")
"""Those in the tables."""
_FOLDER: Final = "WideFieldInstrument/Imaging/PointSpreadFunctions"
_MIDDLE: Final = 2043.5
_OVERSAMPLE: Final = 8
_RADIUS: Final = 32
"""Pixels, of the image."""


@dataclass(frozen=True)
class Summary:
    """Statistics of the PSF in the middle of a detector.

    Attributes
    ----------
    fwhm : float
        Arcsec.
    pixels, pixels_corner : float
        Effective pixels with the star on the middle and on the corner of a pixel.
    peak, peak_corner : float
        Largest share of the light in a pixel.
    total : float
        Share of the light in the image.
    """

    fwhm: float
    pixels: float
    pixels_corner: float
    peak: float
    peak_corner: float
    total: float


def published(detector: str, element: str) -> Summary:
    """The row of the tables.

    Raises
    ------
    InputError
        If the tables have no such row.
    """
    key = (str(sca(detector)), element)
    if key not in _rows("center"):
        raise InputError(
            f"no published PSF of {detector} {element}", hint=f"known: {', '.join(DETECTORS)}"
        )
    width, pixels, total, peak = _rows("center")[key]
    _, pixels_corner, _, peak_corner = _rows("corner")[key]
    return Summary(width, pixels, pixels_corner, peak, peak_corner, total)


def summary(detector: str, element: str) -> Summary:
    """The same of the optical model, under the conditions of the tables."""
    jitter = Jitter.from_fwhm(8.0)
    model = OpticalModel(detector, element, jitter, diffusion=0.0, spectrum="K0V")
    place, side = (np.array([_MIDDLE]), np.array([_MIDDLE])), 2 * _RADIUS * _OVERSAMPLE + 1
    stamp = model.stamps(*place, oversample=_OVERSAMPLE, size=side)[0]
    half = _OVERSAMPLE // 2
    middle = stamp[::_OVERSAMPLE, ::_OVERSAMPLE]
    corner = stamp[half::_OVERSAMPLE, half::_OVERSAMPLE]
    light = replace(model, pixel=False).local(_MIDDLE, _MIDDLE, radius=4.0)
    return Summary(
        fwhm(light),
        effective_pixels(middle),
        effective_pixels(corner),
        float(middle.max()),
        float(corner.max()),
        float(middle.sum()),
    )


@cache
def _rows(where: str) -> dict[tuple[str, str], tuple[float, float, float, float]]:
    """FWHM, effective pixels, total and peak by (detector number, filter)."""
    rows = {}
    # The header is not valid ECSV: read the columns by their order.
    for line in text(f"{_FOLDER}/SummaryPSFstats_{where}.ecsv").splitlines():
        words = [word.strip() for word in line.split(",")]
        if line.startswith("#") or not words[0].isdigit():
            continue
        width, pixels, total, peak = (float(word) for word in words[2:6])
        rows[words[0], words[1]] = (width, pixels, total, peak)
    return rows
