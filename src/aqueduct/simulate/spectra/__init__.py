"""Spectra of sources: templates, dust, hydrogen between the galaxies, redshift."""

from aqueduct.simulate.spectra.library import SpectralLibrary, builtin
from aqueduct.simulate.spectra.sources import SourceSpectra

__all__ = ["SourceSpectra", "SpectralLibrary", "builtin"]
