"""Spectra of many sources and their rates in a band, in one pass over all of them.

    f(lambda) = s F(lambda / (1+z)) D(lambda) T(lambda, z)

F is a template of a library, s a factor, D the dust in the source and in the Milky Way, T
the hydrogen between the galaxies. The integral: :mod:`aqueduct.simulate.spectra.bandpass`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import threads
from aqueduct.core.errors import InputError
from aqueduct.instrument.spectrum import Spectrum, electron_rate
from aqueduct.simulate.spectra import igm
from aqueduct.simulate.spectra.bandpass import Band, at_rest, bandpass, summed
from aqueduct.simulate.spectra.dust import calzetti, milky_way
from aqueduct.simulate.spectra.grid import GRID, STEP
from aqueduct.simulate.spectra.library import SpectralLibrary

Floats = NDArray[np.float64]
Integers = NDArray[np.int32]

_PARCEL: Final = 256
"""Sources per piece of work."""
_DARK: Final = 1e-9
"""A mean in the band, in units of a template's peak, below which there is no light."""
_EVERYWHERE: Final = (0.0, np.inf)
_COLUMNS: Final = {
    "template": np.int32,
    "redshift": np.float64,
    "ebv": np.float64,
    "scale": np.float64,
    "galactic_ebv": np.float64,
}


@dataclass(frozen=True, eq=False)
class SourceSpectra:
    """One spectrum per source, as template, redshift, dust and brightness.

    Attributes
    ----------
    library : SpectralLibrary
    template : ndarray of int32, (n,)
        Row of the library.
    redshift : ndarray of float64, (n,)
        Above 0 the mean hydrogen between the galaxies absorbs.
    ebv : ndarray of float64, (n,)
        E(B-V) of the dust in the source, of Calzetti's law.
    scale : ndarray of float64, (n,)
        Factor on the template's f_nu.
    galactic_ebv : ndarray of float64, (n,)
        E(B-V) of the dust in the Milky Way; none unless given.

    Raises
    ------
    InputError
        If the columns differ in length, or hold what is not physical.
    """

    library: SpectralLibrary
    template: Integers
    redshift: Floats
    ebv: Floats
    scale: Floats
    galactic_ebv: Floats = field(default_factory=lambda: np.empty(0))

    def __post_init__(self) -> None:
        if len(self.galactic_ebv) == 0:
            object.__setattr__(self, "galactic_ebv", np.zeros(len(self.template)))
        for name, kind in _COLUMNS.items():
            column = np.array(getattr(self, name), kind)
            column.flags.writeable = False
            object.__setattr__(self, name, column)
        _check(self)

    def __len__(self) -> int:
        return len(self.template)

    def take(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> SourceSpectra:
        """The sources at these places, or where a mask is true."""
        columns = {name: getattr(self, name)[index] for name in _COLUMNS}
        return SourceSpectra(self.library, **columns)

    def spectrum(self, k: int, limits: tuple[float, float] = _EVERYWHERE) -> Spectrum:
        """The spectrum of one source as it is observed above the atmosphere.

        Parameters
        ----------
        k : int
        limits : (float, float)
            Observed wavelengths, micrometre, between which it is wanted; it begins and ends
            a sample beyond them at most. The whole spectrum unless given.
        """
        z, row = float(self.redshift[k]), int(self.template[k])
        first, last = self.library.coverage[row]
        blue, red = np.array(limits) / (1 + z)
        start = max(np.searchsorted(GRID, first), np.searchsorted(GRID, blue, "right") - 1)
        stop = min(np.searchsorted(GRID, last, "right"), np.searchsorted(GRID, red) + 1)
        rest = GRID[start:stop]
        wave = rest * (1 + z)
        dust = self.ebv[k] * calzetti(rest) + self.galactic_ebv[k] * milky_way(wave)
        flux = self.library.flux[row, start:stop] * 10 ** (-0.4 * dust)
        flux = self.scale[k] * flux * igm.transmission(wave, z)
        if first < GRID[0] and start == 0:
            # Known to be dark there, which is more than nothing known.
            wave = np.append([1e-3, np.nextafter(wave[0], 0.0)], wave)
            flux = np.append([0.0, 0.0], flux)
        return Spectrum(wave, flux)

    def rates(self, detector: str, element: str) -> Floats:
        """Electrons per second of each source, (n,).

        Raises
        ------
        InputError
            If a template leaves out more than 1 % of the band at its redshift.
        """
        band = bandpass(detector, element)
        self._covered(band, element)
        terms = np.stack(igm.source_terms(np.maximum(self.redshift, 0.0)), axis=-1)
        shift = (band.start - np.log(GRID[0]) - np.log1p(self.redshift)) / STEP

        def part(limits: tuple[int, int]) -> Floats:
            few = slice(*limits)
            return summed(
                self.library.flux,
                self.template[few],
                shift[few],
                self.ebv[few],
                self.galactic_ebv[few],
                terms[few],
                at_rest(),
                band.tables,
            )

        parts = threads.over(part, threads.bands(len(self), _PARCEL))
        return np.asarray(self.scale * np.concatenate([np.empty(0), *parts]))

    def normalised(
        self, element: str, flux: Floats | float, detector: str = "WFI01"
    ) -> SourceSpectra:
        """Scaled to an AB flux in nJy in an element of a detector.

        Raises
        ------
        InputError
            If a source gives no light there.
        """
        flat = electron_rate(Spectrum.flat(), detector, element)
        rate = self.rates(detector, element)
        brightest = self.scale * self.library.flux.max(axis=1)[self.template] * flat
        if (rate <= _DARK * brightest).any():
            dark = int(np.argmax(rate <= _DARK * brightest))
            raise InputError(
                f"source {dark} (template {self.library.names[self.template[dark]]!r}, "
                f"redshift {self.redshift[dark]:.3g}) has no light in {element}",
                hint="normalise it in a redder element",
            )
        return replace(self, scale=self.scale * np.asarray(flux) * flat / rate)

    def _covered(self, band: Band, element: str) -> None:
        limits = self.library.coverage[self.template] * (1 + self.redshift[:, None])
        bad = (limits[:, 0] > band.blue) | (limits[:, 1] < band.red)
        if bad.any():
            name = self.library.names[self.template[np.argmax(bad)]]
            raise InputError(
                f"{bad.sum()} sources have templates that do not cover {element}, first {name!r}",
                hint="extend the template, with zeros if there is no light",
            )


def _check(spectra: SourceSpectra) -> None:
    """Refuse columns that do not belong together, or are not physical."""
    number = len(spectra.template)
    floors = dict.fromkeys(_COLUMNS, 0.0) | {"redshift": -0.5}
    for name, floor in floors.items():
        column = getattr(spectra, name)
        if column.shape != (number,):
            raise InputError(f"{column.shape} values for {number} spectra", where=name)
        if not (np.isfinite(column) & (column >= floor)).all():
            raise InputError(f"a value is not finite or below {floor}", where=name)
    if (spectra.template >= len(spectra.library)).any():
        raise InputError(f"templates must be 0 to {len(spectra.library) - 1}", where="template")
