"""Reference files into typed references."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aqueduct.core.errors import InputError, ReferenceError
from aqueduct.io.tree import array, is_array, opened, plain
from aqueduct.products.references import (
    ApcorrReference,
    AstrometricReference,
    DarkDecayReference,
    DarkReference,
    DistortionReference,
    EpsfReference,
    FileReference,
    FlatReference,
    GainReference,
    IntegralNonlinearityReference,
    InverseLinearityReference,
    IpcReference,
    LinearityReference,
    MaskReference,
    PhotomReference,
    ReadnoiseReference,
    RefpixReference,
    SaturationReference,
)
from aqueduct.products.window import FRAME, SCIENCE
from aqueduct.references.astrometry import load_astrometry
from aqueduct.references.cache import digest, unpack, unpacked

AnyReference = TypeVar("AnyReference", bound=FileReference)

CHANNELS = 32
LEVELS = 1 << 16
UNPACK_ABOVE = 1 << 20
"""Bytes from which a compressed array is worth an unpacked copy in the user's cache."""

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


def load(kind: type[AnyReference], path: str | Path, *, detector: str = "") -> AnyReference:
    """Load a reference file of a known kind.

    Large arrays are mapped to memory: from the file if they are stored uncompressed,
    otherwise from a copy unpacked once into the user's cache.

    Parameters
    ----------
    kind : type
        One of the classes of :mod:`aqueduct.products.references`.
    path : path-like
    detector : str, optional
        The detector it must be for.

    Raises
    ------
    ReferenceError
        If the file can't be read, or is of another type, shape or detector.
    """
    path = Path(path)
    about = {"name": path.name, "digest": digest(path)}
    try:
        if kind is AstrometricReference:
            return kind(**load_astrometry(path), **about)
        with opened(path) as tree:
            file = _File(kind, tree, path, about["digest"], detector)
            _check_identity(file)
            return kind(**_BUILDERS.get(kind, _planes)(file), **about)
    except InputError as error:
        raise ReferenceError(error.what, where=str(path), hint=_HINT) from error


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
        native = node.dtype.newbyteorder("=")
        found = unpacked(tuple(node.shape), native, self.digest, name)
        if found is not None:
            return found
        values = array(node, self.path)
        if isinstance(values.base, np.memmap) or values.nbytes < UNPACK_ABOVE:
            return values
        return unpack(values, self.digest, name)


def _check_identity(file: _File) -> None:
    """Check that the file is of its kind, and for its detector unless it is for all."""
    meta = file.tree["meta"]
    found = str(meta.get("reftype", "?")).lower()
    if found != file.kind.reftype:
        raise ReferenceError(
            f"is a {found} reference, not {file.kind.reftype}",
            where=str(file.path),
            hint=f'name it under its own type in [references]: {found} = "<file>"',
        )
    made_for = str(meta["instrument"].get("detector", ""))
    mismatch = file.detector and made_for.startswith("WFI") and made_for != file.detector
    if mismatch and file.kind is not DarkDecayReference:
        raise ReferenceError(
            f"is for detector {made_for}, the exposure is from {file.detector}",
            where=str(file.path),
            hint="`aqueduct references list` shows what there is for each detector",
        )


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


def _integral_nonlinearity(file: _File) -> dict[str, Any]:
    value = np.asarray(file.array("value"), np.uint16)
    shape = (CHANNELS, len(value))
    correction = unpacked(shape, np.dtype(np.float64), file.digest, "correction")
    if correction is None:
        channels = [_channel(file, number) for number in range(CHANNELS)]
        correction = unpack(np.stack(channels), file.digest, "correction")
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


_BUILDERS: dict[type[FileReference], Callable[[_File], dict[str, Any]]] = {
    IntegralNonlinearityReference: _integral_nonlinearity,
    DarkDecayReference: _dark_decay,
    DistortionReference: _distortion,
    PhotomReference: _photom,
    ApcorrReference: _apcorr,
    EpsfReference: _epsf,
}
