"""The observatory as data: detectors, filters, noise and MA tables."""

from aqueduct.instrument.detectors import DETECTORS, sca
from aqueduct.instrument.filters import FILTERS, background, njy_per_electron
from aqueduct.instrument.matables import MATable, ma_table
from aqueduct.instrument.noise import detector_noise

__all__ = [
    "DETECTORS",
    "FILTERS",
    "MATable",
    "background",
    "detector_noise",
    "ma_table",
    "njy_per_electron",
    "sca",
]
