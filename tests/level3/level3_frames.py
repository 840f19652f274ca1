"""Images, WCS and metadata that the tests of this level share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.skycells import SkyCell
from aqueduct.products import Image

RA, DEC = 270.0, 66.0


def make_cell(pixels=400):
    middle = (pixels - 1) / 2
    return SkyCell("270p66x50y50", RA, DEC, middle, middle, RA, DEC, 0.0, pixels)


def make_wcs(n=128, dx=0.0, dy=0.0, roll=20.0):
    """A detector of 0.11 arcsec pixels, with a distortion; dx, dy: arcsec on the sky."""
    from astropy.modeling.models import Mapping, Polynomial2D, Shift

    from aqueduct.geometry.wcs import detector_wcs

    half = (n - 1) / 2
    v2 = Polynomial2D(2, c1_0=0.11, c0_1=2e-4, c2_0=4e-6, c1_1=2e-6, c0_2=-4e-6)
    v3 = Polynomial2D(2, c1_0=-1e-4, c0_1=0.1105, c2_0=-2e-6, c1_1=4e-6, c0_2=3e-6)
    distortion = (Shift(-half) & Shift(-half)) | Mapping((0, 1, 0, 1)) | (v2 & v3)
    pointing = {
        "v2_ref": 0.0,
        "v3_ref": 0.0,
        "ra_ref": RA + dx / 3600 / np.cos(np.radians(DEC)),
        "dec_ref": DEC + dy / 3600,
        "roll_ref": roll,
    }
    return detector_wcs(distortion, pointing, shape=(n, n))


def make_meta(exposure=1, detector="WFI01"):
    from astropy.time import Time, TimeDelta

    start = Time("2027-03-01T00:00:00", format="isot") + TimeDelta(200.0 * exposure, format="sec")
    return {
        "filename": f"r0000101001001001001_{exposure:04d}_{detector.lower()}_f158_cal.asdf",
        "origin": "STSCI/SOC",
        "telescope": "ROMAN",
        "cal_step": {"flux": "COMPLETE", "dark": "COMPLETE"},
        "exposure": {
            "start_time": start,
            "end_time": start + TimeDelta(120.0, format="sec"),
            "effective_exposure_time": 100.0 + exposure,
            "read_pattern": [[1], [2, 3]],
        },
        "instrument": {"name": "WFI", "detector": detector, "optical_element": "F158"},
        "observation": {
            "observation_id": f"000010100100100100100101{exposure:04d}",
            "program": 1,
            "execution_plan": 1,
            "pass": 1,
            "segment": 1,
            "observation": 1,
            "visit": 1,
            "exposure": exposure,
        },
        "photometry": {"conversion_megajanskys": 0.5, "pixel_area": 2.8e-13},
        "program": {
            "title": "A survey",
            "investigator_name": "N. Roman",
            "category": "CAL",
            "subcategory": "CAL",
            "science_category": "None",
        },
    }


def make_image(data, wcs=None, exposure=1, var_poisson=0.006, var_rnoise=0.004, detector="WFI01"):
    shape = data.shape
    poisson = np.broadcast_to(np.float32(var_poisson), shape)
    rnoise = np.broadcast_to(np.float32(var_rnoise), shape)
    return Image(
        data=np.asarray(data, np.float32),
        dq=np.zeros(shape, np.uint32),
        err=np.sqrt(poisson + rnoise),
        var_poisson=poisson,
        var_rnoise=rnoise,
        chisq=np.ones(shape, np.float32),
        dumo=np.zeros(shape, np.float32),
        meta=make_meta(exposure, detector),
        wcs=make_wcs(shape[0]) if wcs is None else wcs,
    )


def with_meta(image, **blocks):
    return replace(image, meta={**image.meta, **blocks})


def stars(wcs, n, sources, sigma=0.45):
    """Undersampled Gaussian stars (ra, dec, flux), integrated over pixels: (row, column)."""
    from scipy.special import erf

    ra, dec, flux = np.transpose(sources)
    edges = np.arange(n + 1)[:, None] - 0.5
    along = [
        0.5 * np.diff(erf((edges - at) / (sigma * np.sqrt(2))), axis=0)
        for at in PixelMap.from_gwcs(wcs, (n, n)).to_pixel(ra, dec)
    ]
    return (along[1] * flux) @ along[0].T
