"""Drizzle images onto a sky cell, one at a time.

An input pixel i, shrunk by ``pixfrac``, puts the share a_ij of itself into output pixel j
(:mod:`aqueduct.kernels.drizzle`). With its weight w_i and the sky level b of its image::

    W_j   = sum_i w_i a_ij
    out_j = sum_i w_i a_ij (d_i - b) / W_j                         [MJy/sr]
    var_j = sum_i (w_i a_ij)^2 var_i / W_j^2                       [(MJy/sr)^2]

Values are surface brightness: ``out_j`` times the pixel's solid angle, summed over an
aperture, is the flux (with pixfrac 1; smaller ones need dithers to fill the gaps).
``var_j`` is the variance of one output pixel by itself. Neighbours share the noise of the
detector pixel they lie in, so the mean over many has R times the noise that ``err`` alone
gives, R = p / (1 - 1 / (3 p)) with p = pixfrac / ``meta.resample.pixel_scale_ratio`` >= 1:
2.4 on sky cells.

Unlike romancal 1.1, weights are smooth over the image. There, a pixel's own noise, jumps
and saturation weigh it, so a star's core counts less than its wings and its flux is lost.
There too, variances are multiplied by (input / output pixel scale)^2, an allowance for
large apertures; here they are those of the pixels.

Source: Fruchter & Hook 2002, PASP 114, 144, equations 4, 5 and 9.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import Fold, step
from aqueduct.core.threads import bands, over
from aqueduct.geometry.skycells import SkyCell
from aqueduct.geometry.wcs import cell_wcs
from aqueduct.level3._blend import blended
from aqueduct.level3._cellinfo import wcsinfo
from aqueduct.level3._common import MAD_TO_SIGMA, FlagNames, file_name
from aqueduct.level3._drizzle import TILE, Layer, Tile, Weighting, exposure_time, layer, tiles
from aqueduct.products import Image, Mosaic
from aqueduct.products.meta import Meta

CONTEXT_BITS = 32


class ResampleConfig(StepConfig):
    """Parameters of :func:`resample`."""

    pixfrac: float = Field(1.0, gt=0, le=1, description="Linear size of the shrunk input pixel")
    weight: Weighting = Field(
        "ivm",
        description="Inverse variance of the read noise (ivm), of read noise and sky (ivm-sky), "
        "or exposure time (exptime)",
    )
    bad: FlagNames = Field("DO_NOT_USE", description="DQ flags that exclude a pixel, joined by +")


@step(shape="fold", cal_step="resample")
def resample(cell: SkyCell, config: ResampleConfig) -> Fold[Image, Mosaic]:
    """Co-add images on a sky cell.

    Parameters
    ----------
    cell : SkyCell
        The output grid.
    config : ResampleConfig

    Returns
    -------
    Fold of Image to Mosaic
        Add images in MJy/sr, each with its WCS; ``meta.background.level`` is subtracted.
        Output pixels that no good pixel reaches are NaN with weight 0.

    Raises
    ------
    InputError
        From ``add``: an image not in MJy/sr, without WCS, variances or exposure time.
        From ``finish``: nothing was added, or nothing lies on the cell.
    """
    return Coadd(cell, config)


class Coadd:
    """The running sums of :func:`resample`: five planes, whatever the number of images."""

    def __init__(self, cell: SkyCell, config: ResampleConfig) -> None:
        shape = (cell.pixels, cell.pixels)
        self._cell, self._config = cell, config
        self._sums = [np.zeros(shape, np.float32) for _ in range(4)]
        self._context: list[NDArray[np.uint32]] = []
        self._metas: list[Meta] = []
        self._times: list[float] = []
        self._areas: list[float] = []

    def add(self, member: Image) -> None:
        """Drizzle one image onto the sums; an image off the cell is recorded all the same."""
        if member.meta.get("cal_step", {}).get("flux") != "COMPLETE":
            raise InputError(
                "is not in MJy/sr",
                where=file_name(member),
                hint="run the step flux on it first",
            )
        self._times.append(exposure_time(member))
        plane, bit = divmod(len(self._metas), CONTEXT_BITS)
        if plane == len(self._context):
            self._context.append(np.zeros(self._sums[0].shape, np.uint32))
        self._metas.append(member.meta)
        found = layer(member, self._cell, self._config.weight, dq.parse(self._config.bad))
        if found is None:
            return
        self._areas.append(found.map.pixel_area())
        context, mark = self._context[plane], np.uint32(1 << bit)
        over(lambda tile: self._add_tile(found, tile, context, mark), tiles(self._cell))

    def _add_tile(
        self, found: Layer, tile: Tile, context: NDArray[np.uint32], mark: np.uint32
    ) -> None:
        new = found.onto(tile, self._config.pixfrac)
        if new is not None:
            for plane, values in zip(self._sums, new, strict=True):
                plane[tile] += values
            context[tile] |= np.where(new[1] > 0, mark, np.uint32(0))

    def finish(self) -> Mosaic:
        """Divide by the weights; the sums are used up."""
        if not self._areas:
            raise InputError(
                f"none of {len(self._metas)} images lies on the cell",
                where=self._cell.name,
                hint="make the association anew with `aqueduct associate`",
            )
        data, weight, poisson, rnoise = self._sums
        err = np.empty_like(data)

        def divide(limits: tuple[int, int]) -> None:
            rows = slice(*limits)
            total = np.where(weight[rows] > 0, weight[rows], np.nan)
            data[rows] /= total
            poisson[rows] /= total**2
            rnoise[rows] /= total**2
            np.sqrt(poisson[rows] + rnoise[rows], out=err[rows])

        over(divide, bands(self._cell.pixels, TILE))
        context = np.stack(self._context) if len(self._context) > 1 else self._context[0][None]
        return Mosaic(
            data=data,
            err=err,
            weight=weight,
            var_poisson=poisson,
            var_rnoise=rnoise,
            context=context,
            cell=self._cell,
            meta=self._meta(data, context),
            wcs=cell_wcs(self._cell),
        )

    def _meta(self, data: NDArray[np.float32], context: NDArray[np.uint32]) -> Meta:
        meta = blended(self._metas)
        meta["cal_step"]["resample"] = "COMPLETE"
        meta["coadd_info"] |= _exposure(context, self._times)
        return {
            **meta,
            "model_type": "MosaicModel",
            "product_type": "coadd",
            "association": {"name": "None"},
            "resample": {
                "good_bits": f"~{self._config.bad}",
                "members": [str(each.get("filename", "")) for each in self._metas],
                "pixel_scale_ratio": float(np.mean(np.array(self._areas) ** -0.5)),
                "pixfrac": self._config.pixfrac,
                "pointings": len(self._metas),
                "weight_type": self._config.weight,
            },
            "statistics": _statistics(data),
            "wcsinfo": wcsinfo(self._cell),
        }


def _exposure(context: NDArray[np.uint32], times: list[float]) -> dict[str, float]:
    """Mean and largest total exposure time of the pixels reached, seconds."""

    def band(limits: tuple[int, int]) -> tuple[float, int, float]:
        rows = slice(*limits)
        total = np.zeros(context[0, rows].shape, np.float32)
        for number, time in enumerate(times):
            plane, bit = divmod(number, CONTEXT_BITS)
            total += np.float32(time) * ((context[plane, rows] >> np.uint32(bit)) & np.uint32(1))
        return float(total.sum(dtype=np.float64)), int((total > 0).sum()), float(total.max())

    sums, counts, largest = zip(*over(band, bands(context.shape[1], TILE)), strict=True)
    return {
        "exposure_time": sum(sums) / max(sum(counts), 1),
        "max_exposure_time": max(largest),
    }


def _statistics(data: NDArray[np.float32]) -> dict[str, float]:
    """Median, 1.4826 x median absolute deviation, and the fraction of pixels reached."""
    values = data[np.isfinite(data)]
    if values.size == 0:
        return {"image_median": -999999.0, "image_rms": -999999.0, "good_pixel_fraction": 0.0}
    fraction = values.size / data.size
    median = np.median(values, overwrite_input=True)
    rms = MAD_TO_SIGMA * np.median(np.abs(values - median), overwrite_input=True)
    return {
        "image_median": float(median),
        "image_rms": float(rms),
        "good_pixel_fraction": fraction,
    }
