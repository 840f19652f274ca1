"""What an effect is given: the exposure as a whole, and a band of it to act on.

An effect is a function ``effect(frame, config, rng) -> Act | None`` that prepares what the
whole exposure needs (None: nothing to do) and returns what is done to each band. Randomness
that differs from pixel to pixel is keyed by row, so that bands may overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aqueduct.core import dq
from aqueduct.instrument.matables import MATable
from aqueduct.simulate.detector import DetectorTruth

Plane = NDArray[Any]


class Fluence(NamedTuple):
    """An earlier exposure: seconds from its end to the start of this one, and electrons."""

    seconds: float
    electrons: NDArray[np.float32]


class Drift(NamedTuple):
    """Correlated noise of the readout, DN; see :mod:`aqueduct.simulate.signatures.pink`.

    Attributes
    ----------
    common : ndarray of float32, (read, row, place)
        Seen by all channels, in the order of the science rows; place 0 .. 127 in time.
    level : ndarray of float32, (row, read, channel)
        Of each channel's row; channel 32 is the reference amplifier.
    """

    common: NDArray[np.float32]
    level: NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """An exposure about to be read out; all maps have the shape of ``rate``.

    Attributes
    ----------
    rate : ndarray of float32, (row, column)
        Electron/s collected, dark current included.
    truth : DetectorTruth
    table : MATable
    reads : ndarray of int64
        Number of the read in each plane of a band's signal, ascending; 0 is the reference
        read, at the start of the integration.
    earlier : tuple of Fluence
    drift : Drift or None
    science : (first row, stop row, first column, stop column)
        The pixels that collect charge; those about them are reference pixels.
    saturated : ndarray of bool, (row, column)
        Set where a pixel reaches its full well.
    """

    rate: NDArray[np.float32]
    truth: DetectorTruth
    table: MATable
    reads: NDArray[np.int64]
    earlier: tuple[Fluence, ...] = ()
    drift: Drift | None = None
    science: tuple[int, int, int, int] = field(init=False)
    saturated: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        inside = (self.truth.dq & dq.REFERENCE_PIXEL) == 0
        rows, columns = (np.flatnonzero(inside.any(axis=axis)) for axis in (1, 0))
        limits = (rows[0], rows[-1] + 1, columns[0], columns[-1] + 1) if len(rows) else (0,) * 4
        object.__setattr__(self, "science", tuple(int(limit) for limit in limits))
        object.__setattr__(self, "saturated", np.zeros(self.rate.shape, bool))

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.rate.shape
        return rows, columns


@dataclass
class Band:
    """Some rows of every read.

    Attributes
    ----------
    first : int
        Row of the frame of the first row of ``signal``.
    signal : ndarray of float32, (row, read, column), contiguous
        Electron up to the amplifier, DN behind it.
    """

    first: int
    signal: NDArray[np.float32]

    @property
    def rows(self) -> slice:
        """The rows of the frame that ``signal`` covers."""
        return slice(self.first, self.first + self.signal.shape[0])

    def shrink(self, frame: Frame) -> None:
        """Give up the outermost rows, but for the first and last of the frame."""
        top, stop = int(self.first > 0), self.rows.stop
        self.signal = self.signal[top : len(self.signal) - int(stop < frame.shape[0])]
        self.first += top


class Act(NamedTuple):
    """What is done to a band, and the rows it needs beyond each that it gives."""

    apply: Callable[[Band], None]
    halo: int = 0


Effect = Callable[[Frame, Any, np.random.Generator], Act | None]
