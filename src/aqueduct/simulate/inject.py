"""Add sources to images that exist: calibrated exposures and co-adds.

With D the added brightness of a pixel, noise-free, an image gains

    data'       = data + D k / m,   k Poisson of mean m = D^2 / (added variance)
    var_poisson', var_rnoise'       as a fit of the ramp with the light in it has
    err'^2      = err^2 + added variance of both

**Level 2.** rho = a / (g s^2), which decides how a ramp is weighted (see
:mod:`aqueduct.simulate.ramp_noise`), follows from var_poisson / var_rnoise; D / g adds to
a / g. So the planes of any image tell its read noise and exposure; only g, electrons per
flat-fielded DN, must be given. A pixel that saturates with the new light keeps the
resultants before, as in a simulated image.

**Level 3.** Each exposure of t seconds adds the variance D u / t, u being MJy/sr of one
electron/s; N of them, drizzled, add D u / (N t) (K x K)(0) / r, with the correlation of
drizzled noise (see :mod:`aqueduct.simulate.drizzled`).

The file that comes in is left alone: before and after are a pair that differs by the sources.
Sources are where they are in the middle of the exposure; moving ones leave no trail.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import dq
from aqueduct.core.errors import InputError
from aqueduct.core.threads import bands, over
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.instrument.filters import njy_per_electron
from aqueduct.instrument.noise import FULL_WELL
from aqueduct.instrument.photometry import NJY_PER_MJY, njy
from aqueduct.products.image import Image
from aqueduct.products.meta import Meta
from aqueduct.products.mosaic import Mosaic
from aqueduct.products.window import SCIENCE
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.drizzled import Drizzle
from aqueduct.simulate.level2 import scattered
from aqueduct.simulate.level3 import electron_unit, solid_angle
from aqueduct.simulate.ramp_noise import RampNoise
from aqueduct.simulate.render import pixel_area, sources
from aqueduct.simulate.scene import STAR, Scene
from aqueduct.simulate.truth import Truth, at_pixels, rows_of, within

Floats = NDArray[np.float64]
Plane = NDArray[Any]

_BAND: Final = 128
_PLANES: Final = ("data", "err", "var_poisson", "var_rnoise")


def inject_level2(
    image: Image, scene: Scene, epsf: Epsf, gain: Plane | float, rng: np.random.Generator
) -> tuple[Image, Truth]:
    """Add a scene to a calibrated image.

    Parameters
    ----------
    image : Image
        DN/s, of the science area, with a WCS and ``meta.photometry``.
    scene : Scene
    epsf : Epsf
        Of the image's detector and filter, capacitance included.
    gain : ndarray (4088, 4088) or float
        Electrons per flat-fielded DN: the gain times the flat field.
    rng : numpy.random.Generator

    Returns
    -------
    Image
        A new one.
    dict of str to ndarray
        One row for each source on the image: ``source``, ``id``, ``kind``, ``ra``, ``dec``
        (deg), ``x``, ``y`` (0-based pixel), ``flux`` (nJy), ``signal`` (DN/s in all pixels
        together) and ``saturated`` (the pixel at its centre is).

    Raises
    ------
    InputError
        If the image has no WCS, is not in DN/s or its conversion to flux is not known.
    """
    about, unit = image.exposure, dn_unit(image)
    sky = PixelMap.from_gwcs(image.wcs, image.data.shape)
    time = middle_of(image.meta)
    ra, dec = scene.positions(time)
    x, y = sky.to_pixel(ra, dec)
    flux = fluxes(scene, about.detector, about.optical_element, time)
    area = pixel_area(about.detector)
    added = sources(scene, x, y, flux / unit, epsf, sky) / (area / area.mean()).astype(np.float32)
    model = RampNoise.of(about.read_pattern, about.frame_time)
    every = np.broadcast_to(np.asarray(gain, np.float32), image.data.shape)
    planes: dict[str, Any] = {name: np.array(getattr(image, name)) for name in (*_PLANES, "dq")}
    strips = bands(len(added), _BAND)

    def band(item: tuple[tuple[int, int], np.random.Generator]) -> None:
        (start, stop), stream = item
        rows = slice(start, stop)
        part = {name: plane[rows] for name, plane in planes.items()}
        _add(part, added[rows], every[rows], model, stream)

    over(band, list(zip(strips, rng.spawn(len(strips)), strict=True)))
    saturated = (planes["dq"] & dq.SATURATED) != 0
    truth = injected_truth(scene, (ra, dec), (x, y), flux, flux / unit, saturated)
    return replace(image, **planes), truth


def inject_level3(
    mosaic: Mosaic,
    scene: Scene,
    epsf: Epsf,
    detector: str,
    position_angle: float,
    rng: np.random.Generator,
) -> tuple[Mosaic, Truth]:
    """Add a scene to a co-add.

    Parameters
    ----------
    mosaic : Mosaic
        MJy/sr, with ``meta.resample`` and ``meta.coadd_info``.
    scene : Scene
    epsf : Epsf
        Of the detector, capacitance included; the one at its middle is used.
    detector : str
        Whose response stands for all.
    position_angle : float
        Of the detectors' +y axis, degrees east of the cell's +y.
    rng : numpy.random.Generator

    Returns
    -------
    Mosaic
        A new one.
    dict of str to ndarray
        As of :func:`inject_level2`; ``x``, ``y`` are pixels of the cell, ``signal`` is in
        MJy/sr and ``saturated`` marks pixels without data.

    Raises
    ------
    InputError
        If the exposure time or the drizzle's parameters are not recorded.
    """
    about, cell = _coadd(mosaic), mosaic.cell
    drizzle = Drizzle.turned(about["ratio"], position_angle, about["pixfrac"])
    time, element = about["time"], mosaic.optical_element
    ra, dec = scene.positions(time)
    x, y = cell.plane.to_pixel(ra, dec)
    flux = fluxes(scene, detector, element, time)
    signal = flux / NJY_PER_MJY / solid_angle(cell, x, y)
    middle = SCIENCE / 2 - 0.5
    seen = drizzle.epsf(epsf, middle, middle)
    added = sources(scene, x, y, signal, seen, cell.plane, shape=mosaic.data.shape)
    depth = np.bitwise_count(mosaic.context).sum(axis=0, dtype=np.float32)
    blank = depth == 0
    seconds = np.where(blank, 1, depth) * np.float32(about["seconds"] / max(depth.max(), 1))
    scale = np.float32(electron_unit(detector, element) * drizzle.variance)
    extra = np.where(blank, 0, np.maximum(added, 0) * scale / seconds).astype(np.float32)
    noise = np.sqrt(extra) * drizzle.noise(mosaic.data.shape, rng)
    made = replace(
        mosaic,
        data=mosaic.data + added + noise,
        var_poisson=mosaic.var_poisson + extra,
        err=np.sqrt(np.square(mosaic.err) + extra),
    )
    return made, injected_truth(scene, (ra, dec), (x, y), flux, signal, np.isnan(made.data))


def middle_of(meta: Meta) -> Any:
    """The middle of an exposure, when the sources are where they are drawn."""
    start, end = meta["exposure"]["start_time"], meta["exposure"]["end_time"]
    return start + (end - start) / 2


def fluxes(scene: Scene, detector: str, element: str, time: Any) -> Floats:
    """Flux density, nJy, of each source at a time, by the detector's AB zero point."""
    rate = scene.rates(detector, element, time)
    return np.asarray(rate * njy_per_electron(detector, element))


def dn_unit(image: Image) -> float:
    """Flux density, nJy, of one DN/s in a pixel of mean solid angle.

    Raises
    ------
    InputError
        If the image has no WCS, is not in DN/s or lacks its photometry.
    """
    where = str(image.meta.get("filename", ""))
    if image.wcs is None:
        raise InputError("the image has no WCS", where=where, hint="run assign_wcs on it first")
    if image.meta.get("cal_step", {}).get("flux") == "COMPLETE":
        raise InputError("is in MJy/sr", where=where, hint="inject before the step flux")
    known = image.meta.get("photometry") or {}
    factor, area = known.get("conversion_megajanskys"), known.get("pixel_area")
    if factor is None or area is None or not (factor > 0 and area > 0):
        raise InputError(
            "meta.photometry is not known", where=where, hint="run the step photom on it first"
        )
    return float(factor) * float(area) * NJY_PER_MJY


def injected_truth(
    scene: Scene,
    place: tuple[Floats, Floats],
    pixel: tuple[Floats, Floats],
    flux: Floats,
    signal: Floats,
    saturated: NDArray[np.bool_],
) -> Truth:
    """The truth about the sources whose centre is on an image, one row each."""
    on = within(pixel, saturated.shape)
    truth = rows_of(scene, on, place, pixel, flux=flux, signal=signal)
    truth["saturated"] = at_pixels(saturated, truth)
    return truth


def grid_scene(
    sky: Any,
    shape: tuple[int, int],
    spacing: float,
    magnitudes: tuple[float, float],
    element: str,
    time: Any,
    rng: np.random.Generator,
) -> Scene:
    """Stars on a grid over an image, each at a random place within its pixel.

    Parameters
    ----------
    sky : PixelMap or TangentPlane
    shape : (rows, columns)
    spacing : float
        Pixels between neighbours.
    magnitudes : (bright, faint)
        AB; drawn evenly.
    element : str
    time : astropy.time.Time
        The stars stand still: their epoch is that of the image.
    rng : numpy.random.Generator
    """
    down, across = (np.arange(spacing / 2, size - spacing / 4, spacing) for size in shape)
    y, x = (axis.ravel() for axis in np.meshgrid(down, across, indexing="ij"))
    x, y = (np.rint(axis) + rng.uniform(-0.5, 0.5, axis.size) for axis in (x, y))
    ra, dec = sky.to_sky(x, y)
    magnitude = rng.uniform(*magnitudes, x.size)
    return Scene(
        ra=ra,
        dec=dec,
        kind=np.full(x.size, STAR, np.uint8),
        flux={element: njy(magnitude)},
        epoch=float(time.jyear),
    )


def _add(
    planes: dict[str, Plane],
    added: NDArray[np.float32],
    gain: NDArray[np.float32],
    model: RampNoise,
    rng: np.random.Generator,
) -> None:
    """Add light to some rows, in place; only pixels that have data and get light change."""
    lit = np.nonzero((added > 0) & np.isfinite(planes["data"]) & (planes["var_rnoise"] > 0))
    old_p, old_r = (planes[name][lit].astype(np.float64) for name in ("var_poisson", "var_rnoise"))
    light, g = added[lit].astype(np.float64), gain[lit].astype(np.float64)
    photons, read_noise = _state(old_p, old_r, model)
    total = photons + light / g
    used = model.usable(total * g**2, np.float64(FULL_WELL))
    # Differences within the model: those from the image would be rounding where light is faint.
    base_p, base_r = model.variances(photons, np.float64(1), read_noise, model.resultants)
    new_p, new_r = model.variances(total, np.float64(1), read_noise, used)
    more_p, more_r = new_p - base_p, new_r - base_r
    gained = np.maximum(more_p + more_r, 0)
    data = planes["data"][lit] + scattered(light, gained, rng)
    lost = used < 2
    planes["data"][lit] = np.where(lost, np.nan, data)
    planes["err"][lit] = np.sqrt(planes["err"][lit].astype(np.float64) ** 2 + gained)
    planes["var_poisson"][lit], planes["var_rnoise"][lit] = old_p + more_p, old_r + more_r
    full = np.where(used < model.resultants, np.uint32(dq.SATURATED), np.uint32(0))
    planes["dq"][lit] |= full | np.where(lost, np.uint32(dq.DO_NOT_USE), np.uint32(0))


def _state(poisson: Floats, read: Floats, model: RampNoise) -> tuple[Floats, Floats]:
    """a/g and s of ramps, in the unit of the image, out of the variances of their rates.

    Ramps with jumps left out are taken for whole ones of more noise.
    """
    rho = model.rho(poisson / read)
    _, whole = model.variances(rho, np.float64(1), np.float64(1), model.resultants)
    variance = read / whole
    return rho * variance, np.sqrt(variance)


def _coadd(mosaic: Mosaic) -> dict[str, Any]:
    """What the metadata tell about depth and drizzle."""
    try:
        info, drizzled = mosaic.meta["coadd_info"], mosaic.meta["resample"]
        seconds = info.get("max_exposure_time") or info["exposure_time"]
        return {
            "ratio": float(drizzled["pixel_scale_ratio"]),
            "pixfrac": float(drizzled["pixfrac"]),
            "seconds": float(seconds),
            "time": info["time_mean"],
        }
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"metadata lack or garble {error}",
            where=str(mosaic.meta.get("filename", "")),
            hint="co-add the images with `aqueduct run mosaic`",
        ) from error
