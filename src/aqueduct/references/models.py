"""Typed references as official reference-file models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from aqueduct.core.errors import InternalError
from aqueduct.io.tree import datamodels
from aqueduct.products.references import (
    ApcorrReference,
    DarkDecayReference,
    DistortionReference,
    EpsfReference,
    FileReference,
    IntegralNonlinearityReference,
    PhotomReference,
)
from aqueduct.references.load import ARRAYS

DETECTOR: Final = "ROMAN.META.INSTRUMENT.DETECTOR"
ELEMENT: Final = "ROMAN.META.INSTRUMENT.OPTICAL_ELEMENT"
TYPE: Final = "ROMAN.META.EXPOSURE.TYPE"
_EXPOSURE_TYPES: Final = "WFI_IMAGE|WFI_SPECTRAL|WFI_FLAT|WFI_LOLO|WFI_WFSC|"


@dataclass(frozen=True)
class Official:
    """How a reference type is selected, and its official model."""

    keys: tuple[str, ...]
    model: str


_BY_DETECTOR = (DETECTOR,)
_BY_TYPE = (DETECTOR, TYPE)
_BY_ELEMENT = (DETECTOR, ELEMENT)
OFFICIAL: Final[dict[str, Official]] = {
    "apcorr": Official(_BY_DETECTOR, "ApcorrRefModel"),
    "dark": Official(_BY_TYPE, "DarkRefModel"),
    "darkdecaysignal": Official((), "DarkdecaysignalRefModel"),
    "distortion": Official(_BY_ELEMENT, "DistortionRefModel"),
    "epsf": Official(_BY_ELEMENT, "EpsfRefModel"),
    "flat": Official(_BY_ELEMENT, "FlatRefModel"),
    "gain": Official(_BY_DETECTOR, "GainRefModel"),
    "integralnonlinearity": Official(_BY_DETECTOR, "IntegralnonlinearityRefModel"),
    "inverselinearity": Official(_BY_DETECTOR, "InverselinearityRefModel"),
    "ipc": Official(_BY_DETECTOR, "IpcRefModel"),
    "linearity": Official(_BY_DETECTOR, "LinearityRefModel"),
    "mask": Official(_BY_DETECTOR, "MaskRefModel"),
    "photom": Official(_BY_DETECTOR, "WfiImgPhotomRefModel"),
    "readnoise": Official(_BY_TYPE, "ReadnoiseRefModel"),
    "refpix": Official(_BY_DETECTOR, "RefpixRefModel"),
    "saturation": Official(_BY_DETECTOR, "SaturationRefModel"),
}


def official_model(
    reference: FileReference,
    detector: str,
    element: str | None,
    useafter: str,
    description: str,
) -> Any:
    """The ``roman_datamodels`` model of a reference, ready to be written.

    Raises
    ------
    InternalError
        If there is no official format for it.
    """
    from astropy.time import Time

    official = OFFICIAL.get(reference.reftype)
    if official is None:
        raise InternalError(f"no official format for {reference.reftype} references")
    model = getattr(datamodels(), official.model).create_minimal()
    instrument = {
        "name": "WFI",
        "detector": "NOT_CONFIGURED" if detector == "*" or not official.keys else detector,
        "optical_element": element or "NOT_CONFIGURED",
    }
    model["meta"] = {
        "reftype": reference.reftype.upper(),
        "author": "Aqueduct",
        "description": description,
        "pedigree": "GROUND",
        "useafter": Time(useafter),
        "telescope": "ROMAN",
        "origin": "STSCI",
        "instrument": instrument,
    }
    if TYPE in official.keys:
        model["meta"]["exposure"] = {"type": "WFI_IMAGE", "p_exptype": _EXPOSURE_TYPES}
    contents: _Contents = _CONTENTS.get(type(reference), _planes)
    for name, value in contents(reference, model["meta"]).items():
        model[name] = value
    return model


def _planes(reference: FileReference, meta: dict[str, Any]) -> dict[str, Any]:
    names = ARRAYS[type(reference)].items()
    return {name: np.asarray(getattr(reference, name), dtype) for name, (dtype, _) in names}


def _integral_nonlinearity(reference: Any, meta: dict[str, Any]) -> dict[str, Any]:
    channels = len(reference.correction)
    meta.update(n_channels=channels, n_pixels_per_channel=4096 // channels)
    table = {
        f"science_channel_{number + 1:02d}": {
            "instrument_channel": number,
            "correction": np.array(correction, np.float64),
        }
        for number, correction in enumerate(reference.correction)
    }
    return {"value": np.asarray(reference.value, np.uint16), "inl_table": table}


def _filled_by_caller(reference: Any, meta: dict[str, Any]) -> dict[str, Any]:
    """Nothing: one file holds all detectors, see :func:`aqueduct.references.write_set`."""
    return {}


def _distortion(reference: Any, meta: dict[str, Any]) -> dict[str, Any]:
    return {"coordinate_distortion_transform": reference.transform}


def _photom(reference: Any, meta: dict[str, Any]) -> dict[str, Any]:
    return {"phot_table": _with(reference.table, _PHOTOM)}


def _apcorr(reference: Any, meta: dict[str, Any]) -> dict[str, Any]:
    return {"data": _with(reference.table, _APCORR)}


_PHOTOM: Final = {
    "photmjsr": float,
    "uncertainty": float,
    "pixelareasr": float,
    "collecting_area": float,
    "wavelength": np.float32,
    "effective_area": np.float32,
}
_APCORR: Final = {
    "ap_corrections": np.float64,
    "ee_fractions": np.float64,
    "ee_radii": np.float64,
    "sky_background_rin": float,
    "sky_background_rout": float,
}


def _with(table: Mapping[str, Mapping[str, Any]], types: Mapping[str, Any]) -> dict[str, Any]:
    """``table`` with its entries typed as the schema wants them; None for those not known."""

    def typed(value: Any, kind: Any) -> Any:
        if value is None or kind is float:
            return value if value is None else float(value)
        return np.asarray(value, kind)

    return {
        element: {**row, **{name: typed(row.get(name), kind) for name, kind in types.items()}}
        for element, row in table.items()
    }


def _epsf(reference: Any, meta: dict[str, Any]) -> dict[str, Any]:
    meta.update(
        oversample=int(reference.oversample),
        pixel_x=[float(value) for value in reference.pixel_x],
        pixel_y=[float(value) for value in reference.pixel_y],
        spectral_type=list(reference.spectral_type),
        defocus=list(range(reference.psf.shape[0])),
        jitter_major=float(reference.jitter),
        jitter_minor=float(reference.jitter),
        jitter_position_angle=0.0,
    )
    return {"psf": np.asarray(reference.psf, np.float32)}


_Contents: TypeAlias = Callable[[Any, dict[str, Any]], dict[str, Any]]
_CONTENTS: Final[dict[type[FileReference], _Contents]] = {
    ApcorrReference: _apcorr,
    DarkDecayReference: _filled_by_caller,
    DistortionReference: _distortion,
    EpsfReference: _epsf,
    IntegralNonlinearityReference: _integral_nonlinearity,
    PhotomReference: _photom,
}
