"""Where a cut-out lies in the 4096 x 4096 detector frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

FRAME: Final = 4096
BORDER: Final = 4
SCIENCE: Final = FRAME - 2 * BORDER
CHANNEL: Final = 128
"""Columns of one readout channel."""


@dataclass(frozen=True)
class Window:
    """A rectangle of the full frame, reference pixels included.

    Attributes
    ----------
    row, column : int
        First row and column, 0-based in the full frame.
    height, width : int
        Rows and columns.
    """

    row: int = 0
    column: int = 0
    height: int = FRAME
    width: int = FRAME

    @property
    def rows(self) -> slice:
        return slice(self.row, self.row + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.column, self.column + self.width)

    def grown(self, halo: int) -> Window:
        """The window with ``halo`` more pixels on each side, kept within the frame."""
        row, column = max(self.row - halo, 0), max(self.column - halo, 0)
        return Window(
            row,
            column,
            min(self.row + self.height + halo, FRAME) - row,
            min(self.column + self.width + halo, FRAME) - column,
        )

    def within(self, outer: Window) -> tuple[slice, slice]:
        """(rows, columns) of this window in an array that covers ``outer``."""
        row, column = self.row - outer.row, self.column - outer.column
        return slice(row, row + self.height), slice(column, column + self.width)

    def overlap(self, other: Window) -> Window:
        """The part shared with ``other``; height or width 0 where there is none."""
        row, column = max(self.row, other.row), max(self.column, other.column)
        return Window(
            row,
            column,
            max(min(self.row + self.height, other.row + other.height) - row, 0),
            max(min(self.column + self.width, other.column + other.width) - column, 0),
        )


WHOLE: Final = Window()
SCIENCE_WINDOW: Final = Window(BORDER, BORDER, SCIENCE, SCIENCE)


def cut(array: NDArray[np.generic], window: Window) -> NDArray[np.generic]:
    """The part of a full-frame (..., row, column) array that ``window`` covers.

    An array of the science area alone (4088 x 4088) is padded with zeros where the
    window reaches into the reference pixels.
    """
    if array.shape[-2:] != (SCIENCE, SCIENCE):
        return array[..., window.rows, window.columns]
    part = window.overlap(SCIENCE_WINDOW)
    inside = array[(..., *part.within(SCIENCE_WINDOW))]
    if part == window:
        return inside
    padded = np.zeros((*array.shape[:-2], window.height, window.width), array.dtype)
    padded[(..., *part.within(window))] = inside
    return padded
