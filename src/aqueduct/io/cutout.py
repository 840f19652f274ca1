"""A part of an image, read by byte ranges: from disk, over HTTP, or out of an object store.

Two requests at once give the place of every row (:mod:`aqueduct.io.planes`), and a second
round of them the rows; those near each other are fetched together. The index can be kept,
so that the next cutout of the same file begins with the rows.
"""

from __future__ import annotations

import bz2
import io
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.geometry.footprint import outline, s_region
from aqueduct.geometry.shifted import shifted_wcs
from aqueduct.io.asdf_write import no_reference_pixels
from aqueduct.io.header import OWN
from aqueduct.io.planes import Index, Plane, indexed
from aqueduct.io.ranges import Ranges, Span
from aqueduct.io.tree import DAMAGED, plain
from aqueduct.products import Image, Window
from aqueduct.products.image import PLANES as IMAGE_PLANES
from aqueduct.products.meta import Meta, updated
from aqueduct.products.window import BORDER

GAP: Final = 1 << 16
"""Bytes between two pieces below which they are fetched as one."""
_SPAN: Final = 4 << 20
"""Bytes of one request above which it is split, for several to be under way at once."""

PLANES: Final = ("data", "err", "dq")


@dataclass(frozen=True, eq=False)
class Cutout:
    """A part of an image.

    Attributes
    ----------
    planes : dict of str to ndarray, (..., row, column)
    window : Window
        Of the array as stored.
    meta : dict
        Of the image; ``wcsinfo.s_region`` is that of the part.
    wcs : gwcs.WCS or None
        Of the part.
    requests, moved : int
        Requests made, and bytes that came.
    """

    planes: dict[str, NDArray[Any]]
    window: Window
    meta: Meta
    wcs: Any
    requests: int
    moved: int

    def image(self) -> Image:
        """The cutout as an image, for which all its planes have to be there.

        Raises
        ------
        InputError
            If some are missing.
        """
        if missing := [name for name in IMAGE_PLANES if name not in self.planes]:
            raise InputError(f"the cutout has no {', '.join(missing)}, which an image needs")
        area = replace(
            self.window, row=self.window.row + BORDER, column=self.window.column + BORDER
        )
        planes: dict[str, Any] = {name: self.planes[name] for name in IMAGE_PLANES}
        extras = no_reference_pixels(0)
        return Image(**planes, meta=self.meta, window=area, wcs=self.wcs, extras=extras)


def cutout(
    location: str | Path,
    where: Window | tuple[float, float, int],
    planes: Sequence[str] = PLANES,
    *,
    index: Index | None = None,
    gap: int = GAP,
) -> Cutout:
    """Read a part of an image.

    Parameters
    ----------
    location : str or Path
        As for :func:`index`.
    where : Window or (ra, dec, size)
        Of the array as stored; or the pixel nearest to a direction (ICRS degrees) in the
        middle of ``size`` x ``size`` pixels. What lies off the image is cut away.
    planes : sequence of str
    index : Index, optional
        Of the file; read from it by default.
    gap : int
        Bytes between two rows up to which they are fetched as one. 0 moves the fewest
        bytes, with a request for each row.

    Returns
    -------
    Cutout

    Raises
    ------
    InputError
        As :func:`index`; also if a plane is not there or the window is off the image.
    """
    source = Ranges(str(location))
    known = index or indexed(source)
    chosen = _chosen(known, planes, source.location)
    meta = dict(_meta(known.tree, Path(source.location)))
    wcs = meta.pop("wcs", None)
    window = _window(where, wcs, next(iter(chosen.values())).shape[-2:], source.location)
    arrays = _read(source, chosen, window, gap)
    if wcs is not None:
        shape = window.height, window.width
        wcs = shifted_wcs(wcs, window.column, window.row, shape)
        meta = updated(meta, wcsinfo={"s_region": s_region(*outline(wcs, shape))})
    return Cutout(arrays, window, meta, wcs, source.requests, source.moved)


def _chosen(known: Index, planes: Sequence[str], where: str) -> dict[str, Plane]:
    missing = [name for name in planes if name not in known.planes]
    if missing or not planes:
        raise InputError(
            f"has no plane {', '.join(missing)}",
            where=where,
            hint=f"it has {', '.join(known.planes)}",
        )
    chosen = {name: known.planes[name] for name in planes}
    if len({plane.shape[-2:] for plane in chosen.values()}) > 1:
        raise InputError("the planes asked for differ in size", where=where)
    return chosen


@lru_cache(maxsize=4)
def _meta(tree: str, path: Path) -> Meta:
    """The metadata in the tree, WCS included; kept, as one image is cut many times."""
    import asdf

    with asdf.config_context() as config:
        config.validate_on_read = False
        stream = io.BytesIO(tree.encode() + b"\n")
        with asdf.open(stream, lazy_load=True, lazy_tree=True) as file:
            meta: Meta = plain(file.tree["roman"]["meta"], path)
    meta.pop(OWN, None)
    return meta


def _window(
    where: Window | tuple[float, float, int], wcs: Any, shape: tuple[int, ...], location: str
) -> Window:
    """The part of the array that is asked for."""
    whole = Window(0, 0, *shape)
    if not isinstance(where, Window):
        if wcs is None:
            raise InputError("has no WCS to find a direction with", where=location)
        ra, dec, size = where
        x, y = (float(value) for value in wcs.invert(ra, dec, with_bounding_box=False))
        if not math.isfinite(x + y):
            raise InputError(f"ra {ra}, dec {dec} is off the image", where=location)
        where = Window(round(y) - (size - 1) // 2, round(x) - (size - 1) // 2, size, size)
    window = where.overlap(whole)
    if not window.height or not window.width:
        raise InputError(
            "the part asked for is off the image",
            where=location,
            hint=f"it has {shape[0]} rows and {shape[1]} columns",
        )
    return window


def _read(
    source: Ranges, planes: Mapping[str, Plane], window: Window, gap: int
) -> dict[str, NDArray[Any]]:
    """The planes' parts: one round of requests for all."""
    spans: list[Span] = []
    counts = []
    for plane in planes.values():
        wanted = list(_spans(plane, window, gap))
        counts.append(len(wanted))
        spans += wanted
    parts = iter(zip(spans, source.fetch(spans), strict=True))
    return {
        name: _assembled(plane, window, [next(parts) for _ in range(count)], source.location)
        for (name, plane), count in zip(planes.items(), counts, strict=True)
    }


def _spans(plane: Plane, window: Window, gap: int) -> Iterator[Span]:
    """The ranges to fetch for a plane's part: rows joined over gaps, long ranges split."""
    if plane.compression:
        yield plane.start, plane.start + plane.used
        return
    size, (rows, columns) = np.dtype(plane.kind).itemsize, plane.shape[-2:]
    wide = window.width * size
    joined = max(_SPAN // (columns * size), 1) if columns * size - wide <= gap else 1
    for layer in range(math.prod(plane.shape[:-2])):
        for row in range(window.row, window.row + window.height, joined):
            last = min(row + joined, window.row + window.height) - 1
            first = plane.start + ((layer * rows + row) * columns + window.column) * size
            yield first, first + (last - row) * columns * size + wide


def _assembled(
    plane: Plane, window: Window, parts: Sequence[tuple[Span, bytes]], where: str
) -> NDArray[Any]:
    """The part of a plane, in native byte order, from the ranges fetched for it."""
    kind = np.dtype(plane.kind)
    if any(len(content) != stop - start for (start, stop), content in parts):
        raise InputError("ends before its arrays do", where=where, hint=DAMAGED)
    if plane.compression:
        content = _unpacked(parts[0][1], plane, where)
        whole = np.frombuffer(content, kind).reshape(plane.shape)
        part = whole[(..., *window.within(Window(0, 0, *plane.shape[-2:])))]
        return part.astype(kind.newbyteorder("="))
    columns = plane.shape[-1]
    pieces = [
        np.lib.stride_tricks.as_strided(
            values := np.frombuffer(content, kind),
            (-(-values.size // columns), window.width),
            (columns * kind.itemsize, kind.itemsize),
            writeable=False,
        )
        for _, content in parts
    ]
    shape = (*plane.shape[:-2], window.height, window.width)
    return np.concatenate(pieces).reshape(shape).astype(kind.newbyteorder("="))


def _unpacked(content: bytes, plane: Plane, where: str) -> bytes:
    """The bytes of a compressed block."""
    if plane.compression == "zlib":
        return zlib.decompress(content)
    if plane.compression == "bzp2":
        return bz2.decompress(content)
    if plane.compression != "lz4":
        raise InputError(f"is compressed with {plane.compression}", where=where)
    import lz4.block

    pieces, start = [], 0
    while start < len(content):  # pieces, each after its length
        stop = start + 4 + int.from_bytes(content[start : start + 4], "big")
        pieces.append(lz4.block.decompress(content[start + 4 : stop]))
        start = stop
    return b"".join(pieces)
