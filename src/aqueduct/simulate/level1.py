"""A Level 1 exposure of a scene, with the truth about it.

    electrons/s = response * (sources + sky) + dark      see :mod:`aqueduct.simulate.render`
    resultants  = reads of the ramp, averaged             see :mod:`aqueduct.simulate.ramps`

Calibration: 1 electron/s is ``njy_per_electron`` nJy (AB zero point of the detector). The
flat field is the response to a uniform sky in DN, relative to its value at the mean gain
g0 and mean pixel area Omega0:

    flat = response * (Omega / Omega0) * (g0 / gain)
    photmjsr = njy_per_electron * 1e-15 * g0 / Omega0          [MJy/sr per DN/s]

so that on truth data / flat * photmjsr is the surface brightness of the sky exactly, and
the sum over a star's pixels of data / flat * photmjsr * Omega is its flux.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.products.ramp import Raw
from aqueduct.products.window import SCIENCE, SCIENCE_WINDOW
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.cosmic_rays import CosmicRayConfig, draw_hits
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.drift import DriftConfig, draw_drift, reference_amplifier
from aqueduct.simulate.observation import Observation, metadata
from aqueduct.simulate.ramps import resultants
from aqueduct.simulate.render import background_rate, rates, sources
from aqueduct.simulate.scene import Scene

Truth = dict[str, NDArray[Any]]


class Level1Config(StepConfig):
    """What happens during an exposure."""

    zodiacal: float = Field(1.5, ge=0, description="Zodiacal light, in units of its minimum")
    jitter: float = Field(8.0, ge=0, description="RMS jitter per axis, mas")
    amplifier_pedestal: float = Field(
        5_000.0, ge=0, description="Level of the reference amplifier, DN"
    )
    cosmic_rays: CosmicRayConfig = CosmicRayConfig.model_validate({})
    drift: DriftConfig = DriftConfig.model_validate({})


def level1(
    scene: Scene,
    observation: Observation,
    detector: DetectorTruth,
    epsf: Epsf,
    config: Level1Config,
    rng: np.random.Generator,
) -> tuple[Raw, Truth]:
    """Take an exposure of ``scene``.

    Parameters
    ----------
    scene : Scene
    observation : Observation
    detector : DetectorTruth
        Of the observation's detector.
    epsf : Epsf
        The true one of the observation's detector and filter, jitter included.
    config : Level1Config
    rng : numpy.random.Generator

    Returns
    -------
    Raw
        With all metadata of the official schema.
    dict of str to ndarray
        The truth, one row for each source on the detector: ``source`` (index in the
        scene), ``kind``, ``ra``, ``dec`` (deg, at the time of the exposure), ``x``, ``y``
        (0-based science pixel), ``flux`` (nJy), ``rate`` (electron/s in pixels of unit
        response).
    """
    sky, meta = true_map(observation, config)
    ra, dec = scene.positions(observation.start_time)
    x, y = sky.to_pixel(ra, dec)
    rate = rates(scene, observation.detector, observation.optical_element)
    image = sources(scene, x, y, rate, epsf, sky)
    image += background_rate(observation.optical_element, observation.detector, config.zodiacal)
    table = observation.table
    drift = draw_drift(table, config.drift, rng)
    hits = draw_hits(detector.gain.shape, table.frame_time, table.reads, config.cosmic_rays, rng)
    data = resultants(collected(image, detector), detector, table, drift, hits, rng)
    amp33 = reference_amplifier(table, drift, config.amplifier_pedestal, config.drift, rng)

    on = (x > -0.5) & (x < SCIENCE - 0.5) & (y > -0.5) & (y < SCIENCE - 0.5)
    columns: Truth = {
        "source": np.arange(len(scene)),
        "kind": scene.kind,
        "ra": ra,
        "dec": dec,
        "x": x,
        "y": y,
        "flux": scene.flux[observation.optical_element],
        "rate": rate,
    }
    return Raw(data, amp33, meta), {name: value[on] for name, value in columns.items()}


def true_map(observation: Observation, config: Level1Config) -> tuple[PixelMap, dict[str, Any]]:
    """Where the sky really falls on the detector, and the metadata as recorded."""
    meta = metadata(observation, config.jitter)
    wcs = detector_wcs(
        aperture(observation.detector).model(),
        observation.true_pointing.wcsinfo(observation.detector),
        meta["velocity_aberration"]["scale_factor"],
    )
    return PixelMap.from_gwcs(wcs, (SCIENCE, SCIENCE)), meta


def collected(image: NDArray[np.float32], detector: DetectorTruth) -> NDArray[np.float32]:
    """Electron/s of the full frame: light times response, and dark current."""
    total = detector.dark.copy()
    science = (SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns)
    total[science] += image * detector.response[science]
    return total
