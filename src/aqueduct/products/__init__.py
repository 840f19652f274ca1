"""Typed products and references: what steps are handed and hand back."""

from aqueduct.geometry.skycells import SkyCell
from aqueduct.products.association import Association
from aqueduct.products.catalog import Catalog, Segmentation
from aqueduct.products.image import Image
from aqueduct.products.mosaic import Mosaic
from aqueduct.products.ramp import Ramp, Raw
from aqueduct.products.wcs import Wcs
from aqueduct.products.window import Window

__all__ = [
    "Association",
    "Catalog",
    "Image",
    "Mosaic",
    "Ramp",
    "Raw",
    "Segmentation",
    "SkyCell",
    "Wcs",
    "Window",
]
