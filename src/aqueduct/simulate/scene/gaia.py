"""A catalog of stars such as Gaia's third release, with its errors.

    s_plx = sqrt(40 + 800 z + 30 z^2) microarcsec,  z = max(10^(0.4 (13 - 15)), 10^(0.4 (G - 15)))

is the parallax error; positions have 0.8 (right ascension) and 0.7 (declination) of it at
the epoch, proper motions 1.03 and 0.89 of it per year (ESA, Gaia science performance, as
measured in DR3). Among the faintest, stars with too few observations have a position
only, of three times the error; their share rises from 0 at G = 20 to 1 at G = 21.

G [Vega] is that of a star of the fluxes in F062 and F087, fitted to the built-in templates
from O to M behind up to E(B-V) = 2 with the passband of Gaia, within 0.04 mag:

    G = F062 - 0.056 + 0.163 c - 0.226 c^2 + 0.0168 c^3,   c = F062 - F087  [AB]
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.instrument.filters import njy_per_electron
from aqueduct.instrument.photometry import abmag
from aqueduct.products.references import AstrometricReference
from aqueduct.simulate.scene.draw import SceneConfig
from aqueduct.simulate.scene.scene import STAR, Scene

Floats = NDArray[np.float64]

_TO_G: Final = (0.0168, -0.2261, 0.163, 0.0576 - 0.1136)
_COLOURS: Final = (-0.7, 5.0)
"""Where the fit holds."""
_BLUE: Final = frozenset({"F062", "F087"})
_POSITION_ONLY: Final = (20.0, 21.0)
_MAS_PER_DEGREE: Final = 3_600_000


def astrometric_catalog(
    scene: Scene, config: SceneConfig, rng: np.random.Generator
) -> AstrometricReference:
    """Draw a Gaia-like catalog of the bright stars, with errors.

    Parameters
    ----------
    scene : Scene
    config : SceneConfig
        For ``catalog_limit``, in G.
    rng : numpy.random.Generator

    Returns
    -------
    AstrometricReference
        ``magnitude`` is G; motions and parallax are NaN where Gaia has none.
    """
    magnitude = g_magnitude(scene)
    pick = np.flatnonzero((scene.kind == STAR) & (magnitude < config.catalog_limit))
    magnitude = magnitude[pick]
    start, end = _POSITION_ONLY
    only = rng.random(len(pick)) < (magnitude - start) / (end - start)
    parallax_error = gaia_error(magnitude)
    position = np.where(only, 3.0, 1.0) * parallax_error
    errors = np.stack(
        [0.8 * position, 0.7 * position, parallax_error, 1.03 * parallax_error,
         0.89 * parallax_error]
    )  # fmt: skip
    noise = errors * rng.standard_normal(errors.shape)
    errors[2:, only] = np.nan
    noise[2:, only] = np.nan
    cos = np.cos(np.radians(scene.dec[pick]))
    return AstrometricReference(
        ra=scene.ra[pick] + noise[0] / _MAS_PER_DEGREE / cos,
        dec=scene.dec[pick] + noise[1] / _MAS_PER_DEGREE,
        epoch=scene.epoch,
        pmra=scene.pmra[pick] + noise[3],
        pmdec=scene.pmdec[pick] + noise[4],
        parallax=scene.parallax[pick] + noise[2],
        ra_error=errors[0],
        dec_error=errors[1],
        magnitude=magnitude,
        pmra_error=errors[3],
        pmdec_error=errors[4],
    )


def gaia_error(magnitude: Floats) -> Floats:
    """Parallax error in mas at G magnitudes."""
    z = 10 ** (0.4 * (np.maximum(magnitude, 13.0) - 15))
    return np.asarray(np.sqrt(40 + 800 * z + 30 * z**2) / 1000)


def g_magnitude(scene: Scene) -> Floats:
    """G (Vega) of each source; infinite where it is dark.

    Without fluxes in F062 and F087, or spectra, it is the AB magnitude in the bluest filter.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        if not set(scene.flux) >= _BLUE and scene.spectra is None:
            return abmag(scene.flux[min(scene.flux)])
        blue, red = (abmag(_flux(scene, e)) for e in sorted(_BLUE))
        colour = np.clip(np.nan_to_num(blue - red), *_COLOURS)
        return np.asarray(blue + np.polyval(_TO_G, colour))


def _flux(scene: Scene, element: str) -> Floats:
    if element in scene.flux:
        return scene.flux[element]
    return scene.rates("WFI01", element) * njy_per_electron("WFI01", element)
