"""The WCS of a part of an image, or of an image with more around it."""

from __future__ import annotations

from typing import Any


def shifted_wcs(wcs: Any, x0: float, y0: float, shape: tuple[int, int]) -> Any:
    """Return ``wcs`` for an array whose pixel (0, 0) is (x0, y0) of the array it was made for.

    Parameters
    ----------
    wcs : gwcs.WCS
    x0, y0 : float
        0-based; negative where the new array has more on that side.
    shape : (rows, columns)
        Of the new array: its bounding box.

    Returns
    -------
    gwcs.WCS
        A new one with the same frames.
    """
    from astropy.modeling.models import Shift
    from gwcs import WCS, Step

    first, *rest = wcs.pipeline
    moved = Shift(x0) & Shift(y0)
    new = WCS([Step(first.frame, moved | first.transform), *rest], name=wcs.name)
    new.bounding_box = ((-0.5, shape[1] - 0.5), (-0.5, shape[0] - 0.5))
    return new
