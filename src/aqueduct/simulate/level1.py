"""A Level 1 exposure of a scene, with the truth about it.

    electrons/s = response * (sources + sky) + dark      see :mod:`aqueduct.simulate.render`,
                                                         :mod:`aqueduct.simulate.dispersion`
    resultants  = reads of the ramp, averaged on board   see :mod:`aqueduct.simulate.signatures`

Calibration: 1 electron/s is ``njy_per_electron`` nJy (AB zero point of the detector). The
flat field is the response to a uniform sky in DN, relative to its value at the mean gain
g0 and mean pixel area Omega0:

    flat = response * (Omega / Omega0) * (g0 / gain)
    photmjsr = njy_per_electron * 1e-15 * g0 / Omega0          [MJy/sr per DN/s]

so that on truth data / flat * photmjsr is the surface brightness of the sky exactly, and
the sum over a star's pixels of data / flat * photmjsr * Omega is its flux.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.errors import InputError
from aqueduct.geometry.pixelmap import MARGIN, PixelMap
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.instrument.dispersers import ORDERS
from aqueduct.instrument.filters import njy_per_electron
from aqueduct.instrument.spectrum import Spectrum, electron_rate
from aqueduct.products.ramp import Raw
from aqueduct.products.window import BORDER, FRAME, SCIENCE, SCIENCE_WINDOW
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.dispersion import (
    DispersionConfig,
    dispersed_rates,
    dispersed_sources,
    margin,
    path,
)
from aqueduct.simulate.observation import Observation, metadata
from aqueduct.simulate.render import background_rate, draw_stars, sources, trails
from aqueduct.simulate.scene import Scene
from aqueduct.simulate.signatures import (
    Fluence,
    IntraPixelConfig,
    ReadoutConfig,
    SignaturesConfig,
    intra_pixel,
    read_out,
)
from aqueduct.simulate.skylight import SkyConfig
from aqueduct.simulate.truth import Truth, rows_of, within

Floats = NDArray[np.float64]
Seen = Epsf | Callable[[float], Epsf]
"""The ePSF of a filter, or those of a disperser by wavelength in micrometre."""

_WING: Final = 64
"""Pixels beyond its traces to which the light of a source reaches."""


class Level1Config(SkyConfig):
    """What happens during an exposure."""

    jitter: float = Field(8.0, ge=0, description="RMS jitter per axis, mas")
    dispersion: DispersionConfig = DispersionConfig.model_validate({})
    truncate: int = Field(0, ge=0, description="Resultants after which it is stopped; 0: never")
    intra_pixel: IntraPixelConfig = IntraPixelConfig.model_validate({})
    signatures: SignaturesConfig = SignaturesConfig.model_validate({})
    readout: ReadoutConfig = ReadoutConfig.model_validate({})


def level1(
    scene: Scene,
    observation: Observation,
    detector: DetectorTruth,
    epsf: Seen,
    config: Level1Config,
    rng: np.random.Generator,
    *,
    earlier: Sequence[Fluence] = (),
) -> tuple[Raw, Truth]:
    """Take an exposure of ``scene``.

    Parameters
    ----------
    scene : Scene
    observation : Observation
    detector : DetectorTruth
        Of the observation's detector.
    epsf : Epsf, or callable from micrometre to Epsf
        The true one of the observation's detector and filter, or through the grism or the
        prism those of its wavelengths; jitter included, capacitance not: it acts on the
        charge.
    config : Level1Config
    rng : numpy.random.Generator
        One number is drawn from it, the seed of all that is random in the exposure.
    earlier : sequence of Fluence
        Earlier exposures (see :func:`fluence`) whose persistence is seen.

    Returns
    -------
    Raw
        With all metadata of the official schema.
    dict of str to ndarray
        The truth, one row for each source on the detector: ``source`` (index in the
        scene), ``id``, ``kind``, ``ra``, ``dec`` (deg, in the middle of the exposure), ``x``,
        ``y`` (0-based science pixel), ``flux`` (nJy), ``rate`` (electron/s in pixels of unit
        response), ``expected`` (electron by the last read, likewise), ``saturated`` (a pixel
        within one of its own is full by then), ``seed`` (of the exposure). Through the grism
        or the prism a source counts if its spectrum may reach the detector: ``x``, ``y`` are
        then those of its direct image, ``rate`` is that of all orders together, ``flux``
        what a flat spectrum of that rate has, and ``saturated`` holds all along the trace.

    Raises
    ------
    InputError
        If the ePSF does not suit the optical element, or the scene can't be seen through it.
    """
    if config.truncate:
        observation = replace(observation, table=observation.table.truncated(config.truncate))
    rate, truth, meta = expose(scene, observation, detector, epsf, config)
    seed = int(rng.integers(0, 2**63))
    given = (config.signatures, config.readout, seed)
    sent = read_out(rate, detector, observation.table, *given, earlier=tuple(earlier))
    truth["saturated"] = _full(sent.saturated, truth["x"], truth["y"], observation, config)
    truth["seed"] = np.full(len(truth["x"]), seed)
    raw = Raw(
        sent.data,
        sent.amp33,
        _described(meta, config),
        reference_read=sent.reference_read,
        reference_amp33=sent.reference_amp33,
    )
    return raw, truth


def expose(
    scene: Scene,
    observation: Observation,
    detector: DetectorTruth,
    epsf: Seen,
    config: Level1Config,
) -> tuple[NDArray[np.float32], Truth, dict[str, Any]]:
    """What the detector collects: electron/s of the full frame, truth, and metadata.

    Neither depends on chance; see :func:`level1` for the truth, here without ``saturated``
    and ``seed``.
    """
    sky, meta = true_map(observation, config)
    seconds = observation.seconds
    middle = observation.after(seconds / 2)
    ra, dec = scene.positions(middle)
    x, y = sky.to_pixel(ra, dec)
    rate, flux = _rates(scene, observation, middle)
    if isinstance(epsf, Epsf) == observation.dispersed:
        raise InputError(
            f"this ePSF does not suit {observation.optical_element}",
            hint="filters take an Epsf, GRISM and PRISM a function of the wavelength",
        )
    if isinstance(epsf, Epsf):
        image = _image(scene, observation, (x, y, rate), epsf, sky, config)
    else:
        element = observation.detector, observation.optical_element
        # The response within a pixel averages out along a trace; trails are left out.
        settings = config.dispersion
        image = dispersed_sources(scene, x, y, *element, epsf, sky, settings, time=middle)
    image += _background(observation, config)

    beyond = margin(observation.optical_element) if observation.dispersed else 0
    on = within((x, y), (SCIENCE, SCIENCE), beyond)
    light = {"flux": flux, "rate": rate, "expected": rate * seconds}
    truth = rows_of(scene, on, (ra, dec), (x, y), **light)
    return collected(image, detector), truth, meta


def _rates(scene: Scene, observation: Observation, time: Any) -> tuple[Floats, Floats]:
    """Electron/s and flux density (nJy) of each source: in all orders of a disperser."""
    detector, element = observation.detector, observation.optical_element
    if not observation.dispersed:
        rate = scene.rates(detector, element, time)
        return rate, rate * njy_per_electron(detector, element)
    rate = dispersed_rates(scene, detector, element, time)
    flat = Spectrum.flat()
    return rate, rate / sum(electron_rate(flat, detector, order) for order in ORDERS[element])


def _image(
    scene: Scene,
    observation: Observation,
    place: tuple[Floats, Floats, Floats],
    epsf: Epsf,
    sky: PixelMap,
    config: Level1Config,
) -> NDArray[np.float32]:
    """Electron/s of all sources at ``place`` (x, y, rate); moving ones are points that trail."""
    x, y, rate = place
    seen = intra_pixel(x, y, rate, config.intra_pixel)
    moving = scene.moving
    image = sources(scene, x, y, np.where(moving, 0.0, seen), epsf, sky)
    if moving.any():
        alone = scene.take(np.flatnonzero(moving))
        first = sky.to_pixel(*alone.positions(observation.start_time))
        last = sky.to_pixel(*alone.positions(observation.end_time))
        draw_stars(*trails(*first, *last, seen[moving]), epsf, image)
    return image


def _background(observation: Observation, config: Level1Config) -> NDArray[np.float32]:
    """Electron/s of zodiacal, stray and thermal light."""
    target, element = observation.true_pointing, observation.optical_element
    level = config.level(target.ra, target.dec, observation.start_time, element)
    return background_rate(element, observation.detector, level, config.stray_light)


def true_map(observation: Observation, config: Level1Config) -> tuple[PixelMap, dict[str, Any]]:
    """Where the sky really falls on the detector, and the metadata as recorded."""
    meta = metadata(observation, config.jitter)
    wcs = detector_wcs(
        aperture(observation.detector).model(),
        observation.true_pointing.wcsinfo(observation.detector),
        meta["velocity_aberration"]["scale_factor"],
    )
    reach = margin(observation.optical_element) + _WING if observation.dispersed else MARGIN
    return PixelMap.from_gwcs(wcs, (SCIENCE, SCIENCE), reach), meta


def collected(image: NDArray[np.float32], detector: DetectorTruth) -> NDArray[np.float32]:
    """Electron/s of the full frame: light times response, and dark current."""
    total = detector.dark.copy()
    science = (SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns)
    total[science] += image * detector.response[science]
    return total


def fluence(
    rate: NDArray[np.float32], detector: DetectorTruth, observation: Observation
) -> NDArray[np.float32]:
    """Electrons in each pixel at the end of an exposure, at most its full well.

    With the seconds from that end to the start of a later exposure it makes the
    :class:`~aqueduct.simulate.signatures.Fluence` of which that one sees the persistence.

    Parameters
    ----------
    rate : ndarray of float32, (row, column)
        Electron/s of the full frame, from :func:`expose`.
    """
    full = (detector.full_well - detector.pedestal) * detector.gain
    seconds = np.float32(observation.seconds)
    return np.asarray(np.minimum(rate * seconds, full), np.float32)


def _full(
    saturated: NDArray[np.bool_],
    x: Floats,
    y: Floats,
    observation: Observation,
    config: Level1Config,
) -> NDArray[np.bool_]:
    """Whether a pixel near each source, or near its spectrum, is full."""
    if not observation.dispersed:
        return _full_near(saturated, x, y)
    dx, dy = path(observation.optical_element, config.dispersion)
    places = zip(x, y, strict=True)
    return np.array([_full_near(saturated, a + dx, b + dy).any() for a, b in places], bool)


def _full_near(saturated: NDArray[np.bool_], x: Floats, y: Floats) -> NDArray[np.bool_]:
    """Whether one of the 3 x 3 pixels about each place is full; off the frame none is."""
    row, column = (np.rint(axis).astype(np.int64) + BORDER for axis in (y, x))
    near = np.zeros(len(row), bool)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            # On its edge are reference pixels, which are never full.
            at = (np.clip(axis, 0, FRAME - 1) for axis in (row + dy, column + dx))
            near |= saturated[*at]
    return near


def _described(meta: dict[str, Any], config: Level1Config) -> dict[str, Any]:
    """Metadata with what the readout adds: truncation, guide window, encoding offset."""
    meta["exposure"]["truncated"] = config.truncate > 0
    if "guide_window" in config.signatures.order:
        meta["guide_star"].update(config.signatures.guide_window.meta())
    if config.readout.reference_read:
        meta["instrument"]["data_encoding_offset"] = config.readout.encoding_offset
    return meta
