"""Products into ASDF files of either schema generation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aqueduct.core.errors import InternalError
from aqueduct.core.step import Product
from aqueduct.io.atomic import atomic
from aqueduct.io.formats import FORMATS, Generation, full_tag, of_product
from aqueduct.io.header import OWN
from aqueduct.products import Image, Mosaic, Ramp, Raw, Segmentation
from aqueduct.products.image import PLANES
from aqueduct.products.meta import Meta, updated

Arrays = dict[str, NDArray[Any]]

_EXTENSIONS = re.compile(rb"^history:\n  extensions:\n((?:  .*\n)+)", re.MULTILINE)
_HEAD = 1 << 16
"""Bytes from the start of a file within which its history ends."""

_SECOND_DQ = {"wfi_image": "dq", "ramp": "pixeldq"}
"""Formats whose flags have a second plane since 2.2.0, and the first one's name."""


def write_product(
    product: Product, path: Path, rad: Generation, recipe: Mapping[str, Any] | None
) -> None:
    """Write a product to an ASDF file; see :func:`aqueduct.io.write`."""
    name, _ = of_product(product)
    model = _model(product, path, rad, recipe)
    arrays = arrays_of(product)
    if name in _SECOND_DQ:
        arrays = _second_dq(arrays, _SECOND_DQ[name], rad)
    for key, value in arrays.items():
        model[key] = value
    save(model, path)


def load_schemas(kind: type[Product], rad: Generation) -> None:
    """Load the libraries and schemas that writing a product of some kind takes.

    They take seconds, which a thread of its own can spend while the product is made.
    """
    from roman_datamodels import datamodels

    name, form = next(item for item in FORMATS.items() if item[1].product is kind)
    getattr(datamodels, form.model).create_minimal(tag=full_tag(name, rad))


def save(model: Any, path: Path) -> None:
    """Write a ``roman_datamodels`` model, validated, uncompressed and atomically.

    Raises
    ------
    OutputError, InternalError
        As :func:`aqueduct.io.write`.
    """
    import asdf

    with atomic(path) as temporary, named_errors(path), asdf.config_context() as config:
        # The base of a view may be a whole frame, or the file it was read from.
        config.default_array_save_base = False
        model.to_asdf(temporary, all_array_compression=None)
        _sort_extensions(temporary)


def _sort_extensions(path: Path) -> None:
    """Put the extensions a file names in order.

    asdf writes them as a set happens to give them, which differs from process to process:
    the same content would have another digest. Their text only changes places.
    """
    with path.open("r+b") as stream:
        head = stream.read(_HEAD)
        found = _EXTENSIONS.search(head)
        if found is None:
            return
        entries = sorted(re.split(rb"(?m)^(?=  - )", found[1]))
        stream.seek(found.start(1))
        stream.write(b"".join(entries))


@contextmanager
def named_errors(path: Path) -> Iterator[None]:
    """Turn a failed validation into an InternalError that names the keyword."""
    from asdf.exceptions import ValidationError

    try:
        yield
    except ValidationError as error:
        keyword = ".".join(str(part) for part in getattr(error, "absolute_path", ()))
        reason = str(getattr(error, "message", error)).splitlines()[0][:300]
        raise InternalError(
            f"keyword {keyword or 'roman'} does not fit the official schema: {reason}",
            where=str(path),
            hint="report it; the product was not written",
        ) from error


def _model(product: Any, path: Path, rad: Generation, recipe: Mapping[str, Any] | None) -> Any:
    """An official model with the metadata of ``product`` and no arrays yet."""
    from roman_datamodels import datamodels

    name, form = of_product(product)
    model = getattr(datamodels, form.model).create_minimal(tag=full_tag(name, rad))
    meta = official_meta(product.meta, path.name, form.model, rad, recipe)
    wcs = getattr(product, "wcs", None)
    # RAD wants the key even of an image that has no WCS yet.
    model["meta"] = {**meta, "wcs": wcs} if isinstance(product, Image) or wcs else meta
    return model


def official_meta(
    meta: Meta, filename: str, model: str, rad: Generation, recipe: Mapping[str, Any] | None
) -> Meta:
    """Metadata as they go into a file: named, dated, of one schema generation."""
    from astropy.time import Time

    new = for_generation(meta, rad)
    new.update(filename=filename, file_date=Time.now(), model_type=model)
    if recipe is not None:
        # Through JSON, so that no tuple or path meets the YAML writer.
        new[OWN] = {"recipe": json.loads(json.dumps(recipe, default=str))}
    return new


def for_generation(meta: Meta, rad: Generation) -> Meta:
    """``meta`` with the keywords of one schema generation only.

    2.2.0 added ``ref_file.bam`` and ``visit.wfi_acm_z_defocus_size`` to exposures.
    """
    additions = (("ref_file", "bam", "N/A"), ("visit", "wfi_acm_z_defocus_size", None))
    new = dict(meta)
    for block, key, default in additions:
        if not isinstance(new.get(block), Mapping):
            continue
        if rad == "2.1.0":
            new[block] = {name: value for name, value in new[block].items() if name != key}
        else:
            new = updated(new, **{block: {key: new[block].get(key, default)}})
    return new


def arrays_of(product: Product) -> Arrays:
    """The arrays of a product under their official names and types."""
    if isinstance(product, Raw):
        names = ("data", "amp33", "resultantdq", "reference_read", "reference_amp33")
        found = {name: getattr(product, name) for name in names}
        return {name: value for name, value in found.items() if value is not None}
    if isinstance(product, Image):
        planes = {name: _typed(getattr(product, name), kind) for name, kind in PLANES.items()}
        return {**planes, **product.extras}
    if isinstance(product, Ramp):
        return _ramp_arrays(product)
    if isinstance(product, Mosaic):
        names = ("data", "err", "weight", "var_poisson", "var_rnoise")
        planes = {name: _typed(getattr(product, name), np.float32) for name in names}
        return {**planes, "context": _typed(product.context, np.uint32), **product.extras}
    if isinstance(product, Segmentation):
        return {"data": _typed(product.data, np.uint32)}
    raise InternalError(f"no file format for {type(product).__name__}")


def _ramp_arrays(ramp: Ramp) -> Arrays:
    """The arrays of a ramp; RAD wants the reference pixels even where none were set aside."""
    count = len(ramp.data)
    extras: Arrays = {"amp33": np.empty((count, 0, 0), np.uint16)}
    for side in ("left", "right", "top", "bottom"):
        extras[f"border_ref_pix_{side}"] = np.empty((count, 0, 0), np.float32)
        extras[f"dq_border_ref_pix_{side}"] = np.empty((0, 0), np.uint32)
    return {
        "data": _typed(ramp.data, np.float32),
        "groupdq": _typed(ramp.groupdq, np.uint8),
        "pixeldq": _typed(ramp.pixeldq, np.uint32),
        **extras,
        **ramp.extras,
    }


def _second_dq(arrays: Arrays, plane: str, rad: Generation) -> Arrays:
    """With the second flag plane that 2.2.0 added, or without it."""
    second = f"{plane}2"
    if rad == "2.1.0":
        return {name: value for name, value in arrays.items() if name != second}
    return {second: np.zeros_like(arrays[plane]), **arrays}


def _typed(values: NDArray[Any], kind: DTypeLike) -> NDArray[Any]:
    """``values`` as ``kind``, without what float16 would turn into infinity."""
    if kind is np.float16 and values.dtype != np.float16:
        largest = np.finfo(np.float16).max
        values = np.clip(values, -largest, largest)
    return np.asarray(values, kind)
