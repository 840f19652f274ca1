"""Noise and response of the detectors, from the ground tests.

Source: Roman technical information, focal plane system performance. Correlated double
sampling (CDS) subtracts two reads, so one read has CDS / sqrt(2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from aqueduct.instrument.detectors import sca
from aqueduct.instrument.technical import table

_FOLDER = "WideFieldInstrument/FPSPerformance"

FULL_WELL: Final = 110_000.0
"""Electrons at which a typical pixel saturates (55 000 DN at 2 electron/DN)."""
IPC: Final = np.array([[0.21, 1.66, 0.22], [1.88, 91.59, 1.87], [0.21, 1.62, 0.20]]) / 99.46
"""Inter-pixel capacitance: share of a pixel's signal seen in its neighbours, summing to 1."""
TOTAL_READS: Final = 55
"""Reads of the darks of which the total noise was measured, without gaps."""
TOTAL_TIME: Final = 170.0
"""Their length, s."""
PERSISTENCE_FLUENCE: Final = 159_000.0
"""Electrons that the persistence measurements were illuminated with."""


class Persistence(NamedTuple):
    """Decay of the persistence, a exp(-b t) + d exp(-e t) + c  [electron/s], t in s."""

    a: float = 0.0
    b: float = 0.0
    c: float = 0.0
    d: float = 0.0
    e: float = 0.0


@dataclass(frozen=True)
class DetectorNoise:
    """Medians over one detector.

    Attributes
    ----------
    read : float
        Noise of one read, electron.
    dark : float
        Dark current, electron/s.
    total : float
        Noise of a dark exposure of 55 reads (about 170 s), electron.
    """

    read: float
    dark: float
    total: float


def detector_noise(detector: str) -> DetectorNoise:
    """Measured noise of a detector."""
    number = str(sca(detector))

    def median(file: str, key: str, column: str) -> float:
        rows = table(f"{_FOLDER}/{file}.ecsv")
        return float(rows[column][[str(name) == number for name in rows[key]]][0])

    return DetectorNoise(
        read=median("WFI_CDS_Noise_summary", "SCU", "CDS Noise - Median") / 2**0.5,
        dark=median("WFI_Dark_current_summary", "SCU", "Dark Current - Median"),
        total=median("WFI_Total_noise", "SCU#", "Total noise - median"),
    )


def persistence(detector: str) -> Persistence:
    """Median persistence of a detector after 159 000 electrons."""
    rows = table(f"{_FOLDER}/WFI_Persistence_exp_fits.ecsv")
    row = rows[[int(number) == sca(detector) for number in rows["SCU"]]][0]
    return Persistence(*(float(row[name]) for name in Persistence._fields))
