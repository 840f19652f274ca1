"""Products into ASDF files of either schema generation."""

from __future__ import annotations

import json
import re
import sys
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
from aqueduct.io.layout import write_file
from aqueduct.io.tree import datamodels, quick_yaml
from aqueduct.products import Image, Mosaic, Ramp, Raw, Segmentation, Wcs
from aqueduct.products.image import PLANES
from aqueduct.products.meta import Meta, updated

Arrays = dict[str, NDArray[Any]]

_EXTENSIONS = re.compile(rb"^history:\n  extensions:\n((?:  .*\n)+)", re.MULTILINE)
_HEAD = 1 << 16
"""Bytes from the start of a file within which its history ends."""

_ARRAY = "tag:stsci.edu:asdf/core/ndarray-1.1.0"

_SECOND_DQ = {"wfi_image": "dq", "ramp": "pixeldq"}
"""Formats whose flags have a second plane since 2.2.0, and the first one's name."""


def write_product(
    product: Product,
    path: Path,
    rad: Generation,
    recipe: Mapping[str, Any] | None,
    source: Path | None = None,
) -> None:
    """Write a product to an ASDF file; see :func:`aqueduct.io.write` and ``revise``."""
    arrays = official_arrays(product, rad)
    with atomic(path) as temporary:
        write_file(temporary, tree_text(product, arrays, temporary, rad, recipe), arrays, source)


def official_arrays(product: Product, rad: Generation) -> Arrays:
    """The arrays of a product that a file of one schema generation holds, in order."""
    name, _ = of_product(product)
    arrays = arrays_of(product)
    return _second_dq(arrays, _SECOND_DQ[name], rad) if name in _SECOND_DQ else arrays


def tree_text(
    product: Product,
    arrays: Arrays,
    path: Path,
    rad: Generation,
    recipe: Mapping[str, Any] | None,
) -> bytes:
    """The text of a product's ASDF file, in which array k is said to be in block k.

    The arrays are described and validated, but not touched: asdf would hash every one,
    which costs seven times the writing. ``path`` is written to on the way.
    """
    with named_errors(path), quick_yaml():
        model = _model(product, path, rad, recipe)
        for number, (name, values) in enumerate(arrays.items()):
            model[name] = _described(values, number)
        model.to_asdf(path, all_array_compression=None, all_array_storage="inline")
    return _sorted_extensions(path.read_bytes())


def _described(values: NDArray[Any], block: int) -> Any:
    """The node of a tree for an array in some block."""
    from asdf.tagged import TaggedDict

    kind = values.dtype.name
    about = {
        "source": block,
        "datatype": "bool8" if kind == "bool" else kind,
        "byteorder": sys.byteorder,
        "shape": list(values.shape),
    }
    return TaggedDict(about, _ARRAY)


def load_schemas(kind: type[Product], rad: Generation) -> None:
    """Load the libraries and schemas that writing a product of some kind takes.

    They take seconds, which a thread of its own can spend while the product is made.
    """
    name, form = next(item for item in FORMATS.items() if item[1].product is kind)
    with quick_yaml():
        getattr(datamodels(), form.model).create_minimal(tag=full_tag(name, rad))


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
        with temporary.open("r+b") as stream:
            head = stream.read(_HEAD)
            stream.seek(0)
            stream.write(_sorted_extensions(head))


def _sorted_extensions(head: bytes) -> bytes:
    """The beginning of a file with the extensions it names in order.

    asdf writes them as a set happens to give them, which differs from process to process:
    the same content would have another digest. Their text only changes places.
    """
    found = _EXTENSIONS.search(head)
    if found is None:
        return head
    entries = sorted(re.split(rb"(?m)^(?=  - )", found[1]))
    return head[: found.start(1)] + b"".join(entries) + head[found.end(1) :]


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
    name, form = of_product(product)
    model = getattr(datamodels(), form.model).create_minimal(tag=full_tag(name, rad))
    meta = official_meta(product.meta, path.name, form.model, rad, recipe)
    wcs = getattr(product, "wcs", None)
    # RAD wants the key even of an image that has no WCS yet.
    model["meta"] = {**meta, "wcs": wcs} if isinstance(product, Image) or wcs else meta
    if isinstance(product, Wcs):
        model["wcs_l2"], model["wcs_l1"] = product.wcs_l2, product.wcs_l1
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
        jumps = {} if product.jumps is None else {"jump_indices": product.jumps}
        return {**planes, **product.extras, **jumps}
    if isinstance(product, Ramp):
        return _ramp_arrays(product)
    if isinstance(product, Mosaic):
        names = ("data", "err", "weight", "var_poisson", "var_rnoise")
        planes = {name: _typed(getattr(product, name), np.float32) for name in names}
        return {**planes, "context": _typed(product.context, np.uint32), **product.extras}
    if isinstance(product, Segmentation):
        return {"data": _typed(product.data, np.uint32)}
    if isinstance(product, Wcs):
        return {}
    raise InternalError(f"no file format for {type(product).__name__}")


def _ramp_arrays(ramp: Ramp) -> Arrays:
    """The arrays of a ramp."""
    return {
        "data": _typed(ramp.data, np.float32),
        "groupdq": _typed(ramp.groupdq, np.uint8),
        "pixeldq": _typed(ramp.pixeldq, np.uint32),
        **no_reference_pixels(len(ramp.data)),
        **ramp.extras,
    }


def no_reference_pixels(count: int) -> Arrays:
    """Empty reference pixels of ``count`` resultants: RAD wants them where there are none."""
    extras: Arrays = {"amp33": np.empty((count, 0, 0), np.uint16)}
    for side in ("left", "right", "top", "bottom"):
        extras[f"border_ref_pix_{side}"] = np.empty((count, 0, 0), np.float32)
        extras[f"dq_border_ref_pix_{side}"] = np.empty((0, 0), np.uint32)
    return extras


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
