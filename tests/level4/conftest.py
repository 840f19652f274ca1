from dataclasses import dataclass, replace

import numpy as np
import pytest
from astropy.time import Time, TimeDelta

from aqueduct.geometry.skycells import cell as published
from aqueduct.level4.background import BackgroundConfig, background
from aqueduct.level4.detection import DetectionConfig, detection
from aqueduct.products import Mosaic

SIDE = 700
NAME = "270p65x50y50"
POINT, WIDE = 1.6, 4.0
"""Sigma of the two kinds of source, pixels."""


@dataclass(frozen=True)
class Scene:
    """Truth: pixels, MJy/sr times pixels in F158 (half of it in F106), and who is wide."""

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    wide: np.ndarray
    mosaics: list[Mosaic]


def cut_cell():
    """A corner of a published cell."""
    whole = published(NAME)
    return replace(whole, pixels=SIDE, x0=whole.x0 - 2000, y0=whole.y0 - 2000)


def shared_noise(rng):
    """Four images of pixels twice as large, each dithered by one: unit variance in each pixel."""
    total = np.zeros((SIDE, SIDE))
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        coarse = rng.normal(size=(SIDE // 2 + 1,) * 2).repeat(2, 0).repeat(2, 1)
        total += coarse[dy : dy + SIDE, dx : dx + SIDE] / 2
    return total


def meta(element, day):
    start = Time(f"2027-01-{day:02d}T00:00:00")
    return {
        "filename": f"r0_{element.lower()}_coadd.asdf",
        "file_date": start,
        "instrument": {"name": "WFI", "detector": None, "optical_element": element},
        "coadd_info": {
            "time_first": start, "time_last": start + TimeDelta(1, format="jd"),
            "time_mean": start + TimeDelta(0.5, format="jd"),
            "exposure_time": 100.0 * day, "max_exposure_time": 400.0,
        },
        "resample": {"pixfrac": 1.0},
        "statistics": {},
    }  # fmt: skip


def coadd(element, day, light, rng):
    variance = 0.0025 + 0.01 * light
    data = light + 0.3 + shared_noise(rng) * np.sqrt(variance)
    planes = {
        "data": data,
        "err": np.sqrt(variance),
        "weight": np.ones_like(data),
        "var_poisson": 0.01 * light,
        "var_rnoise": np.full_like(data, 0.0025),
    }
    planes = {name: plane.astype(np.float32) for name, plane in planes.items()}
    planes["data"][:40, :40], planes["weight"][:40, :40] = np.nan, 0
    context = np.ones((1, SIDE, SIDE), np.uint32)
    return Mosaic(**planes, context=context, cell=cut_cell(), meta=meta(element, day))


@pytest.fixture(scope="session")
def raw():
    rng = np.random.default_rng(30)
    grid = np.arange(60, SIDE - 50, 48.0)
    y, x = (axis.ravel() + rng.uniform(-6, 6, grid.size**2) for axis in np.meshgrid(grid, grid))
    flux = 10 ** rng.uniform(1.2, 3, x.size)
    wide = rng.random(x.size) < 0.4
    rows, columns = np.mgrid[:SIDE, :SIDE]
    light = np.zeros((SIDE, SIDE))
    for place_x, place_y, total, is_wide in zip(x, y, flux, wide, strict=True):
        sigma = WIDE if is_wide else POINT
        u = np.exp(-0.5 * ((columns[0] - place_x) / sigma) ** 2)
        v = np.exp(-0.5 * ((rows[:, 0] - place_y) / sigma) ** 2)
        light += total * np.outer(v, u) / (2 * np.pi * sigma**2)
    mosaics = [coadd("F158", 1, light, rng), coadd("F106", 2, light / 2, rng)]
    return Scene(x, y, flux, wide, mosaics)


@pytest.fixture(scope="session")
def scene(raw):
    """The same, with the background subtracted."""
    return replace(raw, mosaics=[background(m, BackgroundConfig()) for m in raw.mosaics])


@pytest.fixture(scope="session")
def segmentation(scene):
    """The sources of both filters together."""
    return detection(scene.mosaics, DetectionConfig())
