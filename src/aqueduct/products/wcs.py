"""The WCS of an exposure by itself, small enough to be fetched for every pointing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from aqueduct.core.errors import InputError
from aqueduct.core.step import Product
from aqueduct.geometry.shifted import shifted_wcs
from aqueduct.products.image import Image
from aqueduct.products.meta import Meta
from aqueduct.products.window import BORDER

_BLOCKS: Final[tuple[str, ...]] = (
    "calibration_software_name",
    "calibration_software_version",
    "coordinates",
    "ephemeris",
    "exposure",
    "file_date",
    "filename",
    "instrument",
    "model_type",
    "observation",
    "origin",
    "pointing",
    "prd_version",
    "product_type",
    "program",
    "sdf_software_version",
    "telescope",
    "velocity_aberration",
    "visit",
    "wcs_fit_results",
    "wcsinfo",
)
"""Metadata that RAD ``wfi_wcs`` takes over from the image."""


@dataclass(frozen=True)
class Wcs(Product):
    """The WCS of a detector (RAD ``wfi_wcs``).

    Attributes
    ----------
    wcs_l2 : gwcs.WCS
        0-based pixel (x, y) of the science area, as in a Level 2 image, to ICRS degrees.
    wcs_l1 : gwcs.WCS
        The same of the whole detector, as in a Level 1 file: with a border of 4 pixels.
    """

    meta: Meta
    wcs_l2: Any
    wcs_l1: Any

    @classmethod
    def of(cls, image: Image) -> Wcs:
        """Take the WCS of an image.

        Raises
        ------
        InputError
            If it has none.
        """
        if image.wcs is None:
            raise InputError("the image has no WCS", hint="run assign_wcs first")
        rows, columns = image.data.shape
        whole = rows + 2 * BORDER, columns + 2 * BORDER
        meta = {name: image.meta[name] for name in _BLOCKS if name in image.meta}
        return cls(meta, image.wcs, shifted_wcs(image.wcs, -BORDER, -BORDER, whole))
