"""Reference files as a calibration program would have estimated them.

Every map is the truth with the error of its measurement: never the truth itself. The
errors are those of :class:`ReferenceConfig`.

The linear signal is L = h(s F) / s with h(u) = (1 - sqrt(1 - 4u)) / 2 (see
:mod:`aqueduct.simulate.detector`); with h(u) ~ sum_k a_k u^k fitted once, the linearity
coefficients of a pixel are c_k = a_k s^(k-1).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.geometry.siaf import aperture
from aqueduct.instrument.detectors import CHANNELS
from aqueduct.instrument.filters import effective_area, njy_per_electron
from aqueduct.products.references import (
    ApcorrReference,
    DarkDecayReference,
    DarkReference,
    DistortionReference,
    EpsfReference,
    FileReference,
    FlatReference,
    GainReference,
    IntegralNonlinearityReference,
    InverseLinearityReference,
    LinearityReference,
    MaskReference,
    PhotomReference,
    ReadnoiseReference,
    SaturationReference,
)
from aqueduct.products.window import CHANNEL, FRAME, SCIENCE_WINDOW
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.optical import optical_epsf
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.render import pixel_area

Plane = NDArray[Any]

_SCIENCE: Final = (SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns)
_DEGREE: Final = 6
_LARGEST: Final = 0.075
"""Largest s F of the fit to h; the default detector stays below 0.055."""
_SPECTRAL_TYPES: Final = ("A0V", "G2V", "M5V")
_APERTURES: Final = np.arange(0.05, 0.99, 0.01)
"""Shares of the light for which aperture radii are tabulated."""
NJY_TO_MJY: Final = 1e-15


class ReferenceConfig(StepConfig):
    """Errors of the calibration."""

    gain: float = Field(0.003, ge=0, description="Relative error of a channel's gain")
    flat: float = Field(0.002, ge=0, description="Relative error of a pixel's flat field")
    linearity: float = Field(0.01, ge=0, description="Relative error of the nonlinearity")
    read_noise: float = Field(0.02, ge=0, description="Relative error of the read noise")
    saturation: float = Field(0.003, ge=0, description="Relative error of the full well")
    margin: float = Field(
        0.98, gt=0, le=1, description="Saturation reference in units of the full well"
    )
    decay: float = Field(0.05, ge=0, description="Relative error of the decay after reset")
    distortion: float = Field(
        5e-6, ge=0, description="RMS error of each element of the distortion's linear part"
    )
    photom: float = Field(0.002, ge=0, description="Relative error of the zero point")
    missed: float = Field(0.02, ge=0, le=1, description="Share of bad pixels not in the mask")
    dark_exposures: int = Field(50, ge=1, description="Darks of 170 s averaged")
    jitter: float = Field(0.5, description="Error of the PSF model's jitter, mas")
    defocus: float = Field(0.005, description="Error of the PSF model's focus, waves")


def detector_references(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> list[FileReference]:
    """References of one detector that do not depend on the filter."""
    channels = 1 + config.gain * rng.standard_normal(CHANNELS)
    gain = truth.gain * np.repeat(channels, CHANNEL).astype(np.float32)
    return [
        mask(truth, config, rng),
        saturation(truth, config, rng),
        *linearity(truth, config, rng),
        no_integral_nonlinearity(),
        ReadnoiseReference(data=_estimated(truth.read_noise, config.read_noise, rng)),
        GainReference(data=gain),
        dark(truth, config, rng),
        DarkDecayReference(
            amplitude=truth.decay * (1 + config.decay * rng.standard_normal()),
            time_constant=truth.decay_time * (1 + config.decay * rng.standard_normal()),
        ),
        distortion(truth, config, rng),
    ]


def element_references(
    truth: DetectorTruth,
    elements: tuple[str, ...],
    jitter: float,
    config: ReferenceConfig,
    rng: np.random.Generator,
) -> dict[str, list[FileReference]]:
    """References of one detector for each filter: flat field, ePSF.

    The key ``""`` holds those that cover all filters: photometry, aperture corrections.
    """
    models = {
        element: optical_epsf(
            truth.detector,
            element,
            jitter=jitter + config.jitter,
            defocus=config.defocus,
        )
        for element in elements
    }
    made: dict[str, list[FileReference]] = {
        element: [flat(truth, config, rng), epsf_reference(model, jitter + config.jitter)]
        for element, model in models.items()
    }
    made[""] = [photom(truth, elements, config, rng), aperture_corrections(models)]
    return made


def distortion(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> DistortionReference:
    """The distortion followed by a small linear map about the aperture's reference point."""
    from astropy.modeling.models import AffineTransformation2D

    known = aperture(truth.detector)
    matrix = np.eye(2) + config.distortion * rng.standard_normal((2, 2))
    fixed = np.array([known.v2_ref, known.v3_ref])
    error = AffineTransformation2D(matrix=matrix, translation=fixed - matrix @ fixed)
    transform = known.model() | error
    transform.inverse = error.inverse | known.model().inverse
    return DistortionReference(transform=transform)


def _estimated(value: Plane, error: float, rng: np.random.Generator) -> Plane:
    """``value`` with a relative error of its own in each pixel."""
    return np.asarray(value * (1 + error * rng.standard_normal(value.shape, np.float32)))


def mask(truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator) -> MaskReference:
    """Known bad pixels, but for some that were missed."""
    flags = truth.dq.copy()
    bad = np.flatnonzero((flags != 0) & (flags != dq.REFERENCE_PIXEL))
    flags.flat[bad[rng.random(len(bad)) < config.missed]] = 0
    return MaskReference(dq=flags)


def saturation(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> SaturationReference:
    """A level somewhat below the full well; none for reference pixels."""
    level = config.margin * _estimated(truth.full_well, config.saturation, rng)
    flags = np.where(truth.dq & dq.REFERENCE_PIXEL, np.uint32(dq.NO_SAT_CHECK), np.uint32(0))
    return SaturationReference(data=level.astype(np.float32), dq=flags)


@cache
def _series() -> NDArray[np.float64]:
    """a_k, k = 0 .. 6, of h(u) on [0, 0.075], with a_0 = 0 and a_1 = 1."""
    u = _LARGEST * (1 - np.cos(np.pi * (np.arange(400) + 0.5) / 400)) / 2
    rest = (1 - np.sqrt(1 - 4 * u)) / 2 - u
    powers = u[:, None] ** np.arange(2, _DEGREE + 1)
    scale = np.abs(powers).max(axis=0)
    fitted = np.linalg.lstsq(powers / scale, rest, rcond=None)[0] / scale
    return np.concatenate([[0.0, 1.0], fitted])


def linearity(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> tuple[LinearityReference, InverseLinearityReference]:
    """Polynomials from observed to linear signal, and back, of one estimate of s."""
    s = _estimated(truth.nonlinearity, config.linearity, rng)
    coeffs = np.zeros((_DEGREE + 1, *s.shape), np.float32)
    power = np.ones_like(s)
    for k, a in enumerate(_series()[1:], start=1):
        coeffs[k] = a * power
        power *= s
    inverse = np.zeros((3, *s.shape), np.float32)
    inverse[1], inverse[2] = 1, -s
    flags = np.zeros(s.shape, np.uint32)
    return (
        LinearityReference(coeffs=coeffs, dq=flags),
        InverseLinearityReference(coeffs=inverse, dq=flags),
    )


def no_integral_nonlinearity() -> IntegralNonlinearityReference:
    """The simulated converter has none."""
    value = np.arange(65536, dtype=np.uint16)
    return IntegralNonlinearityReference(value=value, correction=np.zeros((CHANNELS, len(value))))


def dark(truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator) -> DarkReference:
    """The mean of some long darks.

    Error of one dark of duration T with read noise sigma: a slope through 55 reads,
    var = 12 sigma^2 / (55 T^2) + dark / (g T)  [(DN/s)^2], photon noise as of a difference.
    """
    duration, reads = 170.0, 55
    rate = truth.dark / truth.gain
    variance = 12 * truth.read_noise**2 / (reads * duration**2) + rate / (truth.gain * duration)
    error = np.sqrt(variance / config.dark_exposures).astype(np.float32)
    slope = rate + error * rng.standard_normal(rate.shape, np.float32)
    keep = np.uint32(dq.HOT | dq.WARM)
    return DarkReference(
        dark_slope=slope.astype(np.float32),
        dark_slope_error=error,
        dq=truth.dq & keep,
    )


def true_flat(truth: DetectorTruth) -> NDArray[np.float32]:
    """Response in DN to a uniform sky, at mean gain and pixel area: see :mod:`.level1`."""
    area = pixel_area(truth.detector)
    response = truth.response[_SCIENCE] * (mean_gain(truth) / truth.gain[_SCIENCE])
    return np.asarray(response * (area / area.mean()), np.float32)


def mean_gain(truth: DetectorTruth) -> float:
    """The gain to which the flat field is normalised, electron/DN."""
    return float(truth.gain[_SCIENCE].mean(dtype=np.float64))


def flat(truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator) -> FlatReference:
    """Flat field of the science area, NO_FLAT_FIELD where there is no response."""
    data = _estimated(true_flat(truth), config.flat, rng).astype(np.float32)
    dead = data <= 0
    flags = np.where(dead, np.uint32(dq.NO_FLAT_FIELD), np.uint32(0))
    return FlatReference(
        data=np.where(dead, np.float32(1), data),
        err=np.abs(config.flat * data).astype(np.float32),
        dq=flags,
    )


def conversion(truth: DetectorTruth, element: str) -> float:
    """MJy/sr per DN/s, without error."""
    rate = njy_per_electron(truth.detector, element) * mean_gain(truth)
    return float(rate * NJY_TO_MJY / pixel_area(truth.detector).mean())


def photom(
    truth: DetectorTruth,
    elements: tuple[str, ...],
    config: ReferenceConfig,
    rng: np.random.Generator,
) -> PhotomReference:
    """Conversion to surface brightness, with the error of the zero point."""
    table = {}
    for element in elements:
        value = conversion(truth, element) * (1 + config.photom * rng.standard_normal())
        wave, area = effective_area(truth.detector, element)
        table[element] = {
            "photmjsr": value,
            "uncertainty": value * config.photom,
            "pixelareasr": float(pixel_area(truth.detector).mean()),
            "collecting_area": 3.757,
            "wavelength": wave,
            "effective_area": area,
        }
    return PhotomReference(table=table)


def epsf_reference(model: Epsf, jitter: float) -> EpsfReference:
    """A model ePSF in the layout of the official file: in focus, one for all spectra."""
    shape = (1, len(_SPECTRAL_TYPES), *model.psf.shape)
    return EpsfReference(
        psf=np.broadcast_to(model.psf, shape).copy(),
        oversample=model.oversample,
        pixel_x=model.pixel_x,
        pixel_y=model.pixel_y,
        spectral_type=_SPECTRAL_TYPES,
        jitter=jitter,
    )


def aperture_corrections(models: dict[str, Epsf]) -> ApcorrReference:
    """Encircled energy about the middle of the detector, from the PSF models."""
    return ApcorrReference(table={element: _encircled(model) for element, model in models.items()})


def _encircled(model: Epsf) -> dict[str, Plane]:
    """Radii (pixel) that hold given shares of the light, and what to multiply fluxes by."""
    middle = (FRAME - 8) / 2 - 0.5
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
