"""Reference files into typed references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aqueduct.core.errors import InputError, ReferenceError
from aqueduct.instrument.detectors import DETECTORS
from aqueduct.instrument.filters import DISPERSERS, FILTERS
from aqueduct.io.tree import array, is_array, opened, plain
from aqueduct.products.references import (
    ApcorrReference,
    AstrometricReference,
    AttitudeReference,
    DarkDecayReference,
    DarkReference,
    DistortionReference,
    EpsfReference,
    FileReference,
    FlatReference,
    GainReference,
    HistoryReference,
    IntegralNonlinearityReference,
    InverseLinearityReference,
    IpcReference,
    LinearityReference,
    MaskReference,
    PhotomReference,
    ReadnoiseReference,
    RefpixReference,
    RegionsReference,
    SaturationReference,
)
from aqueduct.products.window import FRAME, SCIENCE
from aqueduct.references import outline
from aqueduct.references.astrometry import load_astrometry
from aqueduct.references.attitude import load_attitude
from aqueduct.references.cache import digest, unpack
from aqueduct.references.history import load_history
from aqueduct.references.regions import load_regions

AnyReference = TypeVar("AnyReference", bound=FileReference)

CHANNELS = 32
LEVELS = 1 << 16
SAMPLE = 61
"""One row and column in so many is looked at first, for an array without any valid value."""

_PLANE = (FRAME, FRAME)
_SPECTRA = (CHANNELS, 286721)
ARRAYS: dict[type[FileReference], dict[str, tuple[DTypeLike, tuple[int, int]]]] = {
    MaskReference: {"dq": (np.uint32, _PLANE)},
    SaturationReference: {"data": (np.float32, _PLANE), "dq": (np.uint32, _PLANE)},
    LinearityReference: {"coeffs": (np.float32, _PLANE), "dq": (np.uint32, _PLANE)},
    InverseLinearityReference: {"coeffs": (np.float32, _PLANE), "dq": (np.uint32, _PLANE)},
    ReadnoiseReference: {"data": (np.float32, _PLANE)},
    GainReference: {"data": (np.float32, _PLANE)},
    DarkReference: {
        "dark_slope": (np.float32, _PLANE),
        "dark_slope_error": (np.float32, _PLANE),
        "dq": (np.uint32, _PLANE),
    },
    IpcReference: {"data": (np.float32, (3, 3))},
    RefpixReference: dict.fromkeys(("gamma", "zeta", "alpha"), (np.complex128, _SPECTRA)),
    FlatReference: {
        "data": (np.float32, (SCIENCE, SCIENCE)),
        "err": (np.float32, (SCIENCE, SCIENCE)),
        "dq": (np.uint32, (SCIENCE, SCIENCE)),
    },
}
"""Type and last two axes of the arrays of the references that hold nothing else."""


def load(
    kind: type[AnyReference], path: str | Path, *, detector: str = "", element: str = ""
) -> AnyReference:
    """Load a reference file of a known kind.

    Large arrays are mapped to memory: from the file if they are stored uncompressed,
    otherwise from a copy unpacked once into the user's cache. A file that was loaded
    before is not parsed again.

    Parameters
    ----------
    kind : type
        One of the classes of :mod:`aqueduct.products.references`.
    path : path-like
    detector, element : str, optional
        The detector and optical element it must be for.

    Raises
    ------
    ReferenceError
        If the file can't be read, has no valid value, or is of another type, shape,
        detector or optical element.
    """
    path = Path(path).absolute()
    about = {"name": path.name, "digest": digest(path)}
    if kind in _OWN_FORMATS:
        return kind(**_OWN_FORMATS[kind](path, detector), **about)
    key = f"{kind.__name__}-{detector}"
    wanted = {"detector": detector, "element": element}
    known = outline.recall(path, about["digest"], key)
    if known is not None:
        _check_identity(known["identity"], kind, path, wanted)
        return kind(**known["parts"], **about)
    try:
        with opened(path) as tree:
            file = _File(kind, tree, path, about["digest"], detector)
            identity = _identity(file)
            _check_identity(identity, kind, path, wanted)
            parts = _BUILDERS.get(kind, _planes)(file)
            _check_values(parts, path)
    except InputError as error:
        raise ReferenceError(error.what, where=str(path), hint=_HINT) from error
    outline.remember({"identity": identity, "parts": parts}, path, about["digest"], key)
    return kind(**parts, **about)


_HINT = "get or make it again; `aqueduct references list` shows which files are used"


@dataclass(frozen=True)
class _File:
    """An open reference file."""

    kind: type[FileReference]
    tree: Mapping[str, Any]
    path: Path
    digest: str
    detector: str

    def node(self, name: str) -> Any:
        """An array, not yet read."""
        node = self.tree.get(name)
        if not is_array(node):
            raise ReferenceError(f"lacks the array {name}", where=str(self.path), hint=_HINT)
        return node

    def array(self, name: str) -> NDArray[Any]:
        """An array, mapped from this file or from the user's cache."""
        node = self.node(name)
        if node.nbytes < outline.SMALL:
            return array(node, self.path)
        dtype = node.dtype.newbyteorder("=")
        return unpack(lambda: array(node, self.path), tuple(node.shape), dtype, self.digest, name)


def _identity(file: _File) -> dict[str, str]:
    """What a file says it is for."""
    meta = file.tree["meta"]
    instrument = meta["instrument"]
    return {
        "reftype": str(meta.get("reftype", "?")).lower(),
        "detector": str(instrument.get("detector", "")),
        "element": str(instrument.get("optical_element", "")),
    }


def _check_identity(
    identity: Mapping[str, str],
    kind: type[FileReference],
    path: Path,
    wanted: Mapping[str, str],
) -> None:
    """Check that a file is of its kind, and for its detector and element unless for all."""
    found = identity["reftype"]
    if found != kind.reftype:
        raise ReferenceError(
            f"is a {found} reference, not {kind.reftype}",
            where=str(path),
            hint=f'name it under its own type in [references]: {found} = "<file>"',
        )
    for name, all_of in _FOR_ONE.items():
        made_for, value = identity[name], wanted[name]
        if value and made_for in all_of and made_for != value and kind not in _FOR_ALL[name]:
            raise ReferenceError(
                f"is for {name} {made_for}, the exposure is from {value}",
                where=str(path),
                hint=f"`aqueduct references list` shows what there is for each {name}",
            )


_FOR_ONE: dict[str, tuple[str, ...]] = {
    "detector": DETECTORS,
    "element": (*FILTERS, *DISPERSERS),
}
_FOR_ALL: dict[str, tuple[type[FileReference], ...]] = {
    "detector": (DarkDecayReference,),
    "element": (PhotomReference, ApcorrReference),
}
"""Kinds whose files hold a table of all detectors or elements, whatever their metadata say."""


def _check_values(parts: Mapping[str, Any], path: Path) -> None:
    """Check that no array is without any valid value."""
    for name, values in parts.items():
        if not isinstance(values, np.ndarray) or values.dtype.kind not in "fc" or not values.size:
            continue
        few = values[..., ::SAMPLE, ::SAMPLE] if values.ndim > 1 else values
        if not np.isfinite(few).any() and not np.isfinite(values).any():
            raise ReferenceError(f"{name} is NaN everywhere", where=str(path), hint=_HINT)


def _planes(file: _File) -> dict[str, Any]:
    parts = {}
    for name, (dtype, plane) in ARRAYS[file.kind].items():
        shape = tuple(file.node(name).shape)
        if shape[-2:] != plane:
            raise ReferenceError(
                f"{name} has shape {shape}, needed is (..., {plane[0]}, {plane[1]})",
                where=str(file.path),
                hint=_HINT,
            )
        parts[name] = np.asarray(file.array(name), dtype)
    return parts


def _refpix(file: _File) -> dict[str, Any]:
    """In single precision: half the memory, and exact to 1e-6 DN."""
    parts = {}
    for name, (_, plane) in ARRAYS[file.kind].items():
        node = file.node(name)
        if tuple(node.shape) != plane:
            raise ReferenceError(
                f"{name} has shape {tuple(node.shape)}, needed is {plane}",
                where=str(file.path),
                hint=_HINT,
            )
        parts[name] = unpack(
            partial(_single, node, file.path), plane, np.complex64, file.digest, f"{name}-single"
        )
    return parts


def _single(node: Any, path: Path) -> NDArray[np.complex64]:
    return array(node, path).astype(np.complex64)


def _integral_nonlinearity(file: _File) -> dict[str, Any]:
    value = np.asarray(file.array("value"), np.uint16)
    shape = (CHANNELS, len(value))
    correction = unpack(
        lambda: np.stack([_channel(file, number) for number in range(CHANNELS)]),
        shape,
        np.float64,
        file.digest,
        "correction",
    )
    return {"value": value, "correction": correction}


def _channel(file: _File, number: int) -> NDArray[np.float64]:
    """Correction of a channel in the science frame, numbered from 0."""
    try:
        node = file.tree["inl_table"][f"science_channel_{number + 1:02d}"]["correction"]
    except KeyError as error:
        raise ReferenceError(f"lacks {error}", where=str(file.path), hint=_HINT) from error
    return np.zeros(LEVELS) if node is None else np.asarray(array(node, file.path), np.float64)


def _dark_decay(file: _File) -> dict[str, Any]:
    table = plain(file.tree["decay_table"], file.path)
    row = table.get(file.detector, {})
    if row.get("amplitude") is None or row.get("time_constant") is None:
        raise ReferenceError(
            f"has no values for detector {file.detector or '(none given)'}",
            where=str(file.path),
            hint="skip the step, or name another file in [references] of the configuration",
        )
    return {name: float(row[name]) for name in ("amplitude", "time_constant")}


def _distortion(file: _File) -> dict[str, Any]:
    return {"transform": file.tree["coordinate_distortion_transform"]}


def _photom(file: _File) -> dict[str, Any]:
    return {"table": plain(file.tree["phot_table"], file.path)}


def _apcorr(file: _File) -> dict[str, Any]:
    return {"table": plain(file.tree["data"], file.path)}


def _epsf(file: _File) -> dict[str, Any]:
    meta = plain(file.tree["meta"], file.path)
    psf = np.asarray(file.array("psf"), np.float32)
    positions = len(meta["pixel_x"])
    if psf.ndim != 5 or psf.shape[2] != positions:
        raise ReferenceError(
            f"psf has shape {psf.shape}, the metadata give {positions} positions on axis 2",
            where=str(file.path),
            hint=_HINT,
        )
    return {
        "psf": psf,
        "oversample": int(meta["oversample"]),
        "pixel_x": np.asarray(meta["pixel_x"], np.float64),
        "pixel_y": np.asarray(meta["pixel_y"], np.float64),
        "spectral_type": tuple(meta.get("spectral_type", ())),
        "jitter": float(meta["jitter_major"]),
    }


_OWN_FORMATS: dict[type[FileReference], Callable[[Path, str], dict[str, Any]]] = {
    AstrometricReference: lambda path, detector: load_astrometry(path),
    AttitudeReference: lambda path, detector: load_attitude(path),
    HistoryReference: load_history,
    RegionsReference: load_regions,
}
"""Kinds that are no official reference files."""

_BUILDERS: dict[type[FileReference], Callable[[_File], dict[str, Any]]] = {
    IntegralNonlinearityReference: _integral_nonlinearity,
    RefpixReference: _refpix,
    DarkDecayReference: _dark_decay,
    DistortionReference: _distortion,
    PhotomReference: _photom,
    ApcorrReference: _apcorr,
    EpsfReference: _epsf,
}
