"""A Level 2 image of a scene without its ramps: the rate, and the noise a perfect fit leaves.

    c    = response (sources + sky) + dark        collected               [electron/s]
    a    = (K * c) / gain                         seen                    [DN/s]
    data = [K * (c + photon noise) / gain + read noise - (K * dark) / gain] / flat

with K the inter-pixel capacitance and ``*`` convolution. The noise has the variance of the best
slope through the resultants of the multiaccum table at the rate a
(:mod:`aqueduct.simulate.ramp_noise`): photon noise of the charge, Poisson-like where counts are
few (c k / m with k Poisson of mean m = c^2 / variance), and normal read noise. A pixel that
saturates keeps the resultants before. ``flat`` and the conversion to MJy/sr are those of the
detector (:mod:`aqueduct.simulate.references`), without error.

What a ramp has beyond that is left out: cosmic rays, correlated and slow noise, persistence,
what calibration leaves of the nonlinearity. ``chisq`` is its expectation and ``dumo`` zero.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.threads import bands, over
from aqueduct.geometry.footprint import outline, s_region
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.products.image import PLANES, Image
from aqueduct.products.meta import Meta, updated
from aqueduct.products.window import SCIENCE, SCIENCE_WINDOW
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.level1 import Level1Config, expose
from aqueduct.simulate.observation import Observation
from aqueduct.simulate.ramp_noise import RampNoise
from aqueduct.simulate.references import conversion, true_flat
from aqueduct.simulate.render import pixel_area
from aqueduct.simulate.scene import Scene
from aqueduct.simulate.skylight import SkyConfig
from aqueduct.simulate.truth import Truth

Plane = NDArray[Any]

_BAND: Final = 64
_DONE: Final = (
    "assign_wcs",
    "dark",
    "dark_decay",
    "dq_init",
    "flat_field",
    "linearity",
    "photom",
    "ramp_fit",
    "refpix",
    "saturation",
    "wfi18_transient",
)
_NOT_DONE: Final = ("flux", "outlier_detection", "skymatch", "source_catalog", "tweakreg")
_MAPS: Final = (
    "gain",
    "read_noise",
    "nonlinearity",
    "full_well",
    "pedestal",
    "dq",
)
_FAINTEST: Final = np.float32(1e-20)
_MOST: Final = 1e9
"""Counts beyond which a Poisson number is not told from its mean in float32."""


class Level2Config(SkyConfig):
    """What an idealized image contains."""

    jitter: float = Field(8.0, ge=0, description="RMS jitter per axis, mas")
    wcs: Literal["true", "recorded"] = Field(
        "true", description="WCS of the true pointing, or of the one recorded in the metadata"
    )
    noise: bool = Field(True, description="Add noise; err and variances are the same without")
    margin: float = Field(
        0.98, gt=0, le=1, description="Level taken as saturated, in units of the full well"
    )


def level2(
    scene: Scene,
    observation: Observation,
    detector: DetectorTruth,
    epsf: Epsf,
    config: Level2Config,
    rng: np.random.Generator,
) -> tuple[Image, Truth]:
    """Take a calibrated image of ``scene``.

    Parameters
    ----------
    scene : Scene
    observation : Observation
    detector : DetectorTruth
        Of the observation's detector.
    epsf : Epsf
        The true one, jitter included, capacitance not: it acts on the charge.
    config : Level2Config
    rng : numpy.random.Generator
        One number is drawn from it, the seed of all that is random in the image.

    Returns
    -------
    Image
        DN/s, with WCS, photometry and all metadata of the official schema.
    dict of str to ndarray
        The truth, as :func:`aqueduct.simulate.level1.level1` gives it.
    """
    light = Level1Config(
        zodiacal=config.zodiacal, stray_light=config.stray_light, jitter=config.jitter
    )
    collected, truth, meta = expose(scene, observation, detector, epsf, light)
    seed = int(rng.integers(0, 2**63))
    science = SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns
    planes = exposed(collected[science], detector, observation, config, seed)
    wcs, meta = _described(meta, observation, detector, config)
    middle = np.rint(truth["y"]).astype(int), np.rint(truth["x"]).astype(int)
    truth["saturated"] = (planes["dq"][middle] & dq.SATURATED) != 0
    truth["seed"] = np.full(len(truth["x"]), seed)
    return Image(**planes, meta=meta, wcs=wcs, extras=_no_reference_pixels(observation)), truth


def exposed(
    collected: NDArray[np.float32],
    detector: DetectorTruth,
    observation: Observation,
    config: Level2Config,
    seed: int,
) -> dict[str, Any]:
    """The planes of an image of what the detector collects.

    Parameters
    ----------
    collected : ndarray of float32, (4088, 4088)
        Electron/s, dark current included, before capacitance.
    detector, observation, config
        As for :func:`level2`.
    seed : int

    Returns
    -------
    dict of str to ndarray
        As :data:`aqueduct.products.image.PLANES` names and types them.
    """
    science = SCIENCE_WINDOW.rows, SCIENCE_WINDOW.columns
    model = RampNoise.of(observation.table.read_pattern, observation.table.frame_time)
    flat = np.where(detector.response[science] > 0, true_flat(detector), np.float32(0))
    dark = coupled(detector.dark[science], detector.ipc)
    seen = coupled(collected, detector.ipc)
    charge, variance = np.empty_like(seen), np.empty((2, *seen.shape), np.float32)
    used = np.empty(seen.shape, np.uint8)
    planes: dict[str, Any] = {name: np.empty(seen.shape, kind) for name, kind in PLANES.items()}
    strips = bands(len(seen), _BAND)
    # Streams for each strip: the same image at any number of threads.
    streams = dict(zip(strips, np.random.SeedSequence(seed).spawn(len(strips)), strict=True))

    def collect(limits: tuple[int, int]) -> None:
        rows, rng = slice(*limits), np.random.default_rng([*streams[limits].generate_state(4), 0])
        maps = _cut(detector, rows)
        used[rows] = model.usable(seen[rows], capacity(maps, config.margin))
        rate = seen[rows] / maps["gain"]
        variance[:, rows] = model.variances(rate, maps["gain"], maps["read_noise"], used[rows])
        # Variance of the charge's rate per electron/s.
        unit = variance[0, rows] * maps["gain"] ** 2 / np.maximum(seen[rows], _FAINTEST)
        charge[rows] = scattered(collected[rows], collected[rows] * unit, rng)

    def read(limits: tuple[int, int]) -> None:
        rows, rng = slice(*limits), np.random.default_rng([*streams[limits].generate_state(4), 1])
        maps = _cut(detector, rows)
        data = (noisy[rows] - dark[rows]) / maps["gain"]
        if config.noise:
            data += np.sqrt(variance[1, rows]) * rng.standard_normal(data.shape, np.float32)
        part = _calibrated(data, variance[:, rows], used[rows], flat[rows], maps["dq"], model)
        for name, values in part.items():
            planes[name][rows] = values

    over(collect, strips)
    noisy = coupled(charge, detector.ipc) if config.noise else seen
    over(read, strips)
    return planes


def coupled(plane: Plane, capacitance: NDArray[np.float64]) -> NDArray[np.float32]:
    """A plane seen through the capacitance; beyond its edge it goes on as at the edge."""
    padded = np.pad(np.asarray(plane, np.float32), 1, mode="edge")
    seen = np.zeros(plane.shape, np.float32)

    def band(limits: tuple[int, int]) -> None:
        start, stop = limits
        for (i, j), share in np.ndenumerate(capacitance.astype(np.float32)):
            part = padded[start + 2 - i : stop + 2 - i, 2 - j : 2 - j + plane.shape[1]]
            seen[start:stop] += share * part

    over(band, bands(len(plane), _BAND))
    return seen


def _cut(detector: DetectorTruth, rows: slice) -> dict[str, Plane]:
    """The maps needed, on some rows of the science area."""
    place = (
        slice(SCIENCE_WINDOW.row + rows.start, SCIENCE_WINDOW.row + rows.stop),
        SCIENCE_WINDOW.columns,
    )
    return {name: getattr(detector, name)[place] for name in _MAPS}


def capacity(maps: dict[str, Plane], margin: float) -> Plane:
    """Electrons at which pixels reach ``margin`` times their full well."""
    seen = margin * maps["full_well"].astype(np.float64)
    bend = maps["nonlinearity"].astype(np.float64)
    # L = (1 - sqrt(1 - 4 s F)) / 2 s, in a form that holds for s = 0 too.
    linear = 2 * seen / (1 + np.sqrt(np.maximum(1 - 4 * bend * seen, 0)))
    return np.asarray((linear - maps["pedestal"]) * maps["gain"])


def _calibrated(
    data: Plane, variance: Plane, used: Plane, flat: Plane, flags: Plane, model: RampNoise
) -> dict[str, Plane]:
    """The planes of some rows out of rates in DN/s and their variances."""
    lost, unknown = used < 2, flat <= 0
    by = np.where(unknown, np.float32(1), flat)
    new = np.where(used < model.resultants, np.uint32(dq.SATURATED), np.uint32(0))
    new |= np.where(lost, np.uint32(dq.DO_NOT_USE), np.uint32(0))
    new |= np.where(unknown, np.uint32(dq.NO_FLAT_FIELD), np.uint32(0))
    poisson, read = variance
    return {
        "data": np.where(lost, np.float32(np.nan), data / by),
        "dq": flags | new,
        "err": np.sqrt(poisson + read) / by,
        "var_poisson": poisson / by**2,
        "var_rnoise": read / by**2,
        "chisq": np.where(lost, np.nan, used - 2.0),
        "dumo": np.where(lost, np.nan, 0.0),
    }


def scattered(mean: Plane, variance: Plane, rng: np.random.Generator) -> NDArray[np.float32]:
    """``mean`` with Poisson-like noise of a variance: k variance / mean, k of mean m^2 / variance.

    Where either is not positive the mean is kept.
    """
    some = (mean > 0) & (variance > 0)
    unit = np.where(some, variance, 1.0).astype(np.float64) / np.where(some, mean, 1.0)
    counts = np.where(some, mean, 0.0) / unit
    drawn = rng.poisson(np.minimum(counts, _MOST))
    noisy = some & (counts < _MOST)
    return np.where(noisy, drawn * unit, mean).astype(np.float32)


def _described(
    meta: Meta, observation: Observation, detector: DetectorTruth, config: Level2Config
) -> tuple[Any, Meta]:
    """The WCS of the image, and the metadata of a calibrated one."""
    pointing = observation.true_pointing if config.wcs == "true" else observation.pointing
    wcs = detector_wcs(
        aperture(observation.detector).model(),
        pointing.wcsinfo(observation.detector),
        meta["velocity_aberration"]["scale_factor"],
    )
    factor = conversion(detector, observation.optical_element)
    return wcs, updated(
        meta,
        product_type="l2",
        model_type="ImageModel",
        filename=observation.name.file("cal"),
        wcsinfo={"s_region": s_region(*outline(wcs, (SCIENCE, SCIENCE)))},
        photometry={
            "conversion_megajanskys": factor,
            "conversion_megajanskys_uncertainty": 0.0,
            "pixel_area": float(pixel_area(observation.detector).mean()),
        },
        cal_step={**dict.fromkeys(_DONE, "COMPLETE"), **dict.fromkeys(_NOT_DONE, "INCOMPLETE")},
        cal_logs=["simulated without ramps"],
    )


def _no_reference_pixels(observation: Observation) -> dict[str, Plane]:
    """Empty arrays for what only a ramp has, but the schema asks for."""
    count = len(observation.table.read_pattern)
    extras: dict[str, Plane] = {"amp33": np.empty((count, 0, 0), np.uint16)}
    for side in ("left", "right", "top", "bottom"):
        extras[f"border_ref_pix_{side}"] = np.empty((count, 0, 0), np.float32)
        extras[f"dq_border_ref_pix_{side}"] = np.empty((0, 0), np.uint32)
    return extras
