"""The 18 detectors of the Wide Field Instrument and how they are read.

Source: Roman technical information, WFI overview; SIAF of the Roman PRD.
"""

from __future__ import annotations

from typing import Final

from aqueduct.core.config import nearest
from aqueduct.core.errors import InputError

DETECTORS: Final = tuple(f"WFI{number:02d}" for number in range(1, 19))

CHANNELS: Final = 32
"""Readout channels, 128 columns each; odd ones (0-based) are read right to left."""
PIXEL_SCALE: Final = 0.11
"""Nominal pixel, arcsec."""
PIXEL_PITCH: Final = 10.0
"""Pixel, micrometre."""


def sca(detector: str) -> int:
    """The number, 1 to 18, of a detector.

    Raises
    ------
    InputError
        If there is no such detector.
    """
    if detector not in DETECTORS:
        raise InputError(f"no detector {detector!r}", hint=nearest(detector, DETECTORS))
    return int(detector[3:])


def flips_columns(detector: str) -> bool:
    """Whether the science frame mirrors the detector's columns; else it mirrors its rows."""
    return sca(detector) % 3 == 0
