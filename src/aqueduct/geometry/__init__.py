"""WCS, distortion, pointing, footprints and sky cells."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aqueduct.geometry.astrometry import propagated
    from aqueduct.geometry.footprint import contains, outline, overlap, parse_s_region, s_region
    from aqueduct.geometry.pixelmap import PixelMap
    from aqueduct.geometry.pointing import Pointing, velocity_aberration
    from aqueduct.geometry.siaf import Aperture, aperture
    from aqueduct.geometry.skycells import SkyCell, cell, cells_of_region, cells_overlapping, owner
    from aqueduct.geometry.tangent import TangentPlane
    from aqueduct.geometry.wcs import cell_wcs, corrected_wcs, detector_wcs, uncorrected_wcs

__all__ = [
    "Aperture",
    "PixelMap",
    "Pointing",
    "SkyCell",
    "TangentPlane",
    "aperture",
    "cell",
    "cell_wcs",
    "cells_of_region",
    "cells_overlapping",
    "contains",
    "corrected_wcs",
    "detector_wcs",
    "outline",
    "overlap",
    "owner",
    "parse_s_region",
    "propagated",
    "s_region",
    "uncorrected_wcs",
    "velocity_aberration",
]

# pysiaf tables, numba kernels and gwcs are loaded by those who use them.
_HOME = {
    "Aperture": "siaf",
    "PixelMap": "pixelmap",
    "Pointing": "pointing",
    "SkyCell": "skycells",
    "TangentPlane": "tangent",
    "aperture": "siaf",
    "cell": "skycells",
    "cell_wcs": "wcs",
    "cells_of_region": "skycells",
    "cells_overlapping": "skycells",
    "contains": "footprint",
    "corrected_wcs": "wcs",
    "detector_wcs": "wcs",
    "outline": "footprint",
    "overlap": "footprint",
    "owner": "skycells",
    "parse_s_region": "footprint",
    "propagated": "astrometry",
    "s_region": "footprint",
    "uncorrected_wcs": "wcs",
    "velocity_aberration": "pointing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
