"""A scene from models of the universe and of the Milky Way.

Galaxies: :mod:`aqueduct.simulate.scene.galaxies`; stars: :mod:`aqueduct.simulate.scene.stars`;
quasars: :mod:`aqueduct.simulate.scene.luminosity`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.simulate.scene.clustering import ClusteringConfig, clustered_places
from aqueduct.simulate.scene.colours import (
    exact_fluxes,
    galaxy_fluxes,
    galaxy_spectra,
    star_fluxes,
    star_spectra,
)
from aqueduct.simulate.scene.galaxies import (
    TEMPLATES,
    AgnConfig,
    Galaxies,
    GalaxyConfig,
    draw_galaxies,
    draw_quasars,
)
from aqueduct.simulate.scene.join import joined
from aqueduct.simulate.scene.sampling import in_circle
from aqueduct.simulate.scene.scene import AGN, GALAXY, STAR, Scene
from aqueduct.simulate.scene.stars import StarConfig, draw_stars
from aqueduct.simulate.scene.variables import VariableConfig, vary

Floats = NDArray[np.float64]


class UniverseConfig(StepConfig):
    """Populations of a scene."""

    galaxies: GalaxyConfig = GalaxyConfig.model_validate({})
    stars: StarConfig = StarConfig.model_validate({})
    agn: AgnConfig = AgnConfig.model_validate({})
    clustering: ClusteringConfig = ClusteringConfig.model_validate({})
    variables: VariableConfig = VariableConfig.model_validate({})
    spectra: bool = Field(
        False, description="Keep a spectrum a source: dispersed images, colour-dependent PSFs"
    )


def draw_universe(
    config: UniverseConfig, ra: float, dec: float, radius: float, rng: np.random.Generator
) -> Scene:
    """Draw stars, galaxies and quasars within a circle.

    Parameters
    ----------
    config : UniverseConfig
    ra, dec : float
        Its centre, degrees.
    radius : float
        Arcmin.
    rng : numpy.random.Generator
        Each population has a stream of its own.
    """
    streams = rng.spawn(4)
    area = np.pi * (radius / 60) ** 2
    circle = (ra, dec, radius)
    stars = _stars(config, circle, area, streams[0])
    galaxies = draw_galaxies(config.galaxies, area, streams[1])
    places = (
        clustered_places(config.clustering, galaxies.redshift, *circle, streams[1])
        if config.clustering.apply
        else in_circle(len(galaxies.redshift), *circle, streams[1])
    )
    nuclei = _nuclei(config, circle, area, places, galaxies.redshift, streams[2])
    drawn = joined(stars, _galaxies(config, galaxies, places), nuclei)
    redshift = np.concatenate([np.zeros(len(stars)), galaxies.redshift, np.zeros(len(nuclei))])
    return vary(drawn, redshift, config.variables, streams[3])


def _stars(
    config: UniverseConfig,
    circle: tuple[float, float, float],
    area: float,
    rng: np.random.Generator,
) -> Scene:
    stars = draw_stars(config.stars, circle[0], circle[1], area, rng)
    ra, dec = in_circle(len(stars.magnitude), *circle, rng)
    about = (stars.magnitude, stars.type, stars.dust)
    return Scene(
        ra=ra,
        dec=dec,
        kind=np.full(len(ra), STAR, np.uint8),
        pmra=stars.pmra,
        pmdec=stars.pmdec,
        parallax=1 / stars.distance,
        **_light(config, star_spectra, star_fluxes, about),
    )


def _galaxies(config: UniverseConfig, galaxies: Galaxies, places: tuple[Floats, Floats]) -> Scene:
    from aqueduct.simulate.spectra import builtin

    rows = np.array([builtin().index(name) for name in TEMPLATES], np.int32)
    about = (galaxies.magnitude, rows[galaxies.type], galaxies.redshift, galaxies.dust)
    return Scene(
        ra=places[0],
        dec=places[1],
        kind=np.full(len(galaxies.type), GALAXY, np.uint8),
        sersic=galaxies.sersic,
        radius=galaxies.radius,
        axis_ratio=galaxies.axis_ratio,
        position_angle=galaxies.position_angle,
        bulge_fraction=galaxies.bulge_fraction,
        bulge_sersic=galaxies.bulge_sersic,
        bulge_radius=galaxies.bulge_radius,
        bulge_axis_ratio=galaxies.bulge_axis_ratio,
        **_light(config, galaxy_spectra, galaxy_fluxes, about),
    )


def _nuclei(
    config: UniverseConfig,
    circle: tuple[float, float, float],
    area: float,
    places: tuple[Floats, Floats],
    redshift: Floats,
    rng: np.random.Generator,
) -> Scene:
    from aqueduct.simulate.spectra import builtin

    magnitude, z = draw_quasars(config.agn, area, rng)
    ra, dec = in_circle(len(z), *circle, rng)
    if config.agn.hosts and len(redshift):
        order = np.argsort(redshift)
        host = order[np.minimum(np.searchsorted(redshift[order], z), len(order) - 1)]
        ra, dec = places[0][host], places[1][host]
    template = np.full(len(z), builtin().index("quasar"), np.int32)
    about = (magnitude, template, z, np.zeros(len(z)))
    kind = np.full(len(z), AGN, np.uint8)
    return Scene(ra=ra, dec=dec, kind=kind, **_light(config, galaxy_spectra, galaxy_fluxes, about))


def _light(
    config: UniverseConfig, spectra: Any, fluxes: Any, about: tuple[NDArray[Any], ...]
) -> dict[str, Any]:
    """Fluxes, and spectra if they are kept: the fluxes are then exactly theirs."""
    if not config.spectra:
        return {"flux": fluxes(*about)}
    sources = spectra(*about)
    return {"flux": exact_fluxes(sources), "spectra": sources}
