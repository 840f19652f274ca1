"""A small field of stars and galaxies, seen by dithered exposures in two filters."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from astropy.time import Time, TimeDelta
from frame_world import UNKNOWN

from aqueduct.core import dq
from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.skycells import SkyCell
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.products import Image
from aqueduct.products.image import PLANES
from aqueduct.products.references import (
    ApcorrReference,
    AstrometricReference,
    AttitudeReference,
    DistortionReference,
    EpsfReference,
    FileReference,
    HistoryReference,
    PastExposure,
    PhotomReference,
    RegionsReference,
)
from aqueduct.products.window import BORDER, SCIENCE, Window
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.optical import optical_epsf
from aqueduct.simulate.render import sources
from aqueduct.simulate.scene import GALAXY, STAR, Scene

SIDE = 400
CELL = 600
FILTERS = ("F106", "F158")
RA, DEC = 270.0, 66.0
START = Time("2027-03-01T00:00:00")
UNIT = 0.3
"""MJy/sr per DN/s."""
AREA = float(np.radians(0.11 / 3600) ** 2)
OFF = (0.55, -0.35)
"""Error of the pointing, arcsec to the east and north."""
VISITS = (("WFI01", 1, 0.0, 0.0), ("WFI02", 1, 9.0, 5.0), ("WFI01", 2, 1.3, -2.2),
          ("WFI01", 3, -2.4, 1.7))  # fmt: skip
"""Detector, exposure, and where it points: arcsec to the east and north."""


def cell() -> SkyCell:
    """A sky cell that the exposures cover but for a corner."""
    middle = (CELL - 1) / 2
    ra = RA - 6.0 / 3600 / np.cos(np.radians(DEC))
    return SkyCell("270p66x50y50", RA, DEC, middle + 100, middle, ra, DEC, 0.0, CELL)


@lru_cache
def distortion() -> DistortionReference:
    """Science pixel to (V2, V3): 0.11 arcsec pixels and some quadratic terms."""
    from astropy.modeling.models import Mapping, Polynomial2D, Shift

    half = (SIDE - 1) / 2
    v2 = Polynomial2D(2, c1_0=0.11, c0_1=2e-4, c2_0=4e-7, c1_1=2e-7, c0_2=-4e-7)
    v3 = Polynomial2D(2, c1_0=-1e-4, c0_1=0.1105, c2_0=-2e-7, c1_1=4e-7, c0_2=3e-7)
    middle = Shift(-half) & Shift(-half)
    return DistortionReference(transform=middle | Mapping((0, 1, 0, 1)) | (v2 & v3))


def pointing(east: float, north: float) -> dict[str, Any]:
    return {
        "v2_ref": 0.0,
        "v3_ref": 0.0,
        "ra_ref": RA + east / 3600 / np.cos(np.radians(DEC)),
        "dec_ref": DEC + north / 3600,
        "roll_ref": 30.0,
    }


@lru_cache
def scene() -> Scene:
    """Stars with motions and galaxies; F106 differs from F158 by a colour."""
    rng = np.random.default_rng(20)
    stars, galaxies = 130, 30
    count = stars + galaxies
    east, north = rng.uniform(-30, 32, (2, count))
    flux = np.append(10 ** rng.uniform(2.4, 4.8, stars), 10 ** rng.uniform(3.3, 4.3, galaxies))
    shape = np.full((4, count), np.nan)
    shape[:, stars:] = (
        rng.uniform(0.8, 2.5, galaxies),
        rng.uniform(0.15, 0.5, galaxies),
        rng.uniform(0.4, 1, galaxies),
        rng.uniform(0, 180, galaxies),
    )
    motions = rng.normal(0, 3, (2, count)) * (np.arange(count) < stars)
    return Scene(
        RA + east / 3600 / np.cos(np.radians(DEC)),
        DEC + north / 3600,
        np.repeat(np.array([STAR, GALAXY], np.uint8), (stars, galaxies)),
        {"F158": flux, "F106": flux * rng.uniform(0.4, 1.6, count)},
        *shape,
        *motions,
        np.abs(motions[0]) / 10,
    )


@lru_cache
def epsf() -> Epsf:
    """One ePSF for both filters: contracts ask for no truth."""
    return optical_epsf("WFI01", "F158", grid=(2043.5,), size=161)


@lru_cache
def references() -> dict[type[FileReference], FileReference]:
    """Every reference of the steps on images."""
    stamp = epsf().psf
    wide = (stamp + np.roll(stamp, 1, -1) + np.roll(stamp, -1, -1)) / 3
    place = np.array([0.0, SIDE - 1.0])
    ramp = np.hypot(*np.indices(stamp.shape[1:]) - 80)
    radii = np.linspace(0, 18, 60)
    fractions = [float(stamp[0][ramp <= 4 * radius].sum() / 16) for radius in radii]
    photometry = {"photmjsr": UNIT, "uncertainty": 0.003, "pixelareasr": AREA}
    encircled = {"ee_radii": radii, "ee_fractions": np.array(fractions)}
    found = (
        distortion(),
        PhotomReference(table=dict.fromkeys(FILTERS, photometry)),
        EpsfReference(
            psf=np.stack([stamp, wide])[None].repeat(4, axis=2),
            oversample=4,
            pixel_x=np.tile(place, 2),
            pixel_y=np.repeat(place, 2),
            spectral_type=("G2V", "M5V"),
        ),
        ApcorrReference(table=dict.fromkeys(FILTERS, encircled)),
        astrometry(),
        attitude(),
        history(),
        regions(),
    )
    return {type(reference): reference for reference in found}


def attitude() -> AttitudeReference:
    """Quaternions from before and after the exposures, none during them."""
    seconds = np.array([-90.0, -45.0, 165.0, 210.0])
    to_body = np.array([0.3, -0.4, 0.5, 0.7]) + 1e-6 * np.arange(4.0)[:, None]
    none = np.zeros((0, 4))
    return AttitudeReference(
        name="attitude.parquet",
        time=START.mjd + seconds / 86400,
        to_body=to_body / np.linalg.norm(to_body, axis=1, keepdims=True),
        fgs_time=none[:, 0],
        to_fgs=none,
    )


@lru_cache
def history() -> HistoryReference:
    """Two bright exposures, the one shortly before, the other nearly forgotten."""
    rate, flags = np.zeros((SCIENCE, SCIENCE), np.float32), np.zeros((SCIENCE, SCIENCE), np.uint32)
    here = slice(0, SIDE), slice(0, SIDE)
    rng = np.random.default_rng(22)
    rate[here] = 10 ** rng.uniform(0, 4, (SIDE, SIDE))
    full = rng.random((SIDE, SIDE)) < 0.01
    flags[here][full], rate[here][full] = dq.SATURATED | dq.DO_NOT_USE, np.nan
    ends = (("bright_cal.asdf", 20.0), ("old_cal.asdf", 5000.0))
    return HistoryReference(
        exposures=tuple(
            PastExposure(name, rate, flags, float(START.mjd - before / 86400), 100.0)
            for name, before in ends
        )
    )


def regions() -> RegionsReference:
    """A box in pixels, without a circle in its middle."""
    from regions import CirclePixelRegion, PixCoord, RectanglePixelRegion

    middle = PixCoord(50, 90)
    box = RectanglePixelRegion(middle, width=20, height=8)
    hole = CirclePixelRegion(middle, 3, meta={"include": False})
    return RegionsReference(regions=((box, frozenset()), (hole, frozenset({"WFI01"}))))


@lru_cache
def astrometry() -> AstrometricReference:
    """The brighter stars, with errors; some lack motion or errors, one in ten is wrong."""
    rng = np.random.default_rng(21)
    field = scene()
    pick = np.flatnonzero((field.kind == STAR) & (field.flux["F158"] > 600))
    error = rng.uniform(0.1, 2.0, pick.size)
    lost = rng.random(pick.size) < 0.2
    wrong = np.where(rng.random(pick.size) < 0.1, 40.0, 0.0)
    ra = field.ra[pick] + (error * rng.normal(size=pick.size) + wrong) / 3600e3 / np.cos(
        np.radians(DEC)
    )
    return AstrometricReference(
        name="stars.parquet",
        ra=ra,
        dec=field.dec[pick] + error * rng.normal(size=pick.size) / 3600e3,
        epoch=field.epoch,
        pmra=np.where(lost, np.nan, field.pmra[pick]),
        pmdec=np.where(lost, np.nan, field.pmdec[pick]),
        parallax=np.where(lost, np.nan, field.parallax[pick]),
        ra_error=np.where(rng.random(pick.size) < 0.2, np.nan, error),
        dec_error=error,
        magnitude=31.4 - 2.5 * np.log10(field.flux["F158"][pick]),
        pmra_error=np.full(pick.size, 0.03),
        pmdec_error=np.full(pick.size, 0.03),
    )


@lru_cache
def images(element: str = "F158") -> tuple[Image, ...]:
    """The exposures as they leave the ramp fit and the flat: DN/s, no WCS."""
    return tuple(_image(element, *visit, seed) for seed, visit in enumerate(VISITS))


def _image(
    element: str, detector: str, exposure: int, east: float, north: float, seed: int
) -> Image:
    rng = np.random.default_rng([seed, FILTERS.index(element)])
    meta = _meta(element, detector, exposure, east, north)
    true = detector_wcs(distortion().transform, pointing(east, north), 1.00002, (SIDE, SIDE))
    sky = PixelMap.from_gwcs(true, (SIDE, SIDE))
    x, y = sky.to_pixel(*scene().positions(START))
    rate = scene().flux[element] / (UNIT * AREA * 1e15)
    light = sources(scene(), x, y, rate, epsf(), sky)[:SIDE, :SIDE].copy()
    light += np.float32(0.6 + 0.08 * seed) + np.float32(2e-4) * np.arange(SIDE, dtype=np.float32)
    poisson, rnoise = 0.012 * light, np.full_like(light, 0.004) * (1 + 0.2 * seed)
    noise = np.sqrt(poisson + rnoise)
    data = light + noise * rng.normal(size=light.shape)
    flags = np.zeros(data.shape, np.uint32)
    hit = rng.random(data.shape) < 0.001
    data[hit] += 10 ** rng.uniform(0.3, 1.5, data.shape)[hit]
    jumped = rng.random(data.shape) < 0.01
    flags[jumped] |= np.uint32(dq.JUMP_DET)
    data[jumped] += 0.3
    bad = rng.random(data.shape) < 0.004
    flags[bad] |= np.uint32(dq.DO_NOT_USE | dq.HOT)
    data[bad] = np.where(rng.random(data.shape) < 0.5, np.nan, 300.0)[bad]
    planes = {"data": data, "dq": flags, "err": noise, "var_poisson": poisson, "var_rnoise": rnoise,
                  "chisq": np.ones_like(data), "dumo": 0.1 * noise}  # fmt: skip
    planes = {name: np.asarray(plane).astype(PLANES[name]) for name, plane in planes.items()}
    return Image(
        **planes,
        meta=meta,
        window=Window(BORDER, BORDER, SIDE, SIDE),
        extras={"probe": np.arange(5.0)},
    )


def _meta(element: str, detector: str, exposure: int, east: float, north: float) -> dict[str, Any]:
    start = START + TimeDelta(200.0 * (exposure - 1), format="sec")
    return {
        "filename": f"r0000101001001001001_{exposure:04d}_{detector}_{element}_cal.asdf".lower(),
        "file_date": Time("2027-03-02T00:00:00"),
        "origin": "STSCI/SOC",
        "telescope": "ROMAN",
        "cal_step": {"flux": "INCOMPLETE", "dark": "COMPLETE"},
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": 3.16,
            "read_pattern": [[1], [2, 3]],
            "start_time": start,
            "end_time": start + TimeDelta(120.0, format="sec"),
            "effective_exposure_time": 100.0 + exposure,
        },
        "ephemeris": {"velocity_x": 12.0, "velocity_y": -25.0, "velocity_z": 9.0},
        "instrument": {"name": "WFI", "detector": detector, "optical_element": element},
        "observation": {
            "visit_id": "0000101001001001001",
            "program": 1,
            "execution_plan": 1,
            "pass": 1,
            "segment": 1,
            "observation": 1,
            "visit": 1,
            "exposure": exposure,
        },
        "program": {
            "title": "A survey",
            "investigator_name": "N. Roman",
            "category": "CAL",
            "subcategory": "CAL",
            "science_category": "None",
        },
        "statistics": {"median": 0.0},
        "velocity_aberration": {"scale_factor": 1.00002},
        "wcsinfo": pointing(east + OFF[0], north + OFF[1]),
        "unknown": UNKNOWN,
    }
