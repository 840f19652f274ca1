"""Make some of a scene's sources vary: stars, and supernovae in galaxies.

Of the variable stars two fifths are sinusoids, a fifth sawtooths, flares and microlensing
events each. Supernovae peak at M_AB = -18.4 +- 0.4 at every wavelength, a mean of type Ia in
the near infrared, at places spread as the light of a disk of the galaxy's size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.instrument.photometry import njy
from aqueduct.simulate.scene.cosmology import distance_modulus
from aqueduct.simulate.scene.join import joined
from aqueduct.simulate.scene.scene import GALAXY, STAR, Scene
from aqueduct.simulate.scene.variability import (
    Curve,
    Flare,
    Microlensing,
    Sawtooth,
    Sinusoid,
    Supernova,
)

Floats = NDArray[np.float64]

_PEAK: Final = (-18.4, 0.4)
_EXPONENTIAL: Final = 1.678
"""Half-light radius of an exponential disk over its scale length."""


class VariableConfig(StepConfig):
    """Which sources vary."""

    stars: float = Field(0.0, ge=0, le=1, description="Share of the stars that vary")
    supernovae: float = Field(0.0, ge=0, le=1, description="Supernovae per galaxy")
    start: float = Field(61500.0, description="MJD after which they peak")
    days: float = Field(200.0, gt=0, description="Within so many days")


def vary(scene: Scene, redshift: Floats, config: VariableConfig, rng: np.random.Generator) -> Scene:
    """Give stars light curves and add supernovae.

    Parameters
    ----------
    scene : Scene
    redshift : ndarray, (source,)
        Of the galaxies.
    config : VariableConfig
    rng : numpy.random.Generator
    """
    stars = np.flatnonzero((scene.kind == STAR) & (rng.random(len(scene)) < config.stars))
    curves = tuple(_curve(config, rng) for _ in stars)
    column = scene.light_curve.copy()
    column[stars] = len(scene.light_curves) + np.arange(len(stars))
    changed = replace(scene, light_curve=column, light_curves=scene.light_curves + curves)
    hosts = np.flatnonzero((scene.kind == GALAXY) & (rng.random(len(scene)) < config.supernovae))
    if len(hosts) == 0:
        return changed
    return joined(changed, _supernovae(scene.take(hosts), redshift[hosts], config, rng))


def _curve(config: VariableConfig, rng: np.random.Generator) -> Curve:
    when = config.start + config.days * rng.random()
    size, draw = rng.random(), rng.random()
    makers: tuple[Callable[[], Curve], ...] = (
        lambda: Sinusoid(amplitude=0.3 * size, period=10 ** (2 * draw - 0.5), t0=when),
        lambda: Sinusoid(amplitude=0.3 * size, period=10 ** (2 * draw - 0.5), t0=when),
        lambda: Sawtooth(amplitude=0.4 * size, period=0.3 + 0.6 * draw, t0=when),
        lambda: Flare(amplitude=2.0 * size + 0.05, t0=when, decay=0.01 + 0.1 * draw),
        lambda: Microlensing(t0=when, u0=size + 1e-3, te=10 ** (0.5 + 1.2 * draw)),
    )
    return makers[int(rng.integers(len(makers)))]()


def _supernovae(
    hosts: Scene, redshift: Floats, config: VariableConfig, rng: np.random.Generator
) -> Scene:
    """One in each host, of the same flux per frequency in every filter at its peak."""
    number = len(hosts)
    mean, scatter = _PEAK
    peak = mean + scatter * rng.standard_normal(number)
    flux = njy(peak + distance_modulus(redshift) - 2.5 * np.log10(1 + redshift))
    distance = rng.gamma(2.0, hosts.radius / _EXPONENTIAL) / 3600
    angle = rng.uniform(0, 2 * np.pi, number)
    times = config.start + config.days * rng.random(number)
    east = distance * np.sin(angle) / np.cos(np.radians(hosts.dec))
    spectra = hosts.spectra
    if spectra is not None:
        flat = np.full(number, spectra.library.index("flat"))
        zero = np.zeros(number)
        spectra = replace(
            spectra, template=flat, redshift=zero, ebv=zero, galactic_ebv=zero, scale=flux
        )
    return Scene(
        ra=(hosts.ra + east) % 360,
        dec=hosts.dec + distance * np.cos(angle),
        kind=np.full(number, STAR, np.uint8),
        flux=dict.fromkeys(hosts.flux, flux),
        epoch=hosts.epoch,
        reference_time=hosts.reference_time,
        spectra=spectra,
        light_curves=tuple(
            Supernova(t0=float(t), redshift=float(z)) for t, z in zip(times, redshift, strict=True)
        ),
        light_curve=np.arange(number, dtype=np.int32),
    )
