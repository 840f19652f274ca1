"""Typed reference files. Arrays cover the full frame unless a docstring says otherwise.

Each is read from the RAD model of the same name; :func:`cut` gives a step the part it
works on. ``name`` is the file's name and ``digest`` its sha256, for the recipe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.step import Reference
from aqueduct.products.window import FRAME, SCIENCE, Window
from aqueduct.products.window import cut as cut_array

Frame = NDArray[Any]
AnyReference = TypeVar("AnyReference", bound="FileReference")


@dataclass(frozen=True, kw_only=True)
class FileReference(Reference):
    """A reference file: its name and digest."""

    name: str = ""
    digest: str = ""


def cut(reference: AnyReference, window: Window) -> AnyReference:
    """``reference`` with every full-frame array cut to ``window``."""
    parts: dict[str, Any] = {
        entry.name: cut_array(value, window)
        for entry in fields(reference)
        if isinstance(value := getattr(reference, entry.name), np.ndarray)
        and value.shape[-2:] in ((FRAME, FRAME), (SCIENCE, SCIENCE))
    }
    return replace(reference, **parts) if parts else reference


@dataclass(frozen=True, kw_only=True)
class MaskReference(FileReference):
    """Static bad pixels: ``dq`` uint32."""

    reftype: ClassVar[str] = "mask"
    dq: Frame


@dataclass(frozen=True, kw_only=True)
class SaturationReference(FileReference):
    """Saturation level ``data`` float32 DN, ``dq`` uint32."""

    reftype: ClassVar[str] = "saturation"
    data: Frame
    dq: Frame


@dataclass(frozen=True, kw_only=True)
class DarkDecayReference(FileReference):
    """Signal decaying after the reset: ``amplitude`` DN at t = 0, ``time_constant`` s."""

    reftype: ClassVar[str] = "darkdecaysignal"
    amplitude: float
    time_constant: float


@dataclass(frozen=True, kw_only=True)
class LinearityReference(FileReference):
    """Polynomial ``coeffs`` float32 (coefficient, row, column), observed to linear DN; ``dq``."""

    reftype: ClassVar[str] = "linearity"
    coeffs: Frame
    dq: Frame


@dataclass(frozen=True, kw_only=True)
class InverseLinearityReference(FileReference):
    """Polynomial ``coeffs`` float32 (coefficient, row, column), linear to observed DN; ``dq``."""

    reftype: ClassVar[str] = "inverselinearity"
    coeffs: Frame
    dq: Frame


@dataclass(frozen=True, kw_only=True)
class IntegralNonlinearityReference(FileReference):
    """A/D correction, DN: ``value`` uint16 (65536,), ``correction`` float64 (channel, 65536)."""

    reftype: ClassVar[str] = "integralnonlinearity"
    value: Frame
    correction: Frame

    @cached_property
    def cumulated(self) -> NDArray[np.float64]:
        """Sum of ``correction`` over the codes below each; DN."""
        start = np.zeros((len(self.correction), 1))
        return np.concatenate([start, np.cumsum(self.correction[:, :-1], axis=1)], axis=1)


@dataclass(frozen=True, kw_only=True)
class ReadnoiseReference(FileReference):
    """Read noise of one read, ``data`` float32 DN."""

    reftype: ClassVar[str] = "readnoise"
    data: Frame


@dataclass(frozen=True, kw_only=True)
class RefpixReference(FileReference):
    """Weights of the reference pixels for each frequency and channel (Rauscher et al. 2022).

    ``gamma`` (left columns), ``zeta`` (right columns), ``alpha`` (reference amplifier):
    complex (32, 286721), complex64 as loaded.
    """

    reftype: ClassVar[str] = "refpix"
    gamma: Frame
    zeta: Frame
    alpha: Frame


@dataclass(frozen=True, kw_only=True)
class IpcReference(FileReference):
    """Inter-pixel capacitance: ``data`` float32 (3, 3), summing to 1."""

    reftype: ClassVar[str] = "ipc"
    data: Frame


@dataclass(frozen=True, kw_only=True)
class GainReference(FileReference):
    """Gain, ``data`` float32 electron/DN."""

    reftype: ClassVar[str] = "gain"
    data: Frame


@dataclass(frozen=True, kw_only=True)
class DarkReference(FileReference):
    """Dark rate ``dark_slope``, ``dark_slope_error`` float32 DN/s; ``dq``."""

    reftype: ClassVar[str] = "dark"
    dark_slope: Frame
    dark_slope_error: Frame
    dq: Frame


@dataclass(frozen=True, kw_only=True)
class FlatReference(FileReference):
    """Flat field ``data``, ``err`` float32, ``dq``: of the science area (4088, 4088)."""

    reftype: ClassVar[str] = "flat"
    data: Frame
    err: Frame
    dq: Frame


@dataclass(frozen=True, kw_only=True)
class DistortionReference(FileReference):
    """``transform``: astropy model, science pixel (x, y) to (V2, V3) arcsec."""

    reftype: ClassVar[str] = "distortion"
    transform: Any


@dataclass(frozen=True, kw_only=True)
class PhotomReference(FileReference):
    """``table``: per optical element photmjsr (MJy/sr per DN/s), uncertainty, pixelareasr (sr)."""

    reftype: ClassVar[str] = "photom"
    table: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class EpsfReference(FileReference):
    """Effective PSF (pixel and inter-pixel capacitance included).

    ``psf`` float32 (defocus, spectral type, position, y, x), sampled ``oversample`` times
    per pixel; ``pixel_x``, ``pixel_y``: science pixel of each position; ``jitter``: width
    of the pointing jitter in it, mas.
    """

    reftype: ClassVar[str] = "epsf"
    psf: Frame
    oversample: int
    pixel_x: Frame
    pixel_y: Frame
    spectral_type: tuple[str, ...] = ()
    jitter: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ApcorrReference(FileReference):
    """``table``: per optical element ``ee_radii`` (pixel), ``ee_fractions``, ``ap_corrections``."""

    reftype: ClassVar[str] = "apcorr"
    table: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class AstrometricReference(FileReference):
    """Stars with known positions (Gaia, or like it), not selected by CRDS.

    ``ra``, ``dec`` deg at ``epoch`` (Julian year); ``pmra`` (mu_alpha*), ``pmdec`` mas/yr;
    ``parallax`` mas; ``ra_error``, ``dec_error`` mas; ``magnitude``. Motions are NaN where
    not known. ``pmra_error``, ``pmdec_error`` mas/yr.
    """

    reftype: ClassVar[str] = "astrometry"
    ra: Frame
    dec: Frame
    epoch: float
    pmra: Frame
    pmdec: Frame
    parallax: Frame
    ra_error: Frame
    dec_error: Frame
    magnitude: Frame
    pmra_error: Frame | None = None
    pmdec_error: Frame | None = None


@dataclass(frozen=True, kw_only=True)
class AttitudeReference(FileReference):
    """Telemetry of the attitude control, not selected by CRDS.

    ``time`` (n,), ``fgs_time`` (m,): MJD UTC, ascending. ``to_body`` (n, 4): quaternions, scalar
    last, from J2000 to the body; ``to_fgs`` (m, 4): from there to the fine guidance sensor.
    """

    reftype: ClassVar[str] = "attitude"
    time: Frame
    to_body: Frame
    fgs_time: Frame
    to_fgs: Frame


@dataclass(frozen=True)
class PastExposure:
    """An earlier calibrated exposure of a detector.

    ``rate`` DN/s and ``dq`` uint32 of the science area (4088, 4088); ``end`` UTC, MJD;
    ``seconds`` exposed.
    """

    name: str
    rate: Frame
    dq: Frame
    end: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class HistoryReference(FileReference):
    """Earlier exposures of one detector, not selected by CRDS."""

    reftype: ClassVar[str] = "history"
    exposures: tuple[PastExposure, ...]


@dataclass(frozen=True, kw_only=True)
class RegionsReference(FileReference):
    """Areas that a user wants flagged, not selected by CRDS.

    ``regions``: astropy ``regions``, on the sky or in 0-based pixels of the science area, each
    with the detectors it is for (none: all). ``mask``: bool (4088, 4088), or None.
    """

    reftype: ClassVar[str] = "regions"
    regions: tuple[tuple[Any, frozenset[str]], ...] = ()
    mask: Frame | None = None
