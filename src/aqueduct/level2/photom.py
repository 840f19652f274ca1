"""Record the conversion to surface brightness.

    I [MJy/sr]       = photmjsr * data [DN/s]
    I [uJy/arcsec^2] = 1e12 (pi / 648000)^2 I [MJy/sr]

The data stay in DN/s: only metadata are written. An exposure through the grism, the prism or
the dark element has no such conversion: null.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from aqueduct.core.config import StepConfig, nearest
from aqueduct.core.errors import ReferenceError
from aqueduct.core.step import step
from aqueduct.instrument.filters import FILTERS
from aqueduct.products import Image
from aqueduct.products.meta import updated
from aqueduct.products.references import PhotomReference

UJY_PER_ARCSEC2: Final = float(1e12 * np.radians(1 / 3600) ** 2)
"""uJy/arcsec^2 in 1 MJy/sr."""


class PhotomConfig(StepConfig):
    """:func:`photom` has no parameters."""


@step(shape="frame", cal_step="photom", redoable=True)
def photom(image: Image, photom: PhotomReference, config: PhotomConfig) -> Image:
    """Write ``meta.photometry`` for the exposure's optical element.

    Parameters
    ----------
    image : Image
    photom : PhotomReference
        MJy/sr per DN/s, its uncertainty, and the pixel's area in sr.
    config : PhotomConfig

    Returns
    -------
    Image
        The same arrays. Besides the official keywords, in MJy/sr, ``meta.photometry`` holds
        ``conversion_microjanskys`` and its uncertainty, in uJy/arcsec^2.

    Raises
    ------
    ReferenceError
        If the reference lacks the filter or one of its values, or has no positive number
        for its conversion.
    """
    element = image.exposure.optical_element
    entry = photom.table.get(element)
    if element in FILTERS:
        _check(entry, element, photom)
    values = entry or dict.fromkeys(_KEYWORDS)
    photometry = {keyword: values[name] for name, keyword in _KEYWORDS.items()}
    for name in ("conversion_megajanskys", "conversion_megajanskys_uncertainty"):
        value = photometry[name]
        other = None if value is None else UJY_PER_ARCSEC2 * value
        photometry[name.replace("mega", "micro")] = other
    return replace(image, meta=updated(image.meta, photometry=photometry))


_KEYWORDS: Final = {
    "photmjsr": "conversion_megajanskys",
    "uncertainty": "conversion_megajanskys_uncertainty",
    "pixelareasr": "pixel_area",
}
"""Keyword of each value of a reference."""


def _check(entry: Mapping[str, Any] | None, element: str, photom: PhotomReference) -> None:
    """Refuse a filter without a conversion."""
    where = photom.name or "photom"
    if entry is None:
        raise ReferenceError(
            f"no entry for optical element {element!r} ({nearest(element, photom.table)})",
            where=where,
            hint="choose a photom reference file that has it",
        )
    lacking = [name for name in _KEYWORDS if name not in entry]
    if lacking:
        raise ReferenceError(
            f"the entry for {element} lacks {', '.join(map(repr, lacking))}",
            where=where,
            hint="choose another photom reference file",
        )
    value = entry["photmjsr"]
    if value is None or not (np.isfinite(value) and value > 0):
        raise ReferenceError(
            f"the conversion for {element} is {value}",
            where=where,
            hint="choose another photom reference file",
        )
