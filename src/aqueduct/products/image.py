"""Level 2: a calibrated count-rate image of one detector."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aqueduct.core.step import Product
from aqueduct.products.meta import Exposure, Meta, exposure
from aqueduct.products.window import SCIENCE_WINDOW, Window

Plane = NDArray[Any]

PLANES: Final[dict[str, DTypeLike]] = {
    "data": np.float32,
    "dq": np.uint32,
    "err": np.float16,
    "var_poisson": np.float16,
    "var_rnoise": np.float16,
    "chisq": np.float16,
    "dumo": np.float16,
}
"""The planes of a Level 2 file and their types there (RAD ``wfi_image``).

``var_rnoise`` is optional in RAD; it is always kept, because rebuilding it from the
rounded ``err`` and ``var_poisson`` gives values of zero or less in bright pixels.
"""


@dataclass(frozen=True)
class Image(Product):
    """A count-rate image, or a block of one.

    Attributes
    ----------
    data : ndarray, (row, column)
        DN/s.
    dq : ndarray of uint32
        Flags of :mod:`aqueduct.core.dq`.
    err : ndarray
        DN/s; sqrt(var_poisson + var_rnoise), and the flat's variance where it was asked for.
    var_poisson, var_rnoise : ndarray
        (DN/s)^2.
    chisq : ndarray
        Chi-square of the ramp fit.
    dumo : ndarray
        DN/s; rate of a fit with uniform weights minus the optimal rate.
    window : Window
        The part of the full frame covered; the science area for a finished image.
    wcs : gwcs.WCS, optional
        Pixel (x, y) of the science area to ICRS degrees.
    extras : dict of str to ndarray
        Arrays carried along: ``amp33`` and the border reference pixels.
    """

    data: Plane
    dq: Plane
    err: Plane
    var_poisson: Plane
    var_rnoise: Plane
    chisq: Plane
    dumo: Plane
    meta: Meta
    window: Window = SCIENCE_WINDOW
    wcs: Any = None
    extras: dict[str, Plane] = field(default_factory=dict)

    @property
    def exposure(self) -> Exposure:
        return exposure(self.meta)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw it; see :func:`aqueduct.products.plot.plot`."""
        from aqueduct.products.plot import plot

        return plot(self, ax, **options)

    def widened(self) -> Image:
        """An image of the science area, not yet filled, with what this block carries."""
        shape = (SCIENCE_WINDOW.height, SCIENCE_WINDOW.width)
        planes: dict[str, Any] = {name: np.empty(shape, kind) for name, kind in PLANES.items()}
        return Image(**planes, meta=self.meta, extras=self.extras)

    def rounded(self) -> Image:
        """The image as a file holds it: a step sees the same, whether one lies between or not."""
        planes: dict[str, Any] = {name: _fitting(getattr(self, name), name) for name in PLANES}
        return replace(self, **planes)

    def paste(self, block: Image, window: Window) -> None:
        """Fill in the part of ``block`` that lies in ``window`` and on the science area."""
        part = window.overlap(self.window)
        for name in PLANES:
            value = getattr(block, name)[part.within(block.window)]
            getattr(self, name)[part.within(self.window)] = _fitting(value, name)

    def cut(self, window: Window) -> Image:
        """The part of this image in ``window``."""
        window = window.overlap(self.window)
        part = window.within(self.window)
        planes = {name: getattr(self, name)[part] for name in PLANES}
        return replace(self, **planes, window=window)


def _fitting(value: Plane, name: str) -> Plane:
    """``value`` in its type on file, without what float16 would turn into infinity."""
    kind = np.dtype(PLANES[name])
    if value.dtype == kind:
        return value
    if kind == np.float16:
        largest = np.finfo(np.float16).max
        value = np.clip(value, -largest, largest)
    return value.astype(kind)
