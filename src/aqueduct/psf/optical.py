"""ePSFs from the optical model of the telescope.

    ePSF = <P_lambda>_filter * G(jitter) * G(charge diffusion) * pixel

P_lambda is the diffraction pattern of the pupil with the Zernike aberrations of one
detector position (galsim.roman, Cycle 9), averaged over wavelengths weighted by effective
area, that is for light of constant photon rate per wavelength. x and y are those of the
science frame; the pixel is a square of 0.11 arcsec, distortion of the PSF itself is not
applied. Inter-pixel capacitance is added on demand.

Jitter is one number, the RMS (sigma) along each axis of a round Gaussian. Its default, 8
mas, is the calibration pipeline's reading of the mission's number; the technical
information calls the same 8 mas a full width at half maximum. Charge diffusion is a
Gaussian of 0.1 pixel RMS (galsim.roman).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift

from aqueduct.core.errors import ConfigError
from aqueduct.instrument.detectors import PIXEL_SCALE, sca
from aqueduct.instrument.filters import effective_area
from aqueduct.instrument.noise import IPC
from aqueduct.psf.epsf import Epsf, normalised

JITTER: Final = 8.0
"""RMS, mas."""
DIFFUSION: Final = 0.1
"""RMS, pixel."""
GRID: Final = (0.0, 2043.5, 4087.0)
"""Science pixels of the default 3 x 3 positions, in x and in y."""

_GALSIM_NAME: Final = {
    "F062": "R062",
    "F087": "Z087",
    "F106": "Y106",
    "F129": "J129",
    "F146": "W146",
    "F158": "H158",
    "F184": "F184",
    "F213": "K213",
}
_PUPIL_BIN: Final = 4
_FOLDING: Final = 2e-3
"""Largest share of the light that may fold back from beyond the calculated field."""
_DEFOCUS: Final = 4
"""Noll index of the Zernike term of focus."""


def optical_epsf(
    detector: str,
    element: str,
    *,
    oversample: int = 4,
    size: int = 361,
    grid: tuple[float, ...] = GRID,
    jitter: float = JITTER,
    diffusion: float = DIFFUSION,
    defocus: float = 0.0,
    wavelengths: int = 3,
    ipc: bool = False,
) -> Epsf:
    """Make the ePSFs of one detector and filter on a square grid of positions.

    Parameters
    ----------
    detector, element : str
        Such as ``WFI01`` and ``F158``.
    oversample : int
        Samples per pixel.
    size : int
        Samples on a side of a stamp, odd. Light outside is cut off and the rest scaled to
        the full flux.
    grid : tuple of float
        Science pixels of the positions, the same in x and y.
    jitter : float
        RMS, mas.
    diffusion : float
        RMS, pixel.
    defocus : float
        Added to the focus Zernike, waves at the filter's mean wavelength.
    wavelengths : int
        Wavelengths averaged over the filter.
    ipc : bool
        Convolve with inter-pixel capacitance.

    Returns
    -------
    Epsf

    Raises
    ------
    ConfigError
        If ``size`` is even.
    """
    if size % 2 == 0:
        raise ConfigError(f"a stamp of {size} samples has no middle", hint="make the size odd")
    blur = _blur(jitter, diffusion)
    waves = _wavelengths(detector, element, wavelengths)
    y, x = (axis.ravel() for axis in np.meshgrid(grid, grid, indexing="ij"))
    stamps = np.zeros((len(x), size, size))
    for k, place in enumerate(zip(x, y, strict=True)):
        for wave in waves:
            stamps[k] += _draw(detector, element, place, wave, blur, oversample, size, defocus)
    if ipc:
        stamps = np.stack([_with_ipc(stamp, oversample) for stamp in stamps])
    return Epsf(normalised(stamps, oversample), oversample, x, y)


def _blur(jitter: float, diffusion: float) -> list[Any]:
    import galsim

    widths = (jitter / 1000, diffusion * PIXEL_SCALE)
    return [galsim.Gaussian(sigma=width) for width in widths if width > 0] + [
        galsim.Pixel(PIXEL_SCALE)
    ]


def _wavelengths(detector: str, element: str, count: int) -> NDArray[np.float64]:
    """Wavelengths in nm, each in the middle of an equal share of the filter's throughput."""
    wave, area = effective_area(detector, element)
    share = np.cumsum(area) / area.sum()
    return np.asarray(np.interp((np.arange(count) + 0.5) / count, share, wave) * 1000)


def _draw(
    detector: str,
    element: str,
    place: tuple[float, float],
    wavelength: float,
    blur: list[Any],
    oversample: int,
    size: int,
    defocus: float,
) -> NDArray[np.float64]:
    """One stamp at one wavelength, of unit total flux."""
    import galsim
    from galsim import roman

    extra = np.zeros(_DEFOCUS + 1)
    extra[_DEFOCUS] = defocus
    optics = roman.getPSF(
        sca(detector),
        _GALSIM_NAME[element],
        SCA_pos=galsim.PositionD(*place),
        pupil_bin=_PUPIL_BIN,
        wavelength=wavelength,
        extra_aberrations=extra,
        gsparams=galsim.GSParams(folding_threshold=_FOLDING),
    )
    image = galsim.Convolve([optics, *blur]).drawImage(
        nx=size, ny=size, scale=PIXEL_SCALE / oversample, method="no_pixel"
    )
    return np.asarray(image.array, np.float64)


def _with_ipc(stamp: NDArray[np.float64], oversample: int) -> NDArray[np.float64]:
    total = np.zeros_like(stamp)
    for (row, column), share in np.ndenumerate(IPC):
        step = ((row - 1) * oversample, (column - 1) * oversample)
        total += share * shift(stamp, step, order=0)
    return total
