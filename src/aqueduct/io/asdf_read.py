"""Products out of ASDF files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.core.step import Product
from aqueduct.io.formats import FORMATS, Format, tag_name
from aqueduct.io.header import OWN, WCS_KEYS, peek
from aqueduct.io.layout import mapped
from aqueduct.io.planes import index
from aqueduct.io.tree import DAMAGED, array, is_array, opened, plain
from aqueduct.products import Image, Mosaic, Ramp, Raw, Segmentation, SkyCell, Wcs, Window
from aqueduct.products.image import PLANES
from aqueduct.products.meta import Meta
from aqueduct.products.window import BORDER

Arrays = dict[str, NDArray[Any]]

_WCS = "stsci.edu:gwcs/"
"""In the tree of a file that holds one."""


def read_product(path: Path) -> Product:
    """Read the product in an ASDF file; see :func:`aqueduct.io.read`."""
    raw = _plain_raw(path)
    if raw is not None:
        return raw
    with opened(path) as tree:
        form = product_form(str(getattr(tree, "tag", "")), path)
        nodes = {str(name): node for name, node in tree.items()}
        arrays = {name: array(node, path) for name, node in nodes.items() if is_array(node)}
        arrays |= {name: nodes[name] for name in WCS_KEYS if name in nodes}
        meta = plain(tree["meta"], path)
    return built(form, arrays, meta, path)


def _plain_raw(path: Path) -> Raw | None:
    """Level 1 without the asdf library, which takes over a second to load its extensions.

    None for any other file, and for one that is compressed, has a WCS or is damaged.
    """
    try:
        header = peek(path)
        if header.product is not Raw:
            return None
        found = index(path)
    except InputError:
        return None
    planes, size = found.planes, path.stat().st_size
    if _WCS in found.tree or any(
        each.compression or not np.dtype(each.kind).isnative or each.start + each.used > size
        for each in planes.values()
    ):
        return None
    arrays = {
        name: mapped(path, np.dtype(each.kind), each.start, each.shape)
        for name, each in planes.items()
    }
    return _raw(arrays, header.meta, "") if {"data", "amp33"} <= set(arrays) else None


def product_form(tag: str, path: Path) -> Format:
    """The format of the product that ``tag`` marks.

    Raises
    ------
    InputError
        If it marks something else.
    """
    form = FORMATS.get(tag_name(tag))
    if form is None or form.product not in _BUILDERS:
        raise InputError(
            f"holds {tag_name(tag) or 'an unknown kind of file'}, not a product",
            where=str(path),
            hint=f"products are {', '.join(FORMATS)}",
        )
    return form


def built(form: Format, arrays: Arrays, meta: Meta, path: Path) -> Product:
    """The product of these arrays and metadata, which are taken over."""
    meta.pop(OWN, None)
    try:
        return _BUILDERS[form.product](arrays, meta, form.kind)
    except KeyError as error:
        raise InputError(f"lacks {error}", where=str(path), hint=DAMAGED) from error


def _raw(arrays: Arrays, meta: Meta, kind: str) -> Raw:
    return Raw(
        data=arrays["data"],
        amp33=arrays["amp33"],
        meta=meta,
        window=Window(0, 0, *arrays["data"].shape[-2:]),
        resultantdq=arrays.get("resultantdq"),
        reference_read=arrays.get("reference_read"),
        reference_amp33=arrays.get("reference_amp33"),
    )


_RAMP = ("data", "groupdq", "pixeldq", "pixeldq2")


def _ramp(arrays: Arrays, meta: Meta, kind: str) -> Ramp:
    return Ramp(
        data=arrays["data"],
        groupdq=arrays["groupdq"],
        pixeldq=arrays["pixeldq"],
        meta=meta,
        window=Window(0, 0, *arrays["data"].shape[-2:]),
        extras={name: value for name, value in arrays.items() if name not in _RAMP},
    )


def _image(arrays: Arrays, meta: Meta, kind: str) -> Image:
    if "var_rnoise" not in arrays:
        others = [arrays[name] for name in ("var_poisson", "var_flat") if name in arrays]
        arrays["var_rnoise"] = rebuilt_var_rnoise(arrays["err"], others)
    planes: dict[str, Any] = {name: arrays[name] for name in PLANES}
    jumps = arrays.pop("jump_indices", None)
    return Image(
        **planes,
        meta=meta,
        wcs=meta.pop("wcs", None),
        window=Window(BORDER, BORDER, *planes["data"].shape),
        extras={name: value for name, value in arrays.items() if name not in PLANES},
        jumps=jumps,
    )


def rebuilt_var_rnoise(err: NDArray[Any], others: list[NDArray[Any]]) -> NDArray[np.float16]:
    """Read-noise variance of an official file that leaves it out: err^2 - the other variances.

    The planes are rounded to 11 bits, so that the difference is lost where read noise is
    a small part of the total. There the median of the other pixels takes its place.
    """
    total = np.square(err, dtype=np.float32)
    rest = total - sum(other.astype(np.float32) for other in others)
    known = rest > total * 2.0**-8  # four times the rounding of the terms
    typical = np.median(rest[known]) if known.any() else np.float32(0)
    return np.where(known | ~np.isfinite(rest), rest, typical).astype(np.float16)


_MOSAIC_PLANES = ("data", "err", "weight", "var_poisson", "var_rnoise", "context")


def _mosaic(arrays: Arrays, meta: Meta, kind: str) -> Mosaic:
    planes = {name: arrays[name] for name in _MOSAIC_PLANES}
    return Mosaic(
        **planes,
        cell=cell_of(meta, planes["data"].shape[0]),
        meta=meta,
        wcs=meta.pop("wcs", None),
        extras={name: value for name, value in arrays.items() if name not in planes},
    )


def cell_of(meta: Meta, pixels: int) -> SkyCell:
    """The sky cell that ``meta.wcsinfo`` of a co-add describes."""
    info = meta["wcsinfo"]
    return SkyCell(
        name=info["skycell_name"],
        ra_projection=info["ra_ref"],
        dec_projection=info["dec_ref"],
        x0=info["x_ref"],
        y0=info["y_ref"],
        ra_center=info["ra"],
        dec_center=info["dec"],
        orientation=info["orientation"],
        pixels=pixels,
        scale=info["pixel_scale_ref"],
    )


def _segmentation(arrays: Arrays, meta: Meta, kind: Any) -> Segmentation:
    return Segmentation(arrays["data"], meta, kind, meta.pop("wcs", None))


def _wcs(arrays: Mapping[str, Any], meta: Meta, kind: str) -> Wcs:
    return Wcs(meta, *(arrays[name] for name in WCS_KEYS))


_BUILDERS: dict[type[Product], Callable[[Arrays, Meta, str], Product]] = {
    Raw: _raw,
    Ramp: _ramp,
    Image: _image,
    Mosaic: _mosaic,
    Segmentation: _segmentation,
    Wcs: _wcs,
}
