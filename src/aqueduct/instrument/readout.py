"""When each pixel is read within a frame.

A channel's pixels are read row by row, 128 columns and 14 clocks of overhead a row; the
guide window is read every 256 rows, which delays all rows after it. Odd channels are read
right to left. Source: the read-time model of the mission's calibration pipeline.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.instrument.detectors import flips_columns

PIXEL_CLOCK: Final = 4.915263e-6
"""Seconds."""
ROW_CLOCKS: Final = 142
ROWS: Final = 4096
CHANNEL_COLUMNS: Final = 128
_EXCURSION_ROWS: Final = 256
_EXCURSIONS: Final = 15


def read_times(
    detector: str, frame_time: float, rows: slice, columns: slice
) -> NDArray[np.float64]:
    """Seconds from the start of a frame to the reading of each pixel.

    The sum of :func:`row_and_column_times`, whose parameters these are.

    Returns
    -------
    ndarray of float64, (row, column)
    """
    of_row, of_column = row_and_column_times(detector, frame_time, rows, columns)
    times: NDArray[np.float64] = of_row[:, None] + of_column
    return times


def row_and_column_times(
    detector: str, frame_time: float, rows: slice, columns: slice
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two terms of a pixel's reading time: that of its row, and that of its column.

    Parameters
    ----------
    detector : str
        ``WFI01`` to ``WFI18``: decides which way the science frame is turned.
    frame_time : float
        Seconds.
    rows, columns : slice
        The part of the 4096 x 4096 science-frame array wanted.

    Returns
    -------
    row, column : ndarray of float64
        Seconds.
    """
    row, column = np.arange(ROWS)[rows], np.arange(ROWS)[columns]
    if flips_columns(detector):
        column = ROWS - 1 - column
    else:
        row = ROWS - 1 - row
    place = column % CHANNEL_COLUMNS
    odd = (column // CHANNEL_COLUMNS) % 2 == 1
    place = np.where(odd, CHANNEL_COLUMNS - 1 - place, place)
    last = CHANNEL_COLUMNS - 1 + ROW_CLOCKS * (ROWS - 1)
    # The clocks a frame has beyond the science pixels, spread over the excursions.
    excursion = 1.5 * (frame_time / PIXEL_CLOCK - last) / (_EXCURSIONS + 1)
    delay = excursion * np.minimum(row // _EXCURSION_ROWS, _EXCURSIONS)
    second = frame_time / (last + (_EXCURSIONS + 1) * excursion)
    return second * (ROW_CLOCKS * row + delay), np.asarray(second * place, np.float64)
