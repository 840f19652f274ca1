"""Synthetic photometry: from a spectrum to electrons per second.

    rate [electron/s] = integral f_nu(lambda) A(lambda) / (h lambda) dlambda

f_nu is the flux density per unit frequency and A the effective area of the telescope,
the optical element and the detector, in which the quantum efficiency is contained. Both
are linear between their samples; on the union of their wavelengths the integrand is a
quadratic over lambda, for which Simpson's rule errs by less than 1e-12 (the areas are
sampled every nanometre). Method: Bessell & Murphy 2012, PASP 124, 140, appendix A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from aqueduct.core.errors import InputError
from aqueduct.instrument.filters import effective_area

Floats = NDArray[np.float64]

PHOTON: Final = 1e-35 / constants.h
"""1 nJy / h: photons per second, m^2 and unit of ln(lambda)."""
HC: Final = constants.h * constants.c * 1e13
"""h c in erg micrometre."""
_NJY_PER_FLAM: Final = 1e32 * 1e-8 / (constants.c * 1e2)
"""f_nu [nJy] = this * (lambda [Angstrom])^2 * f_lambda [erg/s/cm^2/Angstrom]."""
_STEP: Final = 0.003
"""Largest step in ln(lambda) of a spectrum linear in f_lambda: f_nu errs by 2e-6."""
_UNCOVERED: Final = 0.01
"""Share of a band that a spectrum may leave out, as synphot allows."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Flux density of a source, linear between its samples and zero beyond them.

    Attributes
    ----------
    wavelength : ndarray of float64, (n,)
        Micrometre in vacuum, ascending.
    flux : ndarray of float64, (n,)
        f_nu in nJy.

    Raises
    ------
    InputError
        If the wavelengths do not ascend or are not positive, if a flux is negative or
        not finite, or if there are fewer than two samples.
    """

    wavelength: Floats
    flux: Floats

    def __post_init__(self) -> None:
        for name in ("wavelength", "flux"):
            # Its own copy: a frozen spectrum must not change with the caller's array.
            values = np.array(getattr(self, name), np.float64)
            values.flags.writeable = False
            object.__setattr__(self, name, values)
        _check(self.wavelength, self.flux)

    @classmethod
    def flat(cls, njy: float = 1.0) -> Spectrum:
        """The same f_nu from 0.01 to 100 micrometre."""
        return cls(np.array([0.01, 100.0]), np.array([njy, njy]))

    @classmethod
    def from_flam(cls, wavelength: Floats, flux: Floats) -> Spectrum:
        """From micrometre and f_lambda in erg/s/cm^2/Angstrom, linear between the samples."""
        wave, flam = np.asarray(wavelength, np.float64), np.asarray(flux, np.float64)
        _check(wave, flam)
        fine = _refined(wave)
        return cls(fine, _NJY_PER_FLAM * (fine * 1e4) ** 2 * np.interp(fine, wave, flam))

    @classmethod
    def from_synphot(cls, source: Any) -> Spectrum:
        """From a ``synphot.SourceSpectrum``, sampled on its own wavelengths.

        Between them f_lambda is linear here, the photons per wavelength in synphot.

        Raises
        ------
        InputError
            If it gives no wavelengths of its own, as an analytic flat spectrum.
        """
        if source.waveset is None:
            raise InputError(
                "the synphot spectrum has no wavelengths of its own",
                hint="sample it: SourceSpectrum(Empirical1D, points=wave, lookup_table=flux)",
            )
        wave = np.sort(source.waveset.to_value("micron"))
        photlam = source(wave * 1e4).value
        # f_lambda = h c / lambda times the photons per s, cm^2 and Angstrom.
        flam = photlam * HC / wave
        return cls.from_flam(wave, flam)

    def redshifted(self, z: float) -> Spectrum:
        """Wavelengths stretched by 1 + z, f_nu as it was: normalise it afterwards."""
        if not (np.isfinite(z) and z > -1):
            raise InputError(f"a redshift above -1 is needed, not {z}")
        return Spectrum(self.wavelength * (1 + z), self.flux)

    def scaled(self, factor: float) -> Spectrum:
        """f_nu times ``factor``."""
        return Spectrum(self.wavelength, self.flux * factor)

    def __call__(self, wavelength: Floats) -> Floats:
        """f_nu in nJy at wavelengths in micrometre: zero beyond the samples."""
        return np.interp(wavelength, self.wavelength, self.flux, left=0.0, right=0.0)


def electron_rate(spectrum: Spectrum, detector: str, element: str) -> float:
    """Electrons per second of a source in a detector, over the whole of its PSF.

    Parameters
    ----------
    spectrum : Spectrum
    detector : str
        As ``WFI01``.
    element : str
        A filter, or ``GRISM`` (first order), ``GRISM0`` (zeroth order), ``PRISM``.

    Raises
    ------
    InputError
        If the spectrum leaves out more than 1 % of the band.
    """
    return float(_integrals(*_product(spectrum, detector, element)).sum())


def ab_flux(spectrum: Spectrum, detector: str, element: str) -> float:
    """The AB flux in a band: nJy of the source flat in f_nu that gives the same rate."""
    flat = electron_rate(Spectrum.flat(), detector, element)
    return electron_rate(spectrum, detector, element) / flat


def planck(wavelength: Floats | float, temperature: Floats | float) -> Floats:
    """Black body in f_nu, one at 1 micrometre; wavelengths in micrometre, kelvin."""
    second = constants.value("second radiation constant") * 1e6 / temperature
    # Beyond 700 the exponential overflows; nothing shines there.
    body = np.expm1(second) / np.expm1(np.minimum(second / wavelength, 700.0))
    return np.asarray(body / wavelength**3, np.float64)


def _product(spectrum: Spectrum, detector: str, element: str) -> tuple[Floats, Floats, Floats]:
    """Wavelength, f_nu and effective area on the union of both samplings in the band."""
    wave, area = effective_area(detector, element)
    first, last = spectrum.wavelength[[0, -1]]
    inside = (spectrum.wavelength > wave[0]) & (spectrum.wavelength < wave[-1])
    union = np.union1d(wave, spectrum.wavelength[inside])
    union = union[(union >= first) & (union <= last)]
    areas = np.interp(union, wave, area)
    whole = _integrals(wave, np.ones_like(wave), area).sum()
    if _integrals(union, np.ones_like(union), areas).sum() < (1 - _UNCOVERED) * whole:
        raise InputError(
            f"the spectrum covers {first:.4g} to {last:.4g} micrometre, "
            f"{element} needs {wave[0]:.4g} to {wave[-1]:.4g}",
            hint="extend the spectrum, with zeros if there is no light",
        )
    return union, spectrum(union), areas


def _integrals(wave: Floats, flux: Floats, area: Floats) -> Floats:
    """Integral of flux * area / (h lambda) over each interval, by Simpson's rule."""
    ends = flux * area / wave
    middle = (flux[1:] + flux[:-1]) * (area[1:] + area[:-1]) / (2 * (wave[1:] + wave[:-1]))
    photons = PHOTON * np.diff(wave) / 6 * (ends[1:] + ends[:-1] + 4 * middle)
    return np.asarray(photons, np.float64)


def _refined(wave: Floats) -> Floats:
    """``wave`` with further samples, so that no step in ln(lambda) exceeds ``_STEP``."""
    parts = np.ceil(np.diff(np.log(wave)) / _STEP).astype(np.int64)
    first = np.repeat(np.cumsum(parts) - parts, parts)
    share = (np.arange(parts.sum()) - first) / np.repeat(parts, parts)
    fine = np.repeat(wave[:-1], parts) * np.repeat(wave[1:] / wave[:-1], parts) ** share
    return np.append(fine, wave[-1])


def _check(wave: Floats, flux: Floats) -> None:
    """Refuse samples that are no spectrum."""
    if wave.ndim != 1 or wave.shape != flux.shape or len(wave) < 2:
        raise InputError(
            f"a spectrum needs two or more samples in each column, not {wave.shape}, {flux.shape}"
        )
    if not (np.isfinite(wave).all() and wave[0] > 0 and (np.diff(wave) > 0).all()):
        raise InputError("the wavelengths of a spectrum must be positive and ascend strictly")
    if not (np.isfinite(flux).all() and (flux >= 0).all()):
        worst = int(np.argmax(~np.isfinite(flux) | (flux < 0)))
        raise InputError(
            f"the flux of a spectrum must be finite and not negative; at "
            f"{wave[worst]:.6g} micrometre it is {flux[worst]}"
        )
