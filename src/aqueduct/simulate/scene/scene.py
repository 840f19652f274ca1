"""A piece of sky: where its sources are, how bright, of what shape, at any time.

Positions hold at ``epoch``, seen from the barycentre of the solar system. At another time
a source has moved on the plane tangent to its place by

    xi  = dt mu_ra* - plx (r . e) + s rate_ra
    eta = dt mu_dec - plx (r . n) + s rate_dec

with e and n the unit vectors to the east and north there, r the barycentric place of the
Earth in au, dt the years since ``epoch`` (Lindegren et al. 2012, A&A 538, A78, section 3,
without radial motion) and s the hours since ``reference_time`` (solar-system objects).
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqueduct.core.errors import InputError
from aqueduct.instrument.filters import njy_per_electron
from aqueduct.simulate.scene.images import ImageTemplate
from aqueduct.simulate.scene.motion import displaced
from aqueduct.simulate.scene.variability import LightCurve

if TYPE_CHECKING:
    from aqueduct.simulate.spectra import SourceSpectra

Floats = NDArray[np.float64]

STAR: Final = 0
GALAXY: Final = 1
AGN: Final = 2
IMAGE: Final = 3
KINDS: Final = ("star", "galaxy", "agn", "image")
"""Names of the values of ``kind``."""
EPOCH: Final = 2016.0
"""Julian year of the positions: that of Gaia DR3."""
SERSIC_RANGE: Final = (0.3, 6.2)
"""Least and greatest Sersic index that is drawn."""
REFERENCE_TIME: Final = 61557.0
"""MJD at which solar-system objects are at their places: 2027-06-01."""
_DEFAULTS: Final = {
    "sersic": np.nan,
    "radius": np.nan,
    "axis_ratio": np.nan,
    "position_angle": np.nan,
    "pmra": 0.0,
    "pmdec": 0.0,
    "parallax": 0.0,
    "bulge_fraction": 0.0,
    "bulge_sersic": np.nan,
    "bulge_radius": np.nan,
    "bulge_axis_ratio": np.nan,
    "rate_ra": 0.0,
    "rate_dec": 0.0,
    "image": -1,
    "light_curve": -1,
}
_TYPES: Final = {"kind": np.uint8, "id": np.int64, "image": np.int32, "light_curve": np.int32}


def _absent() -> NDArray[Any]:
    """Stands for a column that is not given."""
    return np.empty(0)


@dataclass(frozen=True)
class Scene:
    """Sources, one array element each. Columns after ``flux`` may be left out.

    Attributes
    ----------
    ra, dec : ndarray
        ICRS degrees at ``epoch``, seen from the barycentre.
    kind : ndarray of uint8
        0 star, 1 galaxy, 2 active nucleus (a point), 3 image.
    flux : dict of str to ndarray
        nJy, by filter: of all the source, bulge included, at light-curve factor 1.
    sersic : ndarray
        Sersic index of a galaxy, or of its disk; NaN for others, as are the next three.
    radius : ndarray
        Half-light radius, arcsec: the geometric mean of both axes.
    axis_ratio : ndarray
    position_angle : ndarray
        Degrees east of north; of images too (their +y axis; NaN is 0).
    pmra, pmdec : ndarray
        mas/yr, ``pmra`` with the factor cos(dec).
    parallax : ndarray
        mas.
    epoch : float
        Julian year.
    bulge_fraction : ndarray
        Share of ``flux`` in the bulge; 0 is a single profile.
    bulge_sersic, bulge_radius, bulge_axis_ratio : ndarray
        As of the disk; the position angle is the same.
    rate_ra, rate_dec : ndarray
        Apparent motion of solar-system objects, arcsec/hour, ``rate_ra`` with cos(dec).
    reference_time : float
        MJD (UTC) at which those are at ``ra, dec``.
    id : ndarray of int64
        Row of the input; 0, 1, ... if not given.
    spectra : SourceSpectra, optional
        One spectrum a source; where present, rates come from it and not from ``flux``.
    images : tuple of ImageTemplate
    image : ndarray of int32
        Index into ``images``, or -1.
    light_curves : tuple of LightCurve
    light_curve : ndarray of int32
        Index into ``light_curves``, or -1.
    """

    ra: Floats
    dec: Floats
    kind: NDArray[np.uint8]
    flux: dict[str, Floats]
    sersic: Floats = field(default_factory=_absent)
    radius: Floats = field(default_factory=_absent)
    axis_ratio: Floats = field(default_factory=_absent)
    position_angle: Floats = field(default_factory=_absent)
    pmra: Floats = field(default_factory=_absent)
    pmdec: Floats = field(default_factory=_absent)
    parallax: Floats = field(default_factory=_absent)
    epoch: float = EPOCH
    bulge_fraction: Floats = field(default_factory=_absent)
    bulge_sersic: Floats = field(default_factory=_absent)
    bulge_radius: Floats = field(default_factory=_absent)
    bulge_axis_ratio: Floats = field(default_factory=_absent)
    rate_ra: Floats = field(default_factory=_absent)
    rate_dec: Floats = field(default_factory=_absent)
    reference_time: float = REFERENCE_TIME
    id: NDArray[np.int64] = field(default_factory=_absent)
    spectra: SourceSpectra | None = None
    images: tuple[ImageTemplate, ...] = ()
    image: NDArray[np.int32] = field(default_factory=_absent)
    light_curves: tuple[LightCurve, ...] = ()
    light_curve: NDArray[np.int32] = field(default_factory=_absent)

    def __post_init__(self) -> None:
        number = len(self.ra)
        for name in COLUMNS:
            given = getattr(self, name)
            column = np.asarray(given, _TYPES.get(name, np.float64))
            if column.size == 0 and number and name in ("id", *_DEFAULTS):
                column = _default(name, number)
            if column.shape != (number,):
                raise InputError(f"column {name!r} has shape {column.shape}, not ({number},)")
            object.__setattr__(self, name, column)
        flux = {element: np.asarray(values, float) for element, values in self.flux.items()}
        for element, values in flux.items():
            if values.shape != (number,):
                raise InputError(f"flux in {element} has shape {values.shape}, not ({number},)")
        object.__setattr__(self, "flux", flux)
        _check(self)

    def __len__(self) -> int:
        return len(self.ra)

    def positions(self, time: Any) -> tuple[Floats, Floats]:
        """(ra, dec) in degrees at ``time`` (astropy Time), all motions applied."""
        hours = (float(time.utc.mjd) - self.reference_time) * 24
        return displaced(
            (self.ra, self.dec),
            (self.pmra, self.pmdec),
            self.parallax,
            (self.rate_ra, self.rate_dec),
            float(time.jyear) - self.epoch,
            hours,
            time,
        )

    @property
    def moving(self) -> NDArray[np.bool_]:
        """Which sources are solar-system objects."""
        return np.asarray((self.rate_ra != 0) | (self.rate_dec != 0))

    def brightness(self, element: str, time: Any = None) -> Floats:
        """Factors of the light curves at ``time``; 1 for sources without, or without a time."""
        factor = np.ones(len(self))
        if time is not None:
            for row in np.flatnonzero(self.light_curve >= 0):
                curve = self.light_curves[self.light_curve[row]]
                factor[row] = float(curve.factor(time.utc.mjd, element))
        return factor

    def rates(self, detector: str, element: str, time: Any = None) -> Floats:
        """Total electron/s of each source in pixels of unit response.

        Parameters
        ----------
        detector, element : str
        time : astropy.time.Time, optional
            When; without it light curves are at factor 1.

        Raises
        ------
        InputError
            If there are neither spectra nor fluxes in ``element``.
        """
        if self.spectra is not None:
            rate = self.spectra.rates(detector, element)
        elif element in self.flux:
            rate = self.flux[element] / njy_per_electron(detector, element)
        else:
            raise InputError(
                f"the scene has no flux in {element}",
                hint=f"it has: {', '.join(sorted(self.flux))}; add a column or spectra",
            )
        return rate * self.brightness(element, time)

    def take(self, index: ArrayLike) -> Scene:
        """The sources ``index`` (integers or booleans), in that order."""
        pick = np.asarray(index)
        columns: dict[str, Any] = {name: getattr(self, name)[pick] for name in COLUMNS}
        flux = {element: values[pick] for element, values in self.flux.items()}
        rows = np.flatnonzero(pick) if pick.dtype == bool else pick
        spectra = None if self.spectra is None else self.spectra.take(rows)
        return replace(self, **columns, flux=flux, spectra=spectra)


_WHOLE: Final = ("flux", "epoch", "reference_time", "spectra", "images", "light_curves")
COLUMNS: Final = tuple(entry.name for entry in fields(Scene) if entry.name not in _WHOLE)
"""Names of the columns with one number a source, fluxes apart."""


def _default(name: str, number: int) -> NDArray[Any]:
    if name == "id":
        return np.arange(number)
    return np.full(number, _DEFAULTS[name], _TYPES.get(name, np.float64))


def _between(values: Floats, low: float, high: float) -> NDArray[np.bool_]:
    return np.asarray((values >= low) & (values <= high))


def _check(scene: Scene) -> None:
    """Refuse sources that can't be drawn.

    Raises
    ------
    InputError
        Naming the column and the first row at fault.
    """
    galaxy, bulge = scene.kind == GALAXY, scene.bulge_fraction > 0
    images, curves = len(scene.images), len(scene.light_curves)
    image = np.where(scene.kind == IMAGE, scene.image, 0 if images else -1)
    faults = {
        "ra": ~np.isfinite(scene.ra),
        "dec": ~(np.abs(scene.dec) <= 90),
        "kind": scene.kind >= len(KINDS),
        "sersic": galaxy & ~_between(scene.sersic, *SERSIC_RANGE),
        "radius": galaxy & ~(scene.radius > 0),
        "axis_ratio": galaxy & ~((scene.axis_ratio > 0) & (scene.axis_ratio <= 1)),
        "position_angle": galaxy & ~np.isfinite(scene.position_angle),
        "bulge_fraction": ~_between(scene.bulge_fraction, 0.0, 1.0),
        "bulge_sersic": bulge & ~_between(scene.bulge_sersic, *SERSIC_RANGE),
        "bulge_radius": bulge & ~(scene.bulge_radius > 0),
        "bulge_axis_ratio": bulge & ~((scene.bulge_axis_ratio > 0) & (scene.bulge_axis_ratio <= 1)),
        "image": (scene.kind == IMAGE) & ((image < 0) | (image >= images)),
        "light_curve": scene.light_curve >= curves,
    }
    for name, fault in faults.items():
        if fault.any():
            row = int(np.argmax(fault))
            raise InputError(
                f"column {name!r}, row {row}: {getattr(scene, name)[row]} is not possible",
                hint=f"kind is {KINDS[min(scene.kind[row], IMAGE)]}",
            )
