"""Flat field and photometric conversion.

The flat field is the response in DN to a uniform sky, relative to its value at the mean
gain g0 and mean pixel area Omega0, seen through the inter-pixel capacitance K:

    flat = [ K * (response Omega / Omega0) ] g0 / gain
    photmjsr = njy_per_electron 1e-15 g0 / Omega0              [MJy/sr per DN/s]

Its error is the photon noise of the flats, and a smooth part: what the lamp's beam
differs from a uniform sky after correction with dithered stars.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import dq
from aqueduct.instrument.filters import FILTERS, effective_area, njy_per_electron
from aqueduct.instrument.photometry import NJY_PER_MJY
from aqueduct.products.references import FlatReference, PhotomReference
from aqueduct.products.window import SCIENCE_WINDOW
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.references.config import ReferenceConfig
from aqueduct.simulate.references.errors import smooth
from aqueduct.simulate.references.pixels import coupled
from aqueduct.simulate.render import pixel_area

COLLECTING_AREA: Final = 3.757
"""Square metre."""
_SCIENCE: Final = (SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns)


def true_flat(truth: DetectorTruth) -> NDArray[np.float32]:
    """The flat field (4088, 4088) without error; 0 where there is no response."""
    area = pixel_area(truth.detector)
    light = np.zeros_like(truth.response)
    light[_SCIENCE] = truth.response[_SCIENCE] * (area / area.mean())
    seen = coupled(truth, light)[_SCIENCE]
    return np.asarray(seen * (mean_gain(truth) / truth.gain[_SCIENCE]), np.float32)


def mean_gain(truth: DetectorTruth) -> float:
    """The gain to which the flat field is normalised, electron/DN."""
    return float(truth.gain[_SCIENCE].mean(dtype=np.float64))


def flat(truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator) -> FlatReference:
    """Flat field of the science area, NO_FLAT_FIELD where there is no response."""
    data = true_flat(truth)
    dead = truth.response[_SCIENCE] <= 0
    noise = np.float32(config.flat * np.sqrt(1 - config.illumination))
    # The flats of all pixels last equally long: a relative error goes as 1 / sqrt(signal).
    err = noise * np.sqrt(np.maximum(data, 0))
    beam = 1 + np.float32(config.flat * np.sqrt(config.illumination)) * smooth(data.shape, rng)
    data = data * beam + err * rng.standard_normal(data.shape, np.float32)
    dead |= data <= 0
    return FlatReference(
        data=np.where(dead, np.float32(1), data),
        err=err,
        dq=np.where(dead, np.uint32(dq.NO_FLAT_FIELD), np.uint32(0)),
    )


def conversion(truth: DetectorTruth, element: str) -> float:
    """MJy/sr per DN/s, without error."""
    rate = njy_per_electron(truth.detector, element) * mean_gain(truth)
    return float(rate / NJY_PER_MJY / pixel_area(truth.detector).mean())


def photom(
    truth: DetectorTruth,
    elements: tuple[str, ...],
    config: ReferenceConfig,
    rng: np.random.Generator,
) -> PhotomReference:
    """Conversion to surface brightness, with the error of the zero point.

    The error of a filter does not depend on which others are asked for.
    """
    errors = dict(zip(FILTERS, config.photom * rng.standard_normal(len(FILTERS)), strict=True))
    area = float(pixel_area(truth.detector).mean())
    table: dict[str, dict[str, Any]] = {}
    for element in elements:
        value = conversion(truth, element) * (1 + errors[element])
        wave, collecting = effective_area(truth.detector, element)
        table[element] = {
            "photmjsr": value,
            "uncertainty": value * config.photom,
            "pixelareasr": area,
            "collecting_area": COLLECTING_AREA,
            "wavelength": wave,
            "effective_area": collecting,
        }
    return PhotomReference(table=table)
