"""One way to ask any PSF model for an image of a star.

    image[r, c] = p^2 P(M (c - c0, r - r0)),   M = p [[cos a, sin a], [-sin a, cos a]]

P is the (effective) PSF per pixel of the detector, p the side of an image pixel in those, a
the angle from +y of the science frame towards +x to +y of the image, and (c0, r0) the star.
With p = 1 and the pixel in the PSF these are what the detector's pixels receive; else they
are point samples of the PSF times the area of an image pixel, and :attr:`PsfImage.contents`
says whether the detector's pixel is within it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import ConfigError
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.psf.blur import Contents, Jitter
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.light import Light
from aqueduct.psf.sampling import resampled


class PsfModel(Protocol):
    """What a model of the PSF can do: :class:`Epsf` and ``OpticalModel`` are two."""

    def local(
        self,
        x: float,
        y: float,
        *,
        spectrum: Light | None = None,
        jitter: float | Jitter | None = None,
        radius: float = ...,
    ) -> Epsf:
        """The PSF at one place, to ``radius`` pixels at least where the model reaches there."""
        ...


@dataclass(frozen=True, eq=False)
class PsfImage:
    """Image of a star of unit flux.

    Attributes
    ----------
    values : ndarray of float64, (row, column)
        Share of the light in each pixel.
    scale : float
        Side of a pixel, arcsec.
    x, y : float
        The star, 0-based pixel of ``values``.
    contents : tuple of str
        What is in it, in the words of :mod:`aqueduct.psf.blur`.
    """

    values: NDArray[np.float64]
    scale: float
    x: float
    y: float
    contents: Contents


def image(
    model: PsfModel,
    x: float,
    y: float,
    *,
    size: int = 45,
    scale: float = PIXEL_SCALE,
    rotation: float = 0.0,
    centre: tuple[float, float] = (0.0, 0.0),
    spectrum: Light | None = None,
    jitter: float | Jitter | None = None,
) -> PsfImage:
    """Image of a star at a science pixel.

    Parameters
    ----------
    model : PsfModel
    x, y : float
        Where on the detector, 0-based science pixel.
    size : int
        Pixels on a side of the image.
    scale : float
        Side of an image pixel, arcsec.
    rotation : float
        Degrees from +y of the science frame towards +x to +y of the image.
    centre : tuple of float
        Where the star falls, (x, y) pixels from the middle of pixel ``size // 2``.
    spectrum : Spectrum, str or float, optional
        Of the star, a spectral type, or a wavelength in micrometre.
    jitter : float or Jitter, optional
        In place of the model's own, RMS in mas.

    Raises
    ------
    ConfigError
        If the image is larger than the PSF is known, or the model can't be had with this
        spectrum or jitter.
    """
    if not (size > 0 and scale > 0):
        raise ConfigError(f"no image of {size} pixels of {scale} arcsec")
    pixels, turn = scale / PIXEL_SCALE, np.radians(rotation)
    half = pixels * size / 2
    local = model.local(x, y, spectrum=spectrum, jitter=jitter, radius=half * 2**0.5 + 2)
    if half > local.radius + 1:
        raise ConfigError(
            f"an image of {2 * half:.0f} detector pixels of a PSF known to {local.radius} from "
            "the star",
            hint="ask for a smaller image",
        )
    matrix = pixels * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    at = size // 2 + float(centre[0]), size // 2 + float(centre[1])
    values = np.zeros((size, size))
    resampled(local.psf[0].astype(np.float64), local.oversample, matrix, *at, values)
    return PsfImage(values * pixels**2, scale, *at, local.contents)
