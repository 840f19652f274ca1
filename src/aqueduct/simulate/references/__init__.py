"""Reference files as a calibration program would have estimated them.

Every array is the truth with the error of its measurement, never the truth itself: see
:class:`ReferenceConfig` for how well each is known, and the modules for why.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy

import numpy as np

from aqueduct.instrument.filters import FILTERS
from aqueduct.products.references import FileReference
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.references.config import ReferenceConfig
from aqueduct.simulate.references.distortion import distortion
from aqueduct.simulate.references.flux import conversion, flat, mean_gain, photom, true_flat
from aqueduct.simulate.references.linearity import integral_nonlinearity, linearity
from aqueduct.simulate.references.optics import aperture_corrections, epsf_reference
from aqueduct.simulate.references.pixels import (
    dark,
    dark_decay,
    gain,
    ipc,
    mask,
    read_noise,
    saturation,
)
from aqueduct.simulate.references.reference_pixels import reference_pixels

__all__ = [
    "ReferenceConfig",
    "aperture_corrections",
    "conversion",
    "dark",
    "dark_decay",
    "detector_references",
    "distortion",
    "element_references",
    "epsf_reference",
    "flat",
    "gain",
    "integral_nonlinearity",
    "ipc",
    "linearity",
    "mask",
    "mean_gain",
    "photom",
    "read_noise",
    "reference_pixels",
    "saturation",
    "true_flat",
]


def detector_references(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> Iterator[FileReference]:
    """References of one detector that do not depend on the filter, one at a time.

    Each has a random stream of its own.
    """
    streams = iter(rng.spawn(10))
    yield mask(truth, config, next(streams))
    yield saturation(truth, config, next(streams))
    yield from linearity(truth, config, next(streams))
    yield integral_nonlinearity(truth, config, next(streams))
    yield read_noise(truth, config, next(streams))
    yield gain(truth, config, next(streams))
    yield dark(truth, config, next(streams))
    yield dark_decay(truth, config, next(streams))
    yield distortion(truth, config, next(streams))
    yield ipc(truth, config, next(streams))


def element_references(
    truth: DetectorTruth,
    elements: tuple[str, ...],
    jitter: float,
    config: ReferenceConfig,
    rng: np.random.Generator,
) -> Iterator[tuple[str | None, FileReference]]:
    """References of one detector for each filter, one at a time, with their filter.

    Flat field and ePSF of each filter; then, of no filter, those that cover several:
    photometry and aperture corrections. What a filter gets does not depend on which
    others are asked for.
    """
    streams = dict(zip(FILTERS, rng.spawn(len(FILTERS)), strict=True))
    optics, zero_points = rng.spawn(2)
    models = {}
    for element in elements:
        yield element, flat(truth, config, streams[element])
        reference = epsf_reference(truth.detector, element, jitter, config, deepcopy(optics))
        models[element] = Epsf.from_reference(reference)
        yield element, reference
    yield None, photom(truth, FILTERS, config, zero_points)
    yield None, aperture_corrections(models)
