"""ePSF and aperture corrections: the optical model with errors of jitter and aberrations.

A reference ePSF holds the pixel, charge diffusion and inter-pixel capacitance. Aperture
corrections follow from it: the share of the light within a circle about the star.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.products.references import ApcorrReference, EpsfReference
from aqueduct.products.window import SCIENCE
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.optical import optical_epsf
from aqueduct.psf.pupil import DEFOCUS
from aqueduct.simulate.references.config import ReferenceConfig

_ABERRATIONS: Final = tuple(range(5, 12))
"""Noll numbers of astigmatism to spherical aberration."""
_WAVELENGTHS: Final = 4
"""Wrong by at most 4e-4 of the peak in F146 and 7e-5 in the others."""
SPECTRAL_TYPES: Final = ("A0V", "G2V", "M5V")
_APERTURES: Final = np.arange(0.05, 0.99, 0.01)
"""Shares of the light for which aperture radii are tabulated."""


def epsf_reference(
    detector: str,
    element: str,
    jitter: float,
    config: ReferenceConfig,
    rng: np.random.Generator,
) -> EpsfReference:
    """The ePSF of a filter, in focus, for spectral types from hot to cool.

    Parameters
    ----------
    detector, element : str
    jitter : float
        The true jitter, RMS mas.
    config : ReferenceConfig
    rng : numpy.random.Generator
        In the same state for all filters of a detector: its optics are the same.
    """
    jitter = max(jitter + config.jitter * rng.standard_normal(), 0.0)
    sizes = dict.fromkeys(_ABERRATIONS, config.aberrations) | {DEFOCUS: config.defocus}
    errors = {term: size * rng.standard_normal() for term, size in sizes.items()}
    models = [
        optical_epsf(
            detector,
            element,
            jitter=jitter,
            zernikes=errors,
            spectrum=kind,
            wavelengths=_WAVELENGTHS,
            ipc=True,
        )
        for kind in SPECTRAL_TYPES
    ]
    return EpsfReference(
        psf=np.stack([model.psf for model in models])[None],
        oversample=models[0].oversample,
        pixel_x=models[0].pixel_x,
        pixel_y=models[0].pixel_y,
        spectral_type=SPECTRAL_TYPES,
        jitter=jitter,
    )


def aperture_corrections(models: Mapping[str, Epsf]) -> ApcorrReference:
    """Encircled energy about the middle of the detector, from the PSF models."""
    return ApcorrReference(table={element: _encircled(model) for element, model in models.items()})


def _encircled(model: Epsf) -> dict[str, NDArray[Any]]:
    """Radii (pixel) that hold given shares of the light, and what to multiply fluxes by."""
    middle = (SCIENCE - 1) / 2
    stamp = model.at(middle, middle) / model.oversample**2
    half = stamp.shape[0] // 2
    y, x = np.indices(stamp.shape) - half
    distance = np.hypot(x, y)
    edges = np.arange(0.0, half, 0.5)
    # A sample on the edge of a circle counts by the share of it that lies within.
    inside = [(stamp * np.clip(edge - distance + 0.5, 0, 1)).sum() for edge in edges]
    radii = np.interp(_APERTURES, inside, edges / model.oversample)
    return {
        "ee_radii": radii,
        "ee_fractions": _APERTURES,
        "ap_corrections": 1 / _APERTURES,
    }
