"""An image of WFI01 with the WCS of a planned pointing."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from astropy.time import Time

from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.pointing import Pointing
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.products import Image
from aqueduct.products.image import PLANES
from aqueduct.products.window import SCIENCE


@lru_cache
def wcs() -> Any:
    info = Pointing(270.0, 66.0, 20.0).wcsinfo("WFI01")
    return detector_wcs(aperture("WFI01").model(), info, 1.0, (SCIENCE, SCIENCE))


@lru_cache
def pixel_map() -> PixelMap:
    return PixelMap.from_gwcs(wcs(), (SCIENCE, SCIENCE))


def image() -> Image:
    planes = {name: np.zeros((SCIENCE, SCIENCE), kind) for name, kind in PLANES.items()}
    meta = {
        "instrument": {"detector": "WFI01", "optical_element": "F158"},
        "exposure": {
            "type": "WFI_IMAGE",
            "frame_time": 3.0,
            "read_pattern": [[1], [2]],
            "start_time": Time("2027-03-01"),
        },
    }
    return Image(meta=meta, wcs=wcs(), **planes)
