"""Slitless spectra: what the detector sees through the grism or the prism."""

from aqueduct.simulate.dispersion.photons import dispersed_rates
from aqueduct.simulate.dispersion.sources import (
    DispersionConfig,
    dispersed_sources,
    margin,
    path,
)

__all__ = ["DispersionConfig", "dispersed_rates", "dispersed_sources", "margin", "path"]
