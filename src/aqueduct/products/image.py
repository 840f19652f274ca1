"""Level 2: a calibrated count-rate image of one detector."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from aqueduct.core.step import Product
from aqueduct.kernels.half import narrowed
from aqueduct.products.meta import Exposure, Meta, exposure
from aqueduct.products.window import BORDER, SCIENCE_WINDOW, Window

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
    jumps : ndarray of int16, (any, 3), optional
        Jumps left out of the fit: resultant, y, x, pixels of the science area; ordered by y,
        x and resultant.
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
    jumps: NDArray[np.int16] | None = None
    _pasted: list[NDArray[np.int16]] = field(default_factory=list, repr=False)

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
        other = [name for name, kind in PLANES.items() if getattr(self, name).dtype != kind]
        planes: dict[str, Any] = {name: _fitting(getattr(self, name), name) for name in other}
        return replace(self, **planes) if planes else self

    def paste(self, block: Image, window: Window) -> None:
        """Fill in the part of ``block`` that lies in ``window`` and on the science area."""
        part = window.overlap(self.window)
        for name in PLANES:
            value = getattr(block, name)[part.within(block.window)]
            getattr(self, name)[part.within(self.window)] = _fitting(value, name)
        if block.jumps is not None:
            self._pasted.append(_inside(block.jumps, part))

    def settled(self) -> Image:
        """The image once all its blocks are pasted: what they list, in one order."""
        if not self._pasted:
            return self
        return replace(self, jumps=in_order(np.concatenate(self._pasted)), _pasted=[])

    def cut(self, window: Window) -> Image:
        """The part of this image in ``window``."""
        window = window.overlap(self.window)
        part = window.within(self.window)
        planes = {name: getattr(self, name)[part] for name in PLANES}
        jumps = None if self.jumps is None else _inside(self.jumps, window)
        return replace(self, **planes, window=window, jumps=jumps)


def in_order(jumps: NDArray[np.int16]) -> NDArray[np.int16]:
    """Jumps (resultant, y, x), ordered by y, x and resultant."""
    return jumps[np.lexsort((jumps[:, 0], jumps[:, 2], jumps[:, 1]))]


def _inside(jumps: NDArray[np.int16], window: Window) -> NDArray[np.int16]:
    """The jumps in ``window``, of the full frame."""
    row, column = jumps[:, 1] + BORDER - window.row, jumps[:, 2] + BORDER - window.column
    inside = (row >= 0) & (row < window.height) & (column >= 0) & (column < window.width)
    return jumps[inside]


def _fitting(value: Plane, name: str) -> Plane:
    """``value`` in its type on file, without what float16 would turn into infinity."""
    kind = np.dtype(PLANES[name])
    if value.dtype == kind:
        return value
    return narrowed(value) if kind == np.float16 else value.astype(kind)
