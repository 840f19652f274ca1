"""Set the WCS of an image aside in a file of its own (RAD ``wfi_wcs``).

A Level 1 pixel is the Level 2 pixel plus the border of 4: wcs_l1(x, y) = wcs(x - 4, y - 4).
"""

from __future__ import annotations

from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.products.image import Image
from aqueduct.products.wcs import Wcs


class WcsFileConfig(StepConfig):
    """Parameters of wcs_file: none."""


@step(shape="frame", redoable=True)
def wcs_file(image: Image, config: WcsFileConfig) -> Wcs:
    """Give the WCS of the image, for its Level 2 and its Level 1 pixels.

    Parameters
    ----------
    image : Image
        With a WCS.
    config : WcsFileConfig

    Returns
    -------
    Wcs

    Raises
    ------
    InputError
        If the image has no WCS.
    """
    return Wcs.of(image)
