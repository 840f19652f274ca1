"""Data-quality flags: every bit declared once (RAD ``dq`` definitions).

Pixel flags are uint32; group flags are uint8 and share bits 0 to 7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Flag:
    """One data-quality bit."""

    bit: int
    name: str
    meaning: str

    @property
    def value(self) -> int:
        return 1 << self.bit


PIXEL: Final[tuple[Flag, ...]] = (
    Flag(0, "DO_NOT_USE", "Bad pixel: leave it out of any measurement"),
    Flag(1, "SATURATED", "Saturated in at least one resultant"),
    Flag(2, "JUMP_DET", "A jump (cosmic ray) was found in the ramp"),
    Flag(3, "DROPOUT", "Data lost in transmission"),
    Flag(4, "GW_AFFECTED_DATA", "Affected by the guide-window readout"),
    Flag(5, "PERSISTENCE", "High persistence"),
    Flag(6, "AD_FLOOR", "At or below the A/D floor"),
    Flag(7, "OUTLIER", "Rejected by outlier detection"),
    Flag(8, "UNRELIABLE_ERROR", "Uncertainty exceeds the quoted error"),
    Flag(9, "NON_SCIENCE", "Not on the light-sensitive area"),
    Flag(10, "DEAD", "Dead pixel"),
    Flag(11, "HOT", "Hot pixel"),
    Flag(12, "WARM", "Warm pixel"),
    Flag(13, "LOW_QE", "Low quantum efficiency"),
    Flag(15, "TELEGRAPH", "Random telegraph signal"),
    Flag(16, "NONLINEAR", "Strongly nonlinear"),
    Flag(17, "BAD_REF_PIXEL", "Reference pixel that can't be used"),
    Flag(18, "NO_FLAT_FIELD", "Flat field can't be measured"),
    Flag(19, "NO_GAIN_VALUE", "Gain can't be measured"),
    Flag(20, "NO_LIN_CORR", "Linearity correction not available"),
    Flag(21, "NO_SAT_CHECK", "Saturation check not available"),
    Flag(22, "UNRELIABLE_BIAS", "Bias variance large"),
    Flag(23, "UNRELIABLE_DARK", "Dark variance large"),
    Flag(24, "UNRELIABLE_SLOPE", "Slope variance large"),
    Flag(25, "UNRELIABLE_FLAT", "Flat variance large"),
    Flag(28, "UNRELIABLE_RESET", "Sensitive to reset anomaly"),
    Flag(30, "OTHER_BAD_PIXEL", "Bad for a reason without a flag of its own"),
    Flag(31, "REFERENCE_PIXEL", "Reference pixel"),
)

_VALUES: Final[dict[str, int]] = {flag.name: flag.value for flag in PIXEL}

DO_NOT_USE: Final = 1 << 0
SATURATED: Final = 1 << 1
JUMP_DET: Final = 1 << 2
DROPOUT: Final = 1 << 3
GW_AFFECTED_DATA: Final = 1 << 4
PERSISTENCE: Final = 1 << 5
AD_FLOOR: Final = 1 << 6
OUTLIER: Final = 1 << 7
WFI18_TRANSIENT: Final = 1 << 7
"""Of a resultant; the same bit as a pixel's OUTLIER."""
HOT: Final = 1 << 11
DEAD: Final = 1 << 10
WARM: Final = 1 << 12
LOW_QE: Final = 1 << 13
BAD_REF_PIXEL: Final = 1 << 17
NO_FLAT_FIELD: Final = 1 << 18
NO_GAIN_VALUE: Final = 1 << 19
NO_LIN_CORR: Final = 1 << 20
NO_SAT_CHECK: Final = 1 << 21
REFERENCE_PIXEL: Final = 1 << 31


def names(value: int) -> list[str]:
    """The names of the flags set in ``value``, lowest bit first."""
    return [flag.name for flag in PIXEL if value & flag.value]


def parse(text: str) -> int:
    """The bits named in ``text`` (``"SATURATED+JUMP_DET"``, or a number)."""
    if text.strip().isdigit():
        return int(text)
    total = 0
    for name in filter(None, (part.strip() for part in text.split("+"))):
        if name not in _VALUES:
            raise ValueError(f"unknown DQ flag {name!r}; known: {', '.join(_VALUES)}")
        total |= _VALUES[name]
    return total
