"""Level 1: raw ramps, and ramps under correction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.step import Product
from aqueduct.products.meta import Exposure, Meta, exposure
from aqueduct.products.window import WHOLE, Window, cut

Extras = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Raw(Product):
    """A Level 1 exposure of one detector, or a cut-out of it, as sent down.

    Attributes
    ----------
    data : ndarray of uint16, (resultant, row, column)
        DN. Usually memory-mapped.
    amp33 : ndarray of uint16, (resultant, 4096, 128)
        DN, the reference amplifier; always whole.
    resultantdq : ndarray of uint8, (resultant, row, column), optional
    reference_read, reference_amp33 : ndarray of uint16, optional
        DN, added back to every resultant.
    extras : dict of str to ndarray
        Arrays carried along to Level 2: ``amp33`` and the border reference pixels, decoded.
    """

    data: NDArray[np.uint16]
    amp33: NDArray[np.uint16]
    meta: Meta
    window: Window = WHOLE
    resultantdq: NDArray[np.uint8] | None = None
    reference_read: NDArray[np.uint16] | None = None
    reference_amp33: NDArray[np.uint16] | None = None
    extras: Extras = field(default_factory=dict)

    @property
    def exposure(self) -> Exposure:
        return exposure(self.meta)

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw it; see :func:`aqueduct.products.plot.plot`."""
        from aqueduct.products.plot import plot

        return plot(self, ax, **options)

    def cut(self, window: Window) -> Raw:
        """The part in ``window`` of a whole exposure; no data are copied."""
        parts: dict[str, Any] = {"data": cut(self.data, window), "window": window}
        if self.resultantdq is not None:
            parts["resultantdq"] = cut(self.resultantdq, window)
        if self.reference_read is not None:
            parts["reference_read"] = cut(self.reference_read, window)
        return replace(self, **parts)


@dataclass(frozen=True)
class Ramp(Product):
    """Resultants under correction, with their flags.

    Attributes
    ----------
    data : ndarray of float32, (resultant, row, column)
        DN.
    groupdq : ndarray of uint8, (resultant, row, column)
        Group flags, bits 0 to 7 of :mod:`aqueduct.core.dq`.
    pixeldq : ndarray of uint32, (row, column)
    extras : dict of str to ndarray
        Arrays carried along, as in :class:`Raw`.
    """

    data: NDArray[np.float32]
    groupdq: NDArray[np.uint8]
    pixeldq: NDArray[np.uint32]
    meta: Meta
    window: Window = WHOLE
    extras: Extras = field(default_factory=dict)

    @property
    def exposure(self) -> Exposure:
        return exposure(self.meta)

    def widened(self) -> Ramp:
        """A ramp of the whole frame, not yet filled, with what this block carries."""
        resultants = self.data.shape[0]
        shape = (WHOLE.height, WHOLE.width)
        return Ramp(
            data=np.empty((resultants, *shape), np.float32),
            groupdq=np.empty((resultants, *shape), np.uint8),
            pixeldq=np.empty(shape, np.uint32),
            meta=self.meta,
            extras=self.extras,
        )

    def paste(self, block: Ramp, window: Window) -> None:
        """Fill in the part of ``block`` that lies in ``window``."""
        source, target = window.within(block.window), window.within(self.window)
        self.data[(slice(None), *target)] = block.data[(slice(None), *source)]
        self.groupdq[(slice(None), *target)] = block.groupdq[(slice(None), *source)]
        self.pixeldq[target] = block.pixeldq[source]

    def cut(self, window: Window) -> Ramp:
        """The part in ``window``; no data are copied."""
        part = window.within(self.window)
        return replace(
            self,
            data=self.data[(slice(None), *part)],
            groupdq=self.groupdq[(slice(None), *part)],
            pixeldq=self.pixeldq[part],
            window=window,
        )
