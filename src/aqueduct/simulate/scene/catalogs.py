"""Scenes from tables and back: any units, the official simulator's catalogs too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.config import nearest
from aqueduct.core.errors import InputError
from aqueduct.simulate.scene.columns import fluxes, integers, numbers
from aqueduct.simulate.scene.images import ImageTemplate
from aqueduct.simulate.scene.scene import (
    COLUMNS,
    EPOCH,
    GALAXY,
    KINDS,
    REFERENCE_TIME,
    STAR,
    Scene,
)
from aqueduct.simulate.scene.variability import light_curve

if TYPE_CHECKING:
    from astropy.table import Table

    from aqueduct.simulate.spectra import SourceSpectra

Floats = NDArray[np.float64]

UNITS: Final = {
    "ra": "deg",
    "dec": "deg",
    "radius": "arcsec",
    "position_angle": "deg",
    "bulge_radius": "arcsec",
    "pmra": "mas / yr",
    "pmdec": "mas / yr",
    "parallax": "mas",
    "rate_ra": "arcsec / h",
    "rate_dec": "arcsec / h",
}
"""Units of a scene's columns; the others are pure numbers. Fluxes are in nJy."""
_ALIASES: Final[dict[str, tuple[str, ...]]] = {
    "ra": ("alpha", "raj2000", "ra_icrs"),
    "dec": ("delta", "dej2000", "dec_icrs"),
    "kind": ("type",),
    "sersic": ("n", "sersic_index", "sersic_n"),
    "radius": ("half_light_radius", "hlr", "r_eff", "re"),
    "axis_ratio": ("ba", "q", "b_over_a"),
    "position_angle": ("pa", "orientation"),
    "pmra": ("pm_ra_cosdec", "pm_ra"),
    "pmdec": ("pm_dec",),
    "id": ("source_id",),
    "redshift": ("z",),
}
_KINDS: Final = {
    **{name: value for value, name in enumerate(KINDS)},
    **{"psf": STAR, "point": STAR, "ser": GALAXY, "sersic": GALAXY, "qso": KINDS.index("agn")},
}
_SPECTRAL: Final = ("redshift", "ebv", "galactic_ebv")
_SHAPE: Final = ("sersic", "radius", "axis_ratio")


def scene_from_table(table: Table, images: tuple[ImageTemplate, ...] = ()) -> Scene:
    """The sources of a table.

    Parameters
    ----------
    table : astropy.table.Table
        ``ra``, ``dec`` and a flux in at least one filter; optionally any other column of
        :class:`Scene`, by that name or a usual one (``half_light_radius``, ``n``, ``ba``,
        ``pa``). ``kind`` (or ``type``): star, galaxy, agn, image, PSF or SER; without it
        sources that have a radius are galaxies. Also ``template``, ``redshift``, ``ebv``,
        ``galactic_ebv``: spectra, scaled to the flux in F158, or in the first filter.
        Keywords of the table: ``epoch``, ``reference_time``, ``light_curves``.
    images : tuple of ImageTemplate
        What the column ``image`` counts.

    Raises
    ------
    InputError
        Naming the column, and the row if one is at fault.
    """
    names = {str(name).lower(): str(name) for name in table.colnames}
    columns: dict[str, Any] = {}
    for entry in COLUMNS:
        name = _found(entry, names)
        if name is None and entry in ("ra", "dec"):
            raise InputError(
                f"the table has no column {entry!r}",
                hint=f"it has: {', '.join(table.colnames)}",
            )
        if name is not None and entry != "kind":
            columns[entry] = numbers(table, name, UNITS.get(entry, ""))
    for entry in ("id", "image", "light_curve"):
        if entry in columns:
            columns[entry] = integers(columns[entry], entry)
    flux = fluxes(table, names)
    columns["kind"] = _kinds(table, _found("kind", names), columns.get("radius"))
    spectra = _spectra(table, names, flux)
    curves = tuple(light_curve(dict(values)) for values in table.meta.get("light_curves", ()))
    return Scene(
        **_filled(columns),
        flux=flux,
        epoch=float(table.meta.get("epoch", EPOCH)),
        reference_time=float(table.meta.get("reference_time", REFERENCE_TIME)),
        spectra=spectra,
        images=images,
        light_curves=curves,
    )


def scene_table(scene: Scene) -> Table:
    """All columns of a scene with their units, as :func:`scene_from_table` reads them.

    Images are not in it; light curves are a keyword, for what ``model_dump`` knows of them.
    """
    from astropy.table import Column, Table

    table = Table()
    for name in COLUMNS:
        values = getattr(scene, name)
        values = np.array(KINDS)[values] if name == "kind" else values
        table[name] = Column(values, unit=UNITS.get(name))
    for element, values in scene.flux.items():
        table[f"flux_{element.lower()}"] = Column(values, unit="nJy")
    if scene.spectra is not None:
        library = np.array(scene.spectra.library.names)
        table["template"] = library[scene.spectra.template]
        for name in _SPECTRAL:
            table[name] = getattr(scene.spectra, name)
    table.meta = {"epoch": scene.epoch, "reference_time": scene.reference_time}
    curves = [curve.model_dump() for curve in scene.light_curves if hasattr(curve, "model_dump")]
    if len(curves) < len(scene.light_curves):
        raise InputError("a light curve of this scene can't be written in a table")
    if curves:
        table.meta["light_curves"] = curves
    return table


def _found(entry: str, names: dict[str, str]) -> str | None:
    """The table's own name of a scene's column."""
    known = (entry, *_ALIASES.get(entry, ()))
    return next((names[name] for name in known if name in names), None)


def _filled(columns: dict[str, Any]) -> dict[str, Any]:
    """Masked motions and bulge shares become zero; only galaxies keep a shape."""
    zero = ("pmra", "pmdec", "parallax", "rate_ra", "rate_dec", "bulge_fraction")
    galaxy = columns["kind"] == GALAXY
    filled = dict(columns)
    for name, values in columns.items():
        if name in zero:
            filled[name] = np.where(np.isnan(values), 0.0, values)
        elif name in _SHAPE:
            filled[name] = np.where(galaxy, values, np.nan)
    return filled


def _kinds(table: Table, name: str | None, radius: Floats | None) -> NDArray[np.uint8]:
    if name is None:
        if radius is None:
            return np.full(len(table), STAR, np.uint8)
        return np.where(radius > 0, GALAXY, STAR).astype(np.uint8)
    values = np.asarray(table[name])
    if values.dtype.kind in "iu":
        return values.astype(np.uint8)
    texts = [value.decode() if isinstance(value, bytes) else str(value) for value in values]
    for row, value in enumerate(texts):
        if value.strip().lower() not in _KINDS:
            raise InputError(
                f"column {name!r}, row {row}: no kind {value!r}", hint=nearest(value, _KINDS)
            )
    return np.array([_KINDS[value.strip().lower()] for value in texts], np.uint8)


def _spectra(table: Table, names: dict[str, str], flux: dict[str, Floats]) -> SourceSpectra | None:
    """Spectra of the built-in templates, of the table's flux."""
    if "template" not in names:
        return None
    from aqueduct.simulate.spectra import SourceSpectra, builtin

    library = builtin()
    position = {name: k for k, name in enumerate(library.names)}
    wanted = [str(value) for value in table[names["template"]]]
    for row, value in enumerate(wanted):
        if value not in position:
            raise InputError(
                f"column 'template', row {row}: no template {value!r}",
                hint=nearest(value, position),
            )
    redshift, ebv, galactic = (
        np.zeros(len(table)) if name is None else numbers(table, name, "")
        for name in (_found(entry, names) for entry in _SPECTRAL)
    )
    template = np.array([position[value] for value in wanted], np.int32)
    bare = SourceSpectra(library, template, redshift, ebv, np.ones(len(table)), galactic)
    element = "F158" if "F158" in flux else next(iter(flux))
    return bare.normalised(element, flux[element])
