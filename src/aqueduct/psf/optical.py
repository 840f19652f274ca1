"""ePSFs from the optical model of the telescope.

    ePSF = <|FT(pupil exp(2 pi i W / lambda))|^2>_photons * G(jitter) * G(diffusion) * pixel

for all 18 detectors and 8 filters, at any position, for any spectrum. The wavefront W is
that of :mod:`aqueduct.psf.pupil`, the average over wavelengths that of the photons detected
(f_nu A(lambda) / lambda) by :mod:`aqueduct.psf.diffraction`, and the factors after it those
of :mod:`aqueduct.psf.blur`, each applied once. x and y are those of the science frame; the
pixel is a square of 0.11 arcsec, distortion of the PSF itself is not applied.

Jitter is stated as RMS (sigma) along the axes of a Gaussian, mas. Its default, 8 mas, is the
calibration pipeline's reading of the mission's number; the technical information calls the
same 8 mas a full width at half maximum (:meth:`aqueduct.psf.blur.Jitter.from_fwhm`). Charge
diffusion is a Gaussian of 0.1 pixel RMS (galsim.roman).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import ConfigError
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.psf import blur
from aqueduct.psf.blur import Jitter
from aqueduct.psf.diffraction import ARCSEC, intensity
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.psf.light import Light, photon_nodes
from aqueduct.psf.pupil import DEFOCUS, DIAMETER, SPACING, aberrations, pupil, wavefront

Floats = NDArray[np.float64]

JITTER: Final = 8.0
"""RMS, mas."""
DIFFUSION: Final = 0.1
"""RMS, pixel."""
GRID: Final = (0.0, 2043.5, 4087.0)
"""Science pixels of the default 3 x 3 positions, in x and in y."""
_MARGIN: Final = 3
"""Pixels beyond the stamp from which light is spread into it."""
_SAMPLING: Final = 0.48
"""Spacing of the samples calculated, in lambda / D of the shortest wave."""
_FIELD: Final = 1.5
"""Least field that the cells of the pupil resolve, in units of the field calculated."""


@dataclass(frozen=True)
class OpticalModel:
    """The optical PSF of one detector and filter.

    Attributes
    ----------
    detector, element : str
        Such as ``WFI01`` and ``F158``.
    jitter : float or Jitter
        RMS, mas.
    diffusion : float
        Charge diffusion, RMS, pixel.
    defocus : float
        Added to the focus Zernike, waves RMS at 1.293 micrometre.
    zernikes : mapping, optional
        Noll number (4 to 22) to what is added, waves RMS at 1.293 micrometre.
    spectrum : Spectrum, str or float, optional
        Of the source, a spectral type such as ``G2V``, or one wavelength in micrometre;
        flat in f_nu if not given.
    wavelengths : int
        Nodes of the Gauss rule over the photons. With 7 the largest error is 2e-4 of the
        peak in F146 and below 1e-4 elsewhere.
    pixel, ipc : bool
        Convolve with the pixel, and with inter-pixel capacitance.
    """

    detector: str
    element: str
    jitter: float | Jitter = JITTER
    diffusion: float = DIFFUSION
    defocus: float = 0.0
    zernikes: Mapping[int, float] | None = None
    spectrum: Light | None = None
    wavelengths: int = 7
    pixel: bool = True
    ipc: bool = False

    @property
    def contents(self) -> blur.Contents:
        """What is in its PSFs."""
        named = {
            blur.OPTICS: True,
            blur.JITTER: Jitter.of(self.jitter).major > 0,
            blur.DIFFUSION: self.diffusion > 0,
            blur.PIXEL: self.pixel,
            blur.CAPACITANCE: self.ipc,
        }
        return tuple(name for name, present in named.items() if present)

    def stamps(self, x: Floats, y: Floats, *, oversample: int, size: int) -> Floats:
        """PSFs at positions.

        Parameters
        ----------
        x, y : ndarray, (n,)
            Science pixels.
        oversample : int
            Samples per pixel.
        size : int
            Samples on a side, odd.

        Returns
        -------
        ndarray, (n, size, size)
            The star on the middle sample; the sum is ``oversample**2`` times the share of
            all the light that falls on the stamp.

        Raises
        ------
        ConfigError
            If ``size`` is even, or a parameter of the model is not possible.
        """
        if size % 2 == 0:
            raise ConfigError(f"a stamp of {size} samples has no middle", hint="make the size odd")
        nodes, shares = photon_nodes(self.detector, self.element, self.spectrum, self.wavelengths)
        # Light through the pupil has no detail finer than lambda / D: two samples hold it.
        step = _SAMPLING * nodes[0] * 1e-6 / DIAMETER / ARCSEC
        field = PIXEL_SCALE * (size / oversample + 2 * _MARGIN)
        count = 2 * int(np.ceil(field / step / 2)) + 1
        light = pupil(self.detector, self.element, _binning(nodes[0], count * step))
        covariance = Jitter.of(self.jitter).covariance + blur.round_covariance(self.diffusion)
        dense = PIXEL_SCALE / step
        factor = blur.transfer((count, count), dense, covariance, self.contents)

        def one(place: tuple[float, float]) -> Floats:
            terms = aberrations(self.detector, *place, self._extra())
            sharp = intensity(light, wavefront(light.axis, terms), nodes, shares, step, count)
            return blur.interpolated(sharp, factor, dense / oversample, size)

        # One by one: the matrix products within spread over the cores by themselves.
        places = zip(np.ravel(x).tolist(), np.ravel(y).tolist(), strict=True)
        return np.asarray(np.stack([one(place) for place in places]) * dense**2)

    def _extra(self) -> dict[int, float]:
        """What is added to the Zernike coefficients."""
        extra = dict(self.zernikes or {})
        extra[DEFOCUS] = extra.get(DEFOCUS, 0.0) + self.defocus
        return extra

    def epsf(
        self,
        *,
        oversample: int = 4,
        size: int = 361,
        grid: tuple[float, ...] = GRID,
        whole: bool = True,
    ) -> Epsf:
        """Make ePSFs on a square grid of positions.

        Parameters
        ----------
        oversample, size : int
            Samples per pixel, and on a side of a stamp (odd).
        grid : tuple of float
            Science pixels of the positions, the same in x and y.
        whole : bool
            Scale each stamp to the full flux; else the light that falls outside is missing.
        """
        y, x = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
        stamps = self.stamps(x, y, oversample=oversample, size=size)
        return self._made(stamps, oversample, x, y, whole)

    def local(
        self,
        x: float,
        y: float,
        *,
        spectrum: Light | None = None,
        jitter: float | Jitter | None = None,
        radius: float = 45.0,
    ) -> Epsf:
        """The PSF of one place, on its own: what all models of the PSF give.

        Parameters
        ----------
        x, y : float
            Science pixel.
        spectrum, jitter : optional
            In place of the model's own.
        radius : float
            Half side of the stamp, pixels.

        Returns
        -------
        Epsf
            With 8 samples per pixel, 16 if the pixel is not in it; light that falls outside
            the stamp is missing.
        """
        model = replace(
            self,
            spectrum=self.spectrum if spectrum is None else spectrum,
            jitter=self.jitter if jitter is None else jitter,
        )
        oversample = 8 if self.pixel else 16
        place, size = (np.array([x]), np.array([y])), 2 * int(np.ceil(radius * oversample)) + 1
        stamps = model.stamps(*place, oversample=oversample, size=size)
        return model._made(stamps, oversample, *place, False)

    def _made(self, stamps: Floats, oversample: int, x: Floats, y: Floats, whole: bool) -> Epsf:
        kept = normalised(stamps, oversample) if whole else stamps.astype(np.float32)
        return Epsf(kept, oversample, x, y, self.contents, Jitter.of(self.jitter))


def optical_epsf(
    detector: str,
    element: str,
    *,
    oversample: int = 4,
    size: int = 361,
    grid: tuple[float, ...] = GRID,
    whole: bool = True,
    jitter: float | Jitter = JITTER,
    diffusion: float = DIFFUSION,
    defocus: float = 0.0,
    zernikes: Mapping[int, float] | None = None,
    spectrum: Light | None = None,
    wavelengths: int = 7,
    ipc: bool = False,
) -> Epsf:
    """Make the ePSFs of one detector and filter on a square grid of positions.

    Those for the simulation of Levels 1 and 2 have no capacitance (``ipc=False``): the
    detector applies it to the charge. Those of reference files, of simulated Level 3 and of
    injection have it.

    Parameters
    ----------
    oversample, size, grid, whole
        As for :meth:`OpticalModel.epsf`.
    detector, element, jitter, diffusion, defocus, zernikes, spectrum, wavelengths, ipc
        As for :class:`OpticalModel`.

    Returns
    -------
    Epsf

    Raises
    ------
    ConfigError
        If ``size`` is even, or a parameter of the model is not possible.
    """
    model = OpticalModel(
        detector, element, jitter, diffusion, defocus, zernikes, spectrum, wavelengths, ipc=ipc
    )
    return model.epsf(oversample=oversample, size=size, grid=grid, whole=whole)


def _binning(wavelength: float, field: float) -> int:
    """Coarsest binning of the pupil whose replicas stay clear of a field (arcsec)."""
    for binning in (8, 4, 2):
        if wavelength * 1e-6 / (SPACING * binning) / ARCSEC >= _FIELD * field:
            return binning
    return 1
