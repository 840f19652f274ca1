"""A Level 3 co-add of a scene, drawn on its sky cell without exposures.

    data = sum_k f_k / Omega  ePSF'(x - x_k)  +  sqrt(var) n                       [MJy/sr]
    var  = V(rate) u^2 (K x K)(0) / (N r)                                        [(MJy/sr)^2]

f_k [MJy] is a source's flux, Omega the solid angle of the output pixel, ePSF' the detector's
ePSF as drizzling leaves it and n noise of unit variance with the correlation of drizzled white
noise (:mod:`aqueduct.simulate.drizzled`). V is the variance of a fitted rate in a detector
pixel (:mod:`aqueduct.simulate.ramp_noise`) at the brightness of the scene plus sky, thermal
light and dark current, u converts electron/s per detector pixel to MJy/sr, and N is the number
of exposures. The sky is in the data, unless it is asked to be subtracted.

Simplified: one ePSF for the whole cell, even depth, no bad pixels, normal noise. The co-add of
images from :mod:`aqueduct.simulate.level2` has none of these limits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.threads import bands, over
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.skycells import SkyCell
from aqueduct.geometry.tangent import TangentPlane
from aqueduct.geometry.wcs import cell_wcs
from aqueduct.instrument.filters import background, njy_per_electron
from aqueduct.instrument.matables import MATable
from aqueduct.instrument.noise import FULL_WELL, detector_noise
from aqueduct.instrument.photometry import NJY_PER_MJY
from aqueduct.products.meta import Meta
from aqueduct.products.mosaic import Mosaic
from aqueduct.products.window import SCIENCE
from aqueduct.psf.epsf import Epsf
from aqueduct.simulate.drizzled import Drizzle
from aqueduct.simulate.ramp_noise import RampNoise
from aqueduct.simulate.render import STRAY_LIGHT, pixel_area, sources
from aqueduct.simulate.scene import Scene
from aqueduct.simulate.skylight import SkyConfig
from aqueduct.simulate.truth import Truth, at_pixels, rows_of, within

Floats = NDArray[np.float64]
Plane = NDArray[Any]

CONTEXT_BITS: Final = 32
_BAND: Final = 128
_THIN: Final = 7
"""Every so many-th pixel along each axis goes into the statistics."""
_MAD_TO_SIGMA: Final = 1.4826


class Level3Config(SkyConfig):
    """How deep a co-add is, and how its exposures were taken."""

    detector: str = Field("WFI01", description="Detector whose noise and PSF stand for all")
    exposures: int | None = Field(
        None, ge=1, description="Exposures of every pixel; as many as the program has dithers"
    )
    pixfrac: float = Field(1.0, gt=0, le=1, description="Linear size of the shrunk input pixel")
    position_angle: float | None = Field(
        None,
        description="Of the detectors' +y axis on the cell, degrees from +y (north) to +x (east); "
        "that of the program's first exposure",
    )
    sky: bool = Field(True, description="Leave the sky in the data, as `run mosaic` does")
    noise: bool = Field(True, description="Add noise; variances are the same without")


@dataclass(frozen=True)
class Stack:
    """Equal exposures that are co-added.

    Attributes
    ----------
    detector, element : str
        Whose noise, response and sky stand for all.
    table : MATable
    exposures : int
    drizzle : Drizzle
    zodiacal : float
        In units of the minimum.
    stray_light : float
        As a share of the zodiacal light.
    """

    detector: str
    element: str
    table: MATable
    exposures: int
    drizzle: Drizzle
    zodiacal: float
    stray_light: float = STRAY_LIGHT

    @classmethod
    def of(
        cls, cell: SkyCell, element: str, table: MATable, config: Level3Config, time: Any = None
    ) -> Stack:
        """As configured: one exposure at position angle 0 where nothing else is given.

        ``time`` is needed if the zodiacal light is to be that of the date.
        """
        area = pixel_area(config.detector).mean()
        ratio = float(np.radians(cell.scale) / np.sqrt(area))
        drizzle = Drizzle.turned(ratio, config.position_angle or 0.0, config.pixfrac)
        exposures = config.exposures or 1
        level = config.level(cell.ra_center, cell.dec_center, time, element)
        sky = level, config.stray_light
        return cls(config.detector, element, table, exposures, drizzle, *sky)

    @property
    def model(self) -> RampNoise:
        return RampNoise.of(self.table.read_pattern, self.table.frame_time)

    @property
    def seconds(self) -> float:
        """Effective exposure time of all together."""
        return self.exposures * self.table.effective_exposure_time[-1]

    @property
    def sky(self) -> float:
        """Electron/s of zodiacal, stray and thermal light in a detector pixel."""
        light, thermal = background(self.element)
        return self.zodiacal * (1 + self.stray_light) * light + thermal

    @property
    def dim(self) -> float:
        """Electron/s in a detector pixel without sources, dark current included."""
        return self.sky + detector_noise(self.detector).dark

    @property
    def unit(self) -> float:
        """MJy/sr of one electron/s in a detector pixel of mean size."""
        return electron_unit(self.detector, self.element)

    @property
    def read_noise(self) -> np.float32:
        """Electrons, one read."""
        return np.float32(detector_noise(self.detector).read)

    @property
    def weight(self) -> float:
        """Sum of the drizzle weights: inverse variances of the read noise, at the sky's rate."""
        count = np.int64(self.model.resultants)
        _, read = self.model.variances(np.float32(self.dim), np.float32(1), self.read_noise, count)
        return self.exposures * self.drizzle.share / (float(read) * self.unit**2)


def level3(
    scene: Scene,
    cell: SkyCell,
    stack: Stack,
    epsf: Epsf,
    meta: Meta,
    time: Any,
    rng: np.random.Generator,
    *,
    sky: bool = True,
    noise: bool = True,
) -> tuple[Mosaic, Truth]:
    """Draw a co-add of ``scene``.

    Parameters
    ----------
    scene : Scene
    cell : SkyCell
    stack : Stack
        What is co-added.
    epsf : Epsf
        Of the detector, jitter and capacitance included; the one at its middle is used.
    meta : dict
        Of a co-add; its ``resample``, ``statistics`` and exposure times are filled in.
    time : astropy.time.Time
        When the sources are where they are.
    rng : numpy.random.Generator
    sky : bool
        Leave the sky and the thermal light in the data.
    noise : bool
        Add noise; the variances are the same without.

    Returns
    -------
    Mosaic
        MJy/sr. Pixels that every exposure saturates are NaN with weight 0.
    dict of str to ndarray
        The truth: ``source``, ``id``, ``kind``, ``ra``, ``dec`` (deg), ``x``, ``y`` (0-based
        cell pixel), ``flux`` (nJy), ``rate`` (electron/s), ``expected`` (electron in all
        exposures together) and ``saturated`` (the pixel at its centre is).
    """
    rate = scene.rates(stack.detector, stack.element, time)
    flux = rate * njy_per_electron(stack.detector, stack.element)
    ra, dec = scene.positions(time)
    x, y = cell.plane.to_pixel(ra, dec)
    middle = SCIENCE / 2 - 0.5
    seen = stack.drizzle.epsf(epsf, middle, middle)
    shape = (cell.pixels, cell.pixels)
    unit = 1 / (NJY_PER_MJY * solid_angle(cell, x, y))
    data = sources(scene, x, y, flux * unit, seen, cell.plane, shape=shape)
    poisson, read, lost = _variances(data, stack)
    err = np.sqrt(poisson + read)
    if sky:
        data += np.float32(stack.sky * stack.unit)
    if noise:
        scatter = stack.drizzle.noise(shape, rng)
        scatter *= err
        data += scatter
    mosaic = Mosaic(
        data=data,
        err=err,
        weight=np.where(lost, np.float32(0), np.float32(stack.weight)),
        var_poisson=poisson,
        var_rnoise=read,
        context=context_of(stack.exposures, lost),
        cell=cell,
        meta=_completed(meta, data, stack),
        wcs=cell_wcs(cell),
    )
    on = within((x, y), lost.shape)
    light = {"flux": flux, "rate": rate, "expected": rate * stack.seconds}
    truth = rows_of(scene, on, (ra, dec), (x, y), **light)
    truth["saturated"] = at_pixels(lost, truth)
    return mosaic, truth


def angle_on(cell: SkyCell, detector: str, wcsinfo: Mapping[str, Any]) -> float:
    """Position angle of a detector's +y axis on a cell, degrees from +y to +x.

    Parameters
    ----------
    cell : SkyCell
    detector : str
    wcsinfo : mapping
        Its ``ra_ref``, ``dec_ref`` and ``roll_ref``, degrees.
    """
    angle = np.radians(wcsinfo["roll_ref"] + aperture(detector).v3_angle)
    here = TangentPlane(wcsinfo["ra_ref"], wcsinfo["dec_ref"], scale=1 / 3600)
    x, y = cell.plane.to_pixel(*here.to_sky([0.0, np.sin(angle)], [0.0, np.cos(angle)]))
    return float(np.degrees(np.arctan2(x[1] - x[0], y[1] - y[0])))


def solid_angle(cell: SkyCell, x: Floats, y: Floats) -> Floats:
    """Steradian of the cell's pixels at (x, y): scale^2 cos^3 of the angle to the tangent point."""
    step = np.radians(cell.scale)
    squared = ((x - cell.x0) ** 2 + (y - cell.y0) ** 2) * step**2
    return np.asarray(step**2 * (1 + squared) ** -1.5)


def electron_unit(detector: str, element: str) -> float:
    """MJy/sr of one electron/s in a detector pixel of mean size."""
    area = float(pixel_area(detector).mean())
    return njy_per_electron(detector, element) / NJY_PER_MJY / area


def context_of(exposures: int, lost: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Planes with a bit set for every exposure, none where ``lost``."""
    planes = -(-exposures // CONTEXT_BITS)
    context = np.empty((planes, *lost.shape), np.uint32)
    for k in range(planes):
        bits = min(exposures - k * CONTEXT_BITS, CONTEXT_BITS)
        context[k] = np.where(lost, np.uint32(0), np.uint32(2**bits - 1))
    return context


def _variances(
    data: NDArray[np.float32], stack: Stack
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Photon variance, read variance, and which pixels are lost: those become NaN in place."""
    model, read_noise = stack.model, stack.read_noise
    unit, dim = np.float32(stack.unit), np.float32(stack.dim)
    scale = np.float32(stack.unit**2 * stack.drizzle.variance / stack.exposures)
    poisson, read = np.empty_like(data), np.empty_like(data)
    lost = np.empty(data.shape, bool)

    def band(limits: tuple[int, int]) -> None:
        rows = slice(*limits)
        rate = data[rows] / unit + dim
        used = model.usable(rate, np.float64(FULL_WELL))
        lost[rows] = used < 2
        first, second = model.variances(rate, np.float32(1), read_noise, used)
        poisson[rows], read[rows] = scale * first, scale * second
        data[rows][lost[rows]] = np.nan

    over(band, bands(len(data), _BAND))
    return poisson, read, lost


def _completed(meta: Meta, data: NDArray[np.float32], stack: Stack) -> Meta:
    """The metadata that follow from the exposures and the data."""
    values = data[::_THIN, ::_THIN]
    good = values[np.isfinite(values)]
    median = float(np.median(good))
    return {
        **meta,
        "coadd_info": {
            **meta["coadd_info"],
            "exposure_time": stack.seconds,
            "max_exposure_time": stack.seconds,
        },
        "resample": {
            "good_bits": "~DO_NOT_USE",
            "members": [],
            "pixel_scale_ratio": float(np.sqrt(stack.drizzle.share)),
            "pixfrac": stack.drizzle.pixfrac,
            "pointings": stack.exposures,
            "weight_type": "ivm",
        },
        "statistics": {
            "image_median": median,
            "image_rms": float(_MAD_TO_SIGMA * np.median(np.abs(good - median))),
            "good_pixel_fraction": good.size / values.size,
        },
    }
