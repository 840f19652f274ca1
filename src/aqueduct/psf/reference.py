"""``epsf`` reference files of the optical model, in the official layout.

    psf[defocus, spectral type, position, y, x],   sum over (y, x) = oversample^2

The optics, jitter, charge diffusion, the pixel and the inter-pixel capacitance are all in
it, so who fits or renders Level 2 images with it adds nothing. A step of defocus is one
wave peak to valley at 2 micrometre over the pupil: the schema (RAD) names the unit "waves"
and leaves the rest open; this is the convention of the mission's optical model (STPSF).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import ConfigError
from aqueduct.products.references import EpsfReference
from aqueduct.psf.blur import Jitter
from aqueduct.psf.light import Light
from aqueduct.psf.optical import GRID, JITTER, OpticalModel
from aqueduct.psf.pupil import REFERENCE_WAVELENGTH

SPECTRAL_TYPES: Final = ("A0V", "G2V", "M5V")
DEFOCUS: Final = (0, 1, 2)
WAVE: Final = 2.0 / REFERENCE_WAVELENGTH / (2 * np.sqrt(3))
"""One wave peak to valley at 2 micrometre, in waves RMS at 1.293 (Z4 spans 2 sqrt 3 RMS)."""
_MIDDLE: Final = 2043.5


def epsf_reference(
    detector: str,
    element: str,
    *,
    jitter: float | Jitter = JITTER,
    defocus: tuple[int, ...] = DEFOCUS,
    spectral_types: tuple[str, ...] = SPECTRAL_TYPES,
    grid: tuple[float, ...] = GRID,
    oversample: int = 4,
    size: int = 361,
) -> EpsfReference:
    """Make the ``epsf`` reference of one detector and filter.

    Parameters
    ----------
    detector, element : str
    jitter : float or Jitter
        RMS, mas; round, for the reference holds one number.
    defocus : tuple of int
        Waves, peak to valley at 2 micrometre; 0 first.
    spectral_types : tuple of str
    grid : tuple of float
        Science pixels of the positions, the same in x and y.
    oversample, size : int
        Samples per pixel, and on a side of a stamp (odd).

    Raises
    ------
    ConfigError
        If the jitter is not round or a parameter of the model is not possible.
    """
    motion = Jitter.of(jitter)
    if motion.major != motion.minor:
        raise ConfigError("an epsf reference holds round jitter", hint="give one width")

    def stamps(waves: int, light: Light) -> NDArray[np.float32]:
        model = OpticalModel(
            detector, element, motion, defocus=waves * WAVE, spectrum=light, ipc=True
        )
        return np.asarray(model.epsf(oversample=oversample, size=size, grid=grid).psf)

    y, x = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
    return EpsfReference(
        psf=np.stack(
            [np.stack([stamps(waves, kind) for kind in spectral_types]) for waves in defocus]
        ),
        oversample=oversample,
        pixel_x=x,
        pixel_y=y,
        spectral_type=spectral_types,
        jitter=motion.major,
    )


def extended_psf(
    detector: str, element: str, *, oversample: int = 4, size: int = 3641
) -> NDArray[np.float32]:
    """The wings: one stamp, by default of 100 arcsec, in focus, at one wavelength.

    Returns
    -------
    ndarray of float32, (size, size)
        Sums to ``oversample**2`` times the share of the light that falls on it.
    """
    model = OpticalModel(detector, element, wavelengths=1, ipc=True)
    place = np.array([_MIDDLE])
    return np.asarray(model.stamps(place, place, oversample=oversample, size=size)[0], np.float32)
