"""Products as FITS files, and back without loss.

Each array is an image extension (``data`` is SCI), with a TAN-SIP header fitted to the
WCS and the largest distance between the two. FITS has no half-precision numbers: they are
written as float32 and turned back when read. Everything else, gwcs and recipe included,
is the tree of the ASDF file, in the extension ASDF: one row of bytes. A catalog is a
binary table, with its metadata as JSON in the extension META.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.core.step import Product
from aqueduct.geometry.sip import Sip, cell_cards
from aqueduct.io import parquet
from aqueduct.io.asdf_read import built, product_form
from aqueduct.io.asdf_write import official_arrays, official_meta, tree_text
from aqueduct.io.atomic import atomic
from aqueduct.io.cutout import Cutout
from aqueduct.io.formats import Generation, of_model, of_product
from aqueduct.io.header import Header, header_of
from aqueduct.io.tree import ABSENT, DAMAGED, is_array, plain
from aqueduct.products import Catalog, Mosaic
from aqueduct.products.catalog import Kind

Card = tuple[str, Any, str]
"""Keyword, value, comment."""

MAX_RESIDUAL: Final = 0.01
"""Distance of SIP from gwcs, in pixels, above which a header is refused."""

_NAMES: Final = {"data": "SCI"}
_UNITS: Final = {"data": "DN/s", "err": "DN/s", "dumo": "DN/s"}
_SQUARED: Final = {"var_poisson", "var_rnoise", "var_flat"}
_TREE: Final = "ASDF"
_META: Final = "META"
_ROWS: Final = "CATALOG"
_FOREIGN: Final = "not an ASDF file, nor a FITS file that `aqueduct convert` wrote"

_KEYWORDS: Final = (
    ("TELESCOP", "telescope", ""),
    ("INSTRUME", "instrument.name", ""),
    ("DETECTOR", "instrument.detector", ""),
    ("FILTER", "instrument.optical_element", "optical element"),
    ("EXPTYPE", "exposure.type", "type of exposure"),
    ("DATE-BEG", "exposure.start_time", "[UTC] start of the exposure"),
    ("DATE-END", "exposure.end_time", "[UTC] end of the exposure"),
    ("EXPTIME", "exposure.effective_exposure_time", "[s] effective exposure time"),
    ("MATABLE", "exposure.ma_table_number", "multi-accumulation table"),
    ("VISITID", "observation.visit_id", ""),
    ("EXPOSURE", "observation.exposure", "number within the visit"),
    ("PHOTMJSR", "photometry.conversion_megajanskys", "[MJy/sr] of 1 DN/s"),
    ("PIXAR_SR", "photometry.pixel_area", "[sr] area of a pixel"),
    ("SKYCELL", "wcsinfo.skycell_name", "sky cell"),
)


def write_fits(
    product: Product,
    path: Path,
    rad: Generation = "2.1.0",
    recipe: Mapping[str, Any] | None = None,
    planes: Sequence[str] = (),
    max_residual: float = MAX_RESIDUAL,
) -> None:
    """Write a product of arrays to FITS.

    Parameters
    ----------
    product : Raw, Ramp, Image, Mosaic or Segmentation
    path : Path
    rad, recipe
        As for :func:`aqueduct.io.write`.
    planes : sequence of str
        Arrays to write, such as ``data``, ``err``, ``dq``; all by default. A file without
        some can't be turned back.
    max_residual : float
        Largest distance of the SIP header from the gwcs, in pixels, that is accepted.

    Raises
    ------
    InputError
        If a plane is not there, or SIP can't follow the gwcs that closely.
    OutputError, InternalError
        As :func:`aqueduct.io.write`.
    """
    arrays = official_arrays(product, rad)
    if unknown := set(planes) - set(arrays):
        raise InputError(
            f"has no plane {', '.join(sorted(unknown))}",
            where=str(path),
            hint=f"it has {', '.join(arrays)}",
        )
    with TemporaryDirectory() as scratch:
        tree = tree_text(product, arrays, Path(scratch) / path.name, rad, recipe)
    cards = _cards_of(product, path, max_residual)
    chosen = {name: values for name, values in arrays.items() if not planes or name in planes}
    _write([*_images(chosen, vars(product)["meta"], cards, path), _bytes(_TREE, tree)], path)


def write_cutout(cutout: Cutout, path: Path, max_residual: float = MAX_RESIDUAL) -> None:
    """Write a part of an image to FITS: its planes, WCS and main keywords."""
    shape = cutout.window.height, cutout.window.width
    cards = _sip_cards(cutout.wcs, shape, path, max_residual)
    cards += [
        ("CUTX0", cutout.window.column, "[pixel] first column of the cutout, from 0"),
        ("CUTY0", cutout.window.row, "[pixel] first row of the cutout, from 0"),
    ]
    _write(_images(cutout.planes, cutout.meta, cards, path), path)


def _images(
    arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], cards: list[Card], path: Path
) -> list[Any]:
    """The primary header and an image of each array; those on the sky have the WCS."""
    from astropy.io import fits

    made = [fits.PrimaryHDU(header=_header(_described(meta, path)))]
    sky = next(iter(arrays.values())).shape[-2:]
    for name, values in arrays.items():
        if values.size:
            on_sky = cards if values.shape[-2:] == sky else []
            made.append(_image(name, values, [*_unit(name, meta), *on_sky]))
    return made


def _write(extensions: list[Any], path: Path) -> None:
    from astropy.io import fits

    with atomic(path) as temporary:
        fits.HDUList(extensions).writeto(temporary)


def _cards_of(product: Any, path: Path, max_residual: float) -> list[Card]:
    """The header cards of a product's WCS: TAN of a sky cell, TAN-SIP of a detector."""
    if isinstance(product, Mosaic):
        return cell_cards(product.cell)
    wcs = getattr(product, "wcs", None)
    shape = np.shape(getattr(product, "data", ()))[-2:]
    return _sip_cards(wcs, shape, path, max_residual)


def _sip_cards(wcs: Any, shape: tuple[int, ...], path: Path, max_residual: float) -> list[Card]:
    """The header cards of a gwcs; none without one.

    Raises
    ------
    InputError
        If SIP is further than ``max_residual`` pixels from it.
    """
    if wcs is None:
        return []
    fitted = Sip.from_gwcs(wcs, (shape[0], shape[1]))
    if not fitted.error_pixels <= max_residual:
        raise InputError(
            f"SIP misses the gwcs by up to {fitted.error_pixels:.3g} pixel "
            f"({fitted.error_mas:.3g} mas), more than {max_residual:g}",
            where=str(path),
            hint="accept it with --max-residual, or stay with ASDF",
        )
    return fitted.cards()


def _described(meta: Mapping[str, Any], path: Path) -> Iterable[Card]:
    """The cards of the primary header: what archives and viewers look for."""
    yield "FILENAME", path.name, ""
    yield "ORIGIN", "Aqueduct", "complete metadata: extension ASDF"
    for keyword, place, comment in _KEYWORDS:
        value: Any = meta
        for key in place.split("."):
            value = value.get(key) if isinstance(value, Mapping) else None
        value = getattr(value, "isot", value)
        if isinstance(value, str | int | float) and value == value:
            yield keyword, value, comment


def _unit(name: str, meta: Mapping[str, Any]) -> list[Card]:
    """The BUNIT of a plane of an image."""
    if "skycell_name" in meta.get("wcsinfo", {}):
        unit = "MJy/sr" if name in ("data", "err") else "MJy2/sr2" if name in _SQUARED else ""
    elif "photometry" in meta:
        unit = "DN2/s2" if name in _SQUARED else _UNITS.get(name, "")
    else:
        unit = ""
    return [("BUNIT", unit, "")] if unit else []


def _header(cards: Iterable[Card]) -> Any:
    from astropy.io import fits

    return fits.Header([fits.Card(*card) for card in cards])


def _image(name: str, values: NDArray[Any], cards: list[Card]) -> Any:
    """An image extension that remembers what array it is."""
    from astropy.io import fits

    about = [
        ("PLANE", name, "array of the ASDF file"),
        ("NPTYPE", values.dtype.name, "its type there"),
    ]
    kind = {"float16": np.float32, "bool": np.uint8}.get(values.dtype.name, values.dtype)
    header = _header([*about, *cards])
    return fits.ImageHDU(values.astype(kind, copy=False), header, _NAMES.get(name, name.upper()))


def _bytes(name: str, content: bytes) -> Any:
    """A table of one row of bytes."""
    from astropy.io import fits

    row = np.frombuffer(content, np.uint8)[None]
    column = fits.Column(name, f"{row.size}B", array=row)
    return fits.BinTableHDU.from_columns([column], name=name)


def read_fits(path: Path) -> Product:
    """Read back what :func:`write_fits` wrote; see :func:`aqueduct.io.read`."""
    import asdf

    with _opened(path) as file, asdf.config_context() as config:
        if _META in file:
            return _catalog(file, path)
        config.validate_on_read = False
        with asdf.open(
            io.BytesIO(_text(file, _TREE, path)), lazy_load=True, lazy_tree=True
        ) as found:
            tree = found.tree["roman"]
            form = product_form(str(getattr(tree, "tag", "")), path)
            names = [str(name) for name, node in tree.items() if is_array(node)]
            shapes = {name: tuple(tree[name].shape) for name in names}
            meta = plain(tree["meta"], path)
            kinds = {name: np.dtype(tree[name].dtype) for name in names}
        stored = {hdu.header["PLANE"]: hdu for hdu in file if "PLANE" in hdu.header}
        arrays = {}
        for name in names:
            if name in stored:
                arrays[name] = stored[name].data.astype(kinds[name])
            elif 0 in shapes[name]:
                arrays[name] = np.empty(shapes[name], kinds[name])
    return built(form, arrays, meta, path)


def peek_fits(path: Path) -> Header:
    """The header of a FITS file; see :func:`aqueduct.io.peek`."""
    with _opened(path) as file:
        if _META in file:
            return parquet.header_of(parquet.loaded(_text(file, _META, path).decode()), path)
        return header_of(_text(file, _TREE, path), path)


def write_catalog(
    catalog: Catalog, path: Path, rad: Generation, recipe: Mapping[str, Any] | None
) -> None:
    """Write a catalog as a table: FITS, or one-way ECSV (``.ecsv``) or VOTable (``.xml``)."""
    from astropy.io import fits

    _, form = of_product(catalog)
    meta = official_meta(catalog.meta, path.name, form.model, rad, recipe)
    table = parquet.described_table(catalog.columns)
    for entry in table.itercols():
        if str(entry.unit) == "mag(AB)":  # a unit of neither standard; it stays in Parquet
            entry.unit = "mag"
    if path.suffix != ".fits":
        table.meta = {keyword: value for keyword, value, _ in _described(meta, path)}
        with atomic(path) as temporary:
            table.write(temporary, format={".ecsv": "ascii.ecsv", ".xml": "votable"}[path.suffix])
        return
    primary = fits.PrimaryHDU(header=_header(_described(meta, path)))
    rows = fits.table_to_hdu(table)
    rows.name = _ROWS
    _write([primary, rows, _bytes(_META, parquet.dumped(meta).encode())], path)


def _catalog(file: Any, path: Path) -> Catalog:
    """The catalog in a FITS file."""
    header = parquet.header_of(parquet.loaded(_text(file, _META, path).decode()), path)
    rows = file[_ROWS].data
    columns = {}
    for name in rows.names:
        values = np.asarray(rows[name])
        columns[name] = values.astype(values.dtype.newbyteorder("="))
    form = of_model(header.model)
    return Catalog(columns, header.meta, cast(Kind, form.kind if form else ""))


def _text(file: Any, name: str, path: Path) -> bytes:
    """The bytes in a table that :func:`_bytes` made."""
    if name not in file:
        raise InputError(_FOREIGN, where=str(path), hint="products are .asdf or .parquet files")
    return bytes(file[name].data[0][0].tobytes())


def _opened(path: Path) -> Any:
    from astropy.io import fits

    try:
        return fits.open(path, memmap=False)
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), hint=ABSENT) from error
    except OSError as error:
        raise InputError(f"{_FOREIGN}: {error}", where=str(path), hint=DAMAGED) from error
