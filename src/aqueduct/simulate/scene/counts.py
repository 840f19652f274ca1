"""The simple model: number counts N(m) dm ~ 10^(k m) dm between a bright and a faint limit.

Spectra are smooth: a black body for a star, f_nu ~ nu^-a for a galaxy, so that a source has a
flux in every filter. Fluxes are AB, in nJy; magnitudes m = 31.4 - 2.5 log10(flux / nJy).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aqueduct.instrument.filters import FILTERS
from aqueduct.instrument.photometry import njy
from aqueduct.instrument.spectrum import planck
from aqueduct.simulate.scene.sampling import in_circle
from aqueduct.simulate.scene.scene import GALAXY, STAR, Scene
from aqueduct.simulate.scene.variability import pivot

if TYPE_CHECKING:
    from aqueduct.simulate.scene.draw import SceneConfig

Floats = NDArray[np.float64]


def draw_counts(
    config: SceneConfig, ra: float, dec: float, radius: float, rng: np.random.Generator
) -> Scene:
    """Draw the sources within a circle from power-law counts.

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
    place_ra, place_dec = in_circle(number, ra, dec, radius, rng)
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
    waves = {element: pivot(element) for element in FILTERS}
    in_f158 = njy(magnitude)

    def spectrum(wave: float) -> Floats:
        return np.where(kind == STAR, planck(wave, temperature), wave**power)

    standard = spectrum(waves["F158"])
    return {element: in_f158 * spectrum(waves[element]) / standard for element in FILTERS}
