"""Catalog columns and their flags as data: each declared once.

Names, units, types and descriptions follow RAD (``source_catalog_columns``, the same for
both schema generations in use); UCDs are added. A column measured in every filter is
declared with ``{}`` where its name takes the filter: ``kron{}_flux`` is ``kron_flux`` in
the catalog of one image and ``kron_f158_flux`` in that of several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from aqueduct.core.config import nearest
from aqueduct.core.dq import Flag
from aqueduct.core.errors import InputError
from aqueduct.products.catalog import Kind

APERTURES: Final[dict[str, float]] = {"01": 0.1, "02": 0.2, "04": 0.4, "08": 0.8, "16": 1.6}
"""Radii of the circular apertures in arcsec, by their name in the columns."""

ANNULUS: Final = (2.4, 2.8)
"""Radii of the local background's annulus, arcsec."""


@dataclass(frozen=True)
class Column:
    """One column of a catalog.

    Attributes
    ----------
    name : str
        ``{}`` stands where the filter goes (``_f158``, or nothing).
    unit : str
        As RAD spells it; ``none`` where there is none.
    dtype : str
        numpy name.
    ucd : str
        IVOA Unified Content Descriptor.
    description : str
    error : str
        The column that holds its standard error.
    optional : bool
        Whether the official schema can do without it.
    """

    name: str
    unit: str
    dtype: str
    ucd: str
    description: str
    error: str = ""
    optional: bool = False

    @property
    def by_band(self) -> bool:
        """Whether each filter has its own."""
        return "{}" in self.name

    def of(self, band: str) -> Column:
        """The column of one filter; of the only one if ``band`` is empty."""
        suffix = f"_{band.lower()}" if band else ""
        return replace(self, name=self.name.format(suffix), error=self.error.format(suffix))


_PIXEL = "pos.cartesian"
_IN_SEGMENT = "from moments of the source's segment"
_SKY_ERROR = "stat.error;pos.eq"


def _position(ending: str, text: str, optional: bool = False) -> list[Column]:
    """Pixel and sky position of one kind, with errors."""
    names = {axis: f"{axis}{ending}" for axis in ("x", "y", "ra", "dec")}
    # The filter comes before "_err", so an error's name is not simply a longer name.
    return [
        *(
            Column(names[axis], "pix", "float32", f"{_PIXEL}.{axis}", f"{word} {text}",
                   f"{names[axis]}_err", optional)
            for axis, word in (("x", "Column"), ("y", "Row"))
        ),
        *(
            Column(f"{names[axis]}_err", "pix", "float32", f"stat.error;{_PIXEL}.{axis}",
                   f"Standard error of {axis}{ending.format('')}", optional=optional)
            for axis in ("x", "y")
        ),
        *(
            Column(names[axis], "deg", "float64", f"pos.eq.{axis}", f"{word} (ICRS) {text}",
                   f"{names[axis]}_err", optional)
            for axis, word in (("ra", "Right ascension"), ("dec", "Declination"))
        ),
        *(
            Column(f"{names[axis]}_err", "arcsec", "float32", f"{_SKY_ERROR}.{axis}",
                   f"Standard error of {axis}{ending.format('')}, along a great circle",
                   optional=optional)
            for axis in ("ra", "dec")
        ),
    ]  # fmt: skip


def _flux(
    name: str, ucd: str, text: str, unit: str = "nJy", optional: bool = False
) -> list[Column]:
    """A flux and its error."""
    error = f"{name}_err"
    return [
        Column(name, unit, "float32", ucd, text, error, optional),
        Column(error, unit, "float32", f"stat.error;{ucd}",
               f"Standard error of {name.format('')}: shared noise and background included",
               optional=optional),
    ]  # fmt: skip


COLUMNS: Final[tuple[Column, ...]] = (
    Column("label", "none", "int32", "meta.id;meta.main",
           "Label of the source in the segmentation map"),
    Column("flagged_spatial_id", "none", "int64", "meta.id",
           "Bits: 59 outside the cell's core, 46-58 projection region, 39-45 cell y, 32-38 cell "
           "x, 16-31 y and 0-15 x in pixels of 0.05 arcsec; 0 on Level 2 images"),
    *_position("_centroid", f"centroid {_IN_SEGMENT} (0-based)"),
    *_position("_centroid_win", "centroid under a Gaussian window (0-based)"),
    Column("ra", "deg", "float64", "pos.eq.ra;meta.main",
           "Best right ascension (ICRS): PSF fit for point sources, else windowed centroid"),
    Column("dec", "deg", "float64", "pos.eq.dec;meta.main",
           "Best declination (ICRS): PSF fit for point sources, else windowed centroid"),
    Column("bbox_xmin", "none", "int32", "pos.cartesian.x;stat.min",
           "First column of the segment (0-based)"),
    Column("bbox_xmax", "none", "int32", "pos.cartesian.x;stat.max",
           "Last column of the segment (0-based)"),
    Column("bbox_ymin", "none", "int32", "pos.cartesian.y;stat.min",
           "First row of the segment (0-based)"),
    Column("bbox_ymax", "none", "int32", "pos.cartesian.y;stat.max",
           "Last row of the segment (0-based)"),
    Column("segment_area", "arcsec^2", "float32", "phys.angArea", "Area of the segment"),
    Column("semimajor", "arcsec", "float32", "phys.angSize.smajAxis",
           f"Standard deviation along the major axis {_IN_SEGMENT}"),
    Column("semiminor", "arcsec", "float32", "phys.angSize.sminAxis",
           f"Standard deviation along the minor axis {_IN_SEGMENT}"),
    Column("fwhm", "arcsec", "float32", "phys.angSize",
           "2 sqrt(ln(2) (semimajor^2 + semiminor^2))"),
    Column("ellipticity", "none", "float32", "src.ellipticity", "1 - semiminor / semimajor"),
    Column("orientation_pix", "deg", "float32", "pos.posAng",
           "Angle from +x to the major axis, counter-clockwise"),
    Column("orientation_sky", "deg", "float32", "pos.posAng;pos.eq",
           "Position angle of the major axis, from north through east"),
    Column("cxx", "1/arcsec2", "float32", "src.morph.param",
           "Coefficient of x^2 in the equation of the ellipse of semimajor and semiminor"),
    Column("cxy", "1/arcsec2", "float32", "src.morph.param",
           "Coefficient of x y in that equation"),
    Column("cyy", "1/arcsec2", "float32", "src.morph.param",
           "Coefficient of y^2 in that equation"),
    Column("kron_radius", "arcsec", "float32", "phys.angSize",
           "First moment of the elliptical radius, along the major axis"),
    Column("nn_label", "none", "int32", "meta.id", "Label of the nearest other source"),
    Column("nn_distance", "arcsec", "float32", "pos.angDistance",
           "Distance to the nearest other source"),
    *_position("_psf{}", "position of the PSF fit (0-based)", optional=True),
    Column("sharpness{}", "none", "float32", "src.morph.param",
           "DAOFIND sharpness: centre above its surroundings, over the best Gaussian's height"),
    Column("roundness1{}", "none", "float32", "src.morph.param",
           "DAOFIND roundness from symmetry under a quarter turn; 0 if round"),
    Column("is_extended{}", "none", "bool", "src.class.starGalaxy",
           "Whether it is broader than a point source by more than its noise"),
    Column("fluxfrac_radius_50{}", "arcsec", "float32", "phys.angSize",
           "Radius of the circle about the centroid with half of the Kron flux"),
    *_flux("aper_bkg{}_flux", "phot.flux.density.sb;instr.background",
           "Median of the annulus from 2.4 to 2.8 arcsec, left by the background's subtraction",
           unit="nJy arcsec-2"),
    *(
        column
        for name, radius in APERTURES.items()
        for column in _flux(f"aper{name}{{}}_flux", "phot.flux.density",
                            f"Flux within a circle of radius {radius} arcsec; not corrected to "
                            "total")
    ),
    *_flux("segment{}_flux", "phot.flux.density", "Flux within the segment"),
    *_flux("kron{}_flux", "phot.flux.density", "Flux within the elliptical Kron aperture"),
    Column("kron{}_abmag", "mag(AB)", "float32", "phot.mag", "AB magnitude of kron_flux",
           "kron{}_abmag_err"),
    Column("kron{}_abmag_err", "mag(AB)", "float32", "stat.error;phot.mag",
           "Standard error of kron_abmag"),
    *_flux("psf{}_flux", "phot.flux.density", "Total flux of the PSF fit", optional=True),
    Column("warning_flags", "none", "int32", "meta.code.qual", "Bits of WARNING_FLAGS; 0 is good"),
    Column("image_flags", "none", "int32", "meta.code.qual",
           "DQ flags of the segment's pixels, bits 0 to 30, joined"),
    Column("psf_flags{}", "none", "int32", "meta.code.qual", "Bits of PSF_FLAGS; 0 is good",
           optional=True),
    Column("psf_gof{}", "none", "float32", "stat.fit.chi2", "Reduced chi-square of the PSF fit",
           optional=True),
    Column("dust_ebv", "mag", "float32", "phot.color.excess",
           "Galactic E(B-V); NaN where no dust map was given"),
)  # fmt: skip

UNUSABLE: Final = 1 << 0
MASKED: Final = 1 << 1
EDGE: Final = 1 << 2
BLENDED: Final = 1 << 3
NOT_WINDOWED: Final = 1 << 4
WARNING_FLAGS: Final[tuple[Flag, ...]] = (
    Flag(0, "UNUSABLE", "The centroid is not finite, or lies on a pixel not used or off the image"),
    Flag(1, "MASKED", "Pixels not used lie in the segment or the 0.4 arcsec aperture"),
    Flag(2, "EDGE", "The segment touches the edge of the image"),
    Flag(3, "BLENDED", "The segment touches that of another source"),
    Flag(4, "NOT_WINDOWED", "The windowed centroid was not found; it repeats the centroid"),
)
"""Bits of ``warning_flags``; bit 0 is the one the official tools know."""

PSF_MASKED: Final = 1 << 0
PSF_OFF_IMAGE: Final = 1 << 1
PSF_NEGATIVE: Final = 1 << 2
PSF_NOT_CONVERGED: Final = 1 << 3
PSF_SINGULAR: Final = 1 << 4
PSF_FEW_PIXELS: Final = 1 << 8
PSF_FLAGS: Final[tuple[Flag, ...]] = (
    Flag(0, "PSF_MASKED", "Fewer pixels than the full window were fitted"),
    Flag(1, "PSF_OFF_IMAGE", "The fitted position lies off the image"),
    Flag(2, "PSF_NEGATIVE", "The fitted flux is not positive"),
    Flag(3, "PSF_NOT_CONVERGED", "The fit did not converge, or left the window"),
    Flag(4, "PSF_SINGULAR", "No covariance could be had; errors are NaN"),
    Flag(8, "PSF_FEW_PIXELS", "Too few pixels to fit; nothing was fitted"),
)
"""Bits of ``psf_flags``: those of photutils that apply."""


def columns(kind: Kind, bands: Sequence[str] = (), psf: bool = True) -> list[Column]:
    """The columns of a catalog, in order.

    Parameters
    ----------
    kind : {"image", "mosaic", "multiband"}
    bands : sequence of str
        Optical elements, such as ``F158``; needed if and only if ``kind`` is multiband.
    psf : bool
        Whether the optional columns of PSF photometry are among them.

    Raises
    ------
    InputError
        If bands are missing, repeated, or given for one band.
    """
    several = kind == "multiband"
    if several != bool(bands) or len(set(bands)) != len(bands):
        raise InputError(
            f"a catalog of kind {kind!r} with bands {', '.join(bands) or 'none'}",
            hint="give each band of a multiband catalog once, and none for the other kinds",
        )
    wanted = [column for column in COLUMNS if psf or not column.optional]
    common = [column for column in wanted if not column.by_band]
    each = [column for column in wanted if column.by_band]
    if not several:
        return [column.of("") for column in wanted]
    return common + [column.of(band) for band in bands for column in each]


def column(name: str) -> Column:
    """The declaration of a column by its name, with or without a filter.

    Raises
    ------
    InputError
        If there is no such column.
    """
    for declared in COLUMNS:
        head, braces, tail = declared.name.partition("{}")
        if not braces:
            if name == head:
                return declared
        elif name.startswith(head) and name.endswith(tail) and len(name) >= len(head + tail):
            band = name[len(head) : len(name) - len(tail)]
            if not band or (len(band) == 5 and band.startswith("_f") and band[2:].isdigit()):
                return declared.of(band[1:])
    known = (declared.name.format("") for declared in COLUMNS)
    raise InputError(f"no catalog column {name!r}", hint=nearest(name, known))
