"""A library of template spectra, all on one grid even in ln(lambda).

    lambda_k = 0.05 micrometre * exp(k STEP)

On such a grid a redshift is a shift, so that 20,000 sources are integrated in one pass. A
spectrum on other wavelengths is brought to the grid by its mean over each cell, which
keeps the light of lines narrower than a cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import nearest
from aqueduct.core.errors import InputError
from aqueduct.instrument.spectrum import Spectrum
from aqueduct.simulate.spectra.galaxies import GALAXIES
from aqueduct.simulate.spectra.grid import GRID, STEP
from aqueduct.simulate.spectra.quasars import QUASARS
from aqueduct.simulate.spectra.stars import STARS

Floats = NDArray[np.float64]

_OWN: Final = "BSD-3-Clause"
"""The built-in templates are formulas of this package, and free as the package is."""
_FINE: Final = 8
"""Samples per cell in which a foreign spectrum is averaged, beside its own."""


@dataclass(frozen=True, eq=False)
class SpectralLibrary:
    """Template spectra with names.

    Attributes
    ----------
    names : tuple of str
    wavelength : ndarray of float64, (w,)
        Micrometre in vacuum, at rest: :data:`GRID`.
    flux : ndarray of float64, (n, w)
        f_nu in nJy, of arbitrary brightness; a read-only copy.
    licence : tuple of str
        Under which each template may be passed on.
    coverage : ndarray of float64, (n, 2)
        Micrometre at rest between which the template is known; there is none of its
        light beyond.
    """

    names: tuple[str, ...]
    wavelength: Floats
    flux: Floats
    licence: tuple[str, ...]
    coverage: Floats

    def __post_init__(self) -> None:
        if len(set(self.names)) < len(self.names):
            raise InputError(f"two templates have one name: {', '.join(sorted(self.names))}")
        if not np.array_equal(self.wavelength, GRID):
            raise InputError(
                "the wavelengths of a library must be those of its grid",
                hint="SpectralLibrary.of brings spectra to the grid",
            )
        flux = np.array(self.flux, np.float64)
        number = len(self.names)
        if flux.shape != (number, len(GRID)) or len(self.licence) != number:
            raise InputError(
                f"{flux.shape} fluxes and {len(self.licence)} licences, {number} names"
            )
        if not (np.isfinite(flux) & (flux >= 0)).all():
            raise InputError("the flux of a template must be finite and not negative")
        flux.flags.writeable = False
        object.__setattr__(self, "flux", flux)

    @classmethod
    def of(cls, spectra: Mapping[str, Spectrum], licence: str) -> SpectralLibrary:
        """A library of spectra on any wavelengths, by name.

        Raises
        ------
        InputError
            If a spectrum has no light between 0.05 and 5 micrometre.
        """
        flux = np.stack([_on_grid(name, spectrum) for name, spectrum in spectra.items()])
        limits = np.stack([spectrum.wavelength[[0, -1]] for spectrum in spectra.values()])
        return cls(tuple(spectra), GRID, flux, (licence,) * len(spectra), limits)

    def __len__(self) -> int:
        return len(self.names)

    def index(self, name: str) -> int:
        """Row of a template.

        Raises
        ------
        InputError
            If there is none of this name.
        """
        if name not in self.names:
            raise InputError(f"no spectral template {name!r}", hint=nearest(name, self.names))
        return self.names.index(name)

    def spectrum(self, name: str) -> Spectrum:
        """A template at rest."""
        return Spectrum(self.wavelength, self.flux[self.index(name)])

    def extended(self, other: SpectralLibrary) -> SpectralLibrary:
        """These templates, then those of another library."""
        return SpectralLibrary(
            self.names + other.names,
            self.wavelength,
            np.concatenate([self.flux, other.flux]),
            self.licence + other.licence,
            np.concatenate([self.coverage, other.coverage]),
        )


@cache
def builtin() -> SpectralLibrary:
    """Stars from O5 to T8, galaxies, a quasar and simple continua: formulas of this package.

    Their names are ``star-G2``, ``galaxy-Sbc``, ``quasar``, ``flat`` (in f_nu), ``power-law``
    (f_nu ~ nu^-1) and so on. Shortward of 0.05 micrometre they have no light.
    """
    flux = {
        **{f"star-{name}": star() for name, star in STARS.items()},
        **{f"galaxy-{name}": galaxy() for name, galaxy in GALAXIES.items()},
        **{name: quasar() for name, quasar in QUASARS.items()},
        "flat": np.ones_like(GRID),
        "power-law": GRID / 0.55,
    }
    values = np.stack(list(flux.values()))
    limits = np.tile([0.0, GRID[-1]], (len(flux), 1))
    return SpectralLibrary(tuple(flux), GRID, values, (_OWN,) * len(flux), limits)


def _on_grid(name: str, spectrum: Spectrum) -> Floats:
    """Mean of f_nu in ln(lambda) over the cell around each point of the grid."""
    edges = GRID[0] * np.exp(STEP * (np.arange(len(GRID) + 1) - 0.5))
    fine = GRID[0] * np.exp(STEP * (np.arange(len(GRID) * _FINE + 1) / _FINE - 0.5))
    first, last = spectrum.wavelength[[0, -1]]
    wave = np.union1d(np.union1d(fine, edges), spectrum.wavelength)
    # A sample just beyond either end keeps the spectrum's last value from leaking out.
    wave = np.union1d(wave, [np.nextafter(first, 0), np.nextafter(last, np.inf)])
    flux = spectrum(wave)
    parts = 0.5 * (flux[1:] + flux[:-1]) * np.diff(np.log(wave))
    total = np.interp(edges, wave, np.append(0.0, np.cumsum(parts)))
    mean = np.diff(total) / STEP
    if not mean.any():
        raise InputError(f"the spectrum {name!r} has no light from 0.05 to 5 micrometre")
    return np.asarray(np.maximum(mean, 0.0))
