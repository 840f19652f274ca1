"""Detection, apertures, shapes and PSF photometry: pure functions on arrays."""

from aqueduct.measure.apertures import (
    Field,
    Noise,
    annuli,
    circular,
    elliptical,
    noise,
)
from aqueduct.measure.background import Background, background
from aqueduct.measure.detection import (
    DetectionConfig,
    gaussian,
    grown,
    islands,
    segments,
    significance,
)
from aqueduct.measure.psf_photometry import Fits, PsfConfig, fit_psf

__all__ = [
    "Background",
    "DetectionConfig",
    "Field",
    "Fits",
    "Noise",
    "PsfConfig",
    "annuli",
    "background",
    "circular",
    "elliptical",
    "fit_psf",
    "gaussian",
    "grown",
    "islands",
    "noise",
    "segments",
    "significance",
]
