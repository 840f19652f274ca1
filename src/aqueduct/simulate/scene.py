"""A piece of sky: stars and galaxies with known positions, fluxes and shapes.

Number counts are N(m) dm ~ 10^(k m) dm between a bright and a faint limit. Spectra are
smooth: a black body for a star, f_nu ~ nu^-a for a galaxy, so that a source has a flux
in every filter. Fluxes are AB, in nJy; magnitudes m = 31.4 - 2.5 log10(flux / nJy).

Positions hold at ``epoch``; at another time a star has moved by

    n' = n + dt (mu_ra* e_ra + mu_dec e_dec) - plx [r - (r.n) n]

with r the barycentric place of the Earth in au (Lindegren et al. 2012, A&A 538, A78,
section 3, without radial motion).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.geometry.tangent import TangentPlane, direction, vector
from aqueduct.instrument.filters import FILTERS, effective_area
from aqueduct.products.references import AstrometricReference

Floats = NDArray[np.float64]

STAR: Final = 0
GALAXY: Final = 1
EPOCH: Final = 2016.0
"""Julian year of the positions: that of Gaia DR3."""
_ZERO: Final = 31.4
_MAS: Final = np.pi / 180 / 3_600_000


class SceneConfig(StepConfig):
    """What a scene is drawn from."""

    stars: float = Field(16.0, ge=0, description="Stars per square arcmin")
    star_limits: tuple[float, float] = Field((17.0, 26.0), description="AB magnitudes in F158")
    star_slope: float = Field(0.1, description="Slope k of the star counts")
    galaxies: float = Field(14.0, ge=0, description="Galaxies per square arcmin")
    galaxy_limits: tuple[float, float] = Field((19.5, 26.0), description="AB magnitudes in F158")
    galaxy_slope: float = Field(0.3, description="Slope k of the galaxy counts")
    size: float = Field(0.30, gt=0, description="Median half-light radius at magnitude 23, arcsec")
    motion: float = Field(5.0, ge=0, description="RMS proper motion of stars, mas/yr")
    catalog_limit: float = Field(20.5, description="Faintest star of the astrometric catalog, AB")


@dataclass(frozen=True)
class Scene:
    """Sources, one array element each.

    Attributes
    ----------
    ra, dec : ndarray
        ICRS degrees at ``epoch``, seen from the barycentre.
    kind : ndarray of uint8
        0 star, 1 galaxy.
    flux : dict of str to ndarray
        nJy, by filter.
    sersic : ndarray
        Sersic index; NaN for stars, as are the next three.
    radius : ndarray
        Half-light radius, arcsec: the geometric mean of both axes.
    axis_ratio : ndarray
    position_angle : ndarray
        Degrees east of north.
    pmra, pmdec : ndarray
        mas/yr, ``pmra`` with the factor cos(dec).
    parallax : ndarray
        mas.
    """

    ra: Floats
    dec: Floats
    kind: NDArray[np.uint8]
    flux: dict[str, Floats]
    sersic: Floats
    radius: Floats
    axis_ratio: Floats
    position_angle: Floats
    pmra: Floats
    pmdec: Floats
    parallax: Floats
    epoch: float = EPOCH

    def __len__(self) -> int:
        return len(self.ra)

    def positions(self, time: Any) -> tuple[Floats, Floats]:
        """(ra, dec) in degrees at ``time`` (astropy Time), proper motion and parallax applied."""
        from astropy.coordinates import get_body_barycentric

        earth = get_body_barycentric("earth", time, ephemeris="builtin").xyz.to_value("au")
        place, (east, north) = vector(self.ra, self.dec), _axes(self.ra, self.dec)
        years = time.jyear - self.epoch
        drift = years * (self.pmra[:, None] * east + self.pmdec[:, None] * north)
        swing = self.parallax[:, None] * (earth - (place @ earth)[:, None] * place)
        return direction(place + (drift - swing) * _MAS)


def _axes(ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    """Unit vectors to the east and to the north."""
    a, d = np.radians(ra), np.radians(dec)
    east = np.stack([-np.sin(a), np.cos(a), np.zeros_like(a)], axis=-1)
    north = np.stack([-np.sin(d) * np.cos(a), -np.sin(d) * np.sin(a), np.cos(d)], axis=-1)
    return east, north


def draw_scene(
    config: SceneConfig, ra: float, dec: float, radius: float, rng: np.random.Generator
) -> Scene:
    """Draw the sources within a circle.

    Parameters
    ----------
    config : SceneConfig
    ra, dec : float
        Its centre, degrees.
    radius : float
        Arcmin.
    rng : numpy.random.Generator
    """
    area = np.pi * radius**2
    counts = [rng.poisson(config.stars * area), rng.poisson(config.galaxies * area)]
    kind = np.repeat(np.array([STAR, GALAXY], np.uint8), counts)
    number, stars = len(kind), kind == STAR
    magnitude = np.concatenate(
        [
            _magnitudes(counts[0], config.star_limits, config.star_slope, rng),
            _magnitudes(counts[1], config.galaxy_limits, config.galaxy_slope, rng),
        ]
    )
    place_ra, place_dec = _in_circle(number, ra, dec, radius, rng)
    index, size, ratio, angle = np.where(stars, np.nan, _shapes(magnitude, config.size, rng))
    motion = config.motion * rng.standard_normal((2, number))
    parallax = 0.5 * np.exp(0.7 * rng.standard_normal(number))
    return Scene(
        ra=place_ra,
        dec=place_dec,
        kind=kind,
        flux=_fluxes(magnitude, kind, rng),
        sersic=index,
        radius=size,
        axis_ratio=ratio,
        position_angle=angle,
        pmra=np.where(stars, motion[0], 0.0),
        pmdec=np.where(stars, motion[1], 0.0),
        parallax=np.where(stars, parallax, 0.0),
    )


def _magnitudes(
    count: int, limits: tuple[float, float], slope: float, rng: np.random.Generator
) -> Floats:
    bright, faint = limits
    share = rng.random(count)
    if slope == 0:
        return bright + share * (faint - bright)
    span = 10 ** (slope * (faint - bright)) - 1
    return np.asarray(bright + np.log10(1 + share * span) / slope)


def _in_circle(
    count: int, ra: float, dec: float, radius: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    distance, angle = radius * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
    plane = TangentPlane(ra, dec, scale=1 / 60)
    return plane.to_sky(distance * np.cos(angle), distance * np.sin(angle))


def _shapes(magnitude: Floats, size: float, rng: np.random.Generator) -> Floats:
    """Sersic index, half-light radius (arcsec), axis ratio, position angle (deg): (4, n)."""
    number = len(magnitude)
    # Steps of 0.05, because GalSim tabulates a profile for each index.
    index = np.clip(np.exp(np.log(1.3) + 0.5 * rng.standard_normal(number)), 0.5, 4.0)
    median = size * 10 ** (-0.1 * (magnitude - 23))
    radius = np.clip(median * np.exp(0.4 * rng.standard_normal(number)), 0.03, 3.0)
    ratio, angle = rng.uniform(0.2, 1.0, number), rng.uniform(0.0, 180.0, number)
    return np.stack([np.round(index * 20) / 20, radius, ratio, angle])


def _fluxes(
    magnitude: Floats, kind: NDArray[np.uint8], rng: np.random.Generator
) -> dict[str, Floats]:
    """Flux in every filter, nJy; ``magnitude`` is that in F158."""
    number = len(magnitude)
    temperature = np.exp(rng.uniform(np.log(3200), np.log(8000), number))
    power = rng.normal(1.0, 0.5, number)
    pivot = {element: _pivot(element) for element in FILTERS}
    in_f158 = 10 ** (0.4 * (_ZERO - magnitude))

    def spectrum(wave: float) -> Floats:
        body = 1 / (wave**3 * np.expm1(14387.77 / (wave * temperature)))
        return np.where(kind == STAR, body, wave**power)

    standard = spectrum(pivot["F158"])
    return {element: in_f158 * spectrum(pivot[element]) / standard for element in FILTERS}


def _pivot(element: str) -> float:
    """Pivot wavelength, micrometre, in the first detector."""
    wave, area = effective_area("WFI01", element)
    return float(np.sqrt((area * wave).sum() / (area / wave).sum()))


def astrometric_catalog(
    scene: Scene, config: SceneConfig, rng: np.random.Generator
) -> AstrometricReference:
    """Draw a Gaia-like catalog of the bright stars, with errors.

    Position errors follow Gaia DR3: 0.03 mas for bright stars, 0.5 mas at the 20th and
    1 mas near the 21st magnitude; proper motions have the same error per year, parallaxes
    the same. ``magnitude`` is AB in F087.
    """
    magnitude = _ZERO - 2.5 * np.log10(scene.flux["F087"])
    pick = np.flatnonzero((scene.kind == STAR) & (magnitude < config.catalog_limit))
    error = np.hypot(0.03, 0.5 * 10 ** (0.3 * (magnitude[pick] - 20)))
    noise = error * rng.standard_normal((5, len(pick)))
    cos = np.cos(np.radians(scene.dec[pick]))
    return AstrometricReference(
        ra=scene.ra[pick] + noise[0] / 3_600_000 / cos,
        dec=scene.dec[pick] + noise[1] / 3_600_000,
        epoch=scene.epoch,
        pmra=scene.pmra[pick] + noise[2],
        pmdec=scene.pmdec[pick] + noise[3],
        parallax=scene.parallax[pick] + noise[4],
        ra_error=error,
        dec_error=error,
        magnitude=magnitude[pick],
        pmra_error=error,
        pmdec_error=error,
    )
