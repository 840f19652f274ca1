"""Record the conversion to surface brightness.

    I [MJy/sr] = photmjsr * data [DN/s]

The data stay in DN/s: only metadata are written.
"""

from __future__ import annotations

from dataclasses import replace

from aqueduct.core.config import StepConfig, nearest
from aqueduct.core.errors import ReferenceError
from aqueduct.core.step import step
from aqueduct.products import Image
from aqueduct.products.meta import updated
from aqueduct.products.references import PhotomReference


class PhotomConfig(StepConfig):
    """:func:`photom` has no parameters."""


@step(shape="frame", cal_step="photom", redoable=True)
def photom(image: Image, photom: PhotomReference, config: PhotomConfig) -> Image:
    """Write ``meta.photometry`` for the exposure's optical element.

    Parameters
    ----------
    image : Image
    photom : PhotomReference
        MJy/sr per DN/s, its uncertainty, and the pixel's area in sr; null in the file
        (spectroscopy, darks) stays null.
    config : PhotomConfig

    Returns
    -------
    Image
        The same arrays.

    Raises
    ------
    ReferenceError
        If the reference lacks the optical element or one of its values.
    """
    element = image.exposure.optical_element
    where = photom.name or "photom"
    if element not in photom.table:
        raise ReferenceError(
            f"no entry for optical element {element!r} ({nearest(element, photom.table)})",
            where=where,
            hint="choose a photom reference file that has it",
        )
    entry = photom.table[element]
    try:
        photometry = {
            "conversion_megajanskys": entry["photmjsr"],
            "conversion_megajanskys_uncertainty": entry["uncertainty"],
            "pixel_area": entry["pixelareasr"],
        }
    except KeyError as error:
        raise ReferenceError(
            f"the entry for {element} lacks {error}",
            where=where,
            hint="choose another photom reference file",
        ) from error
    return replace(image, meta=updated(image.meta, photometry=photometry))
