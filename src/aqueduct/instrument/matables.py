"""Multi-accumulation (MA) tables: which reads are averaged into which resultant.

Read r (1-based) ends r frame times after the reference read. A resultant is the
unweighted mean of its reads; reads between resultants are skipped. Source: Rev F of the
imaging tables, and IM_66_6_V2 of Rev H; numbers 109 and 110 are for tests only. The patterns
of the spectroscopic tables are not public: :meth:`MATable.in_mode` reads any pattern at the
frame time of spectroscopy.

Before read 1 the detector is reset, and the reference read is taken: one reset frame and
one read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

import numpy as np

from aqueduct.core.config import nearest
from aqueduct.core.errors import ConfigError

Mode = Literal["WIM", "WSM"]

IMAGING_FRAME_TIME: Final = 3.16247
"""Seconds between reads in imaging."""
FRAME_TIMES: Final[dict[Mode, float]] = {"WIM": IMAGING_FRAME_TIME, "WSM": 5.14116}
"""Seconds between reads in imaging and spectroscopy; the guide window differs in size."""
_FEWEST: Final = 4
"""Resultants that a fit to a ramp needs."""
_RESET_EXCESS: Final = 1e-5
"""Seconds by which a reset frame is longer than a read."""


@dataclass(frozen=True)
class MATable:
    """One MA table.

    Attributes
    ----------
    number : int
    name : str
    frame_time : float
        Seconds between reads.
    read_pattern : tuple of tuple of int
        1-based reads of each resultant.
    mode : "WIM" or "WSM"
        Imaging or spectroscopy.
    """

    number: int
    name: str
    frame_time: float
    read_pattern: tuple[tuple[int, ...], ...]
    mode: Mode = "WIM"

    @property
    def identifier(self) -> str:
        """The key of ``meta.exposure.ma_table_id``."""
        return f"SCI{self.number:04d}"

    @property
    def reads(self) -> int:
        """Reads up to the end of the last resultant."""
        return self.read_pattern[-1][-1]

    @property
    def accumulated_exposure_time(self) -> tuple[float, ...]:
        """Seconds from the reference read to the last read of each resultant."""
        return tuple(self.frame_time * reads[-1] for reads in self.read_pattern)

    @property
    def effective_exposure_time(self) -> tuple[float, ...]:
        """Seconds from the reference read to the mean read time of each resultant."""
        return tuple(float(self.frame_time * np.mean(reads)) for reads in self.read_pattern)

    def truncated(self, resultants: int) -> MATable:
        """The same table stopped after ``resultants`` resultants."""
        if not 1 <= resultants <= len(self.read_pattern):
            raise ConfigError(
                f"can't stop after {resultants} resultants",
                where=f"MA table {self.number}",
                hint=f"choose 1 to {len(self.read_pattern)}",
            )
        return replace(self, read_pattern=self.read_pattern[:resultants])

    def in_mode(self, mode: Mode) -> MATable:
        """The same pattern at the frame time of imaging or spectroscopy."""
        return replace(self, mode=mode, frame_time=FRAME_TIMES[mode])

    @property
    def reset_frame_time(self) -> float:
        """Seconds that a reset of the detector takes."""
        return self.frame_time + _RESET_EXCESS

    def entry(self) -> dict[str, Any]:
        """All fields of a science table in an official MA table reference (2.0.0)."""
        before = self.reset_frame_time + self.frame_time
        accumulated = self.accumulated_exposure_time
        return {
            "ma_table_name": self.name,
            "ma_table_number": self.number,
            "ma_table_description": f"{len(self.read_pattern)} resultants of {self.reads} reads",
            "fsw_slot_number": self.number % 100,
            "observing_mode": self.mode,
            "frame_time": self.frame_time,
            "reset_frame_time": self.reset_frame_time,
            "pre_science_read_types": ["reset_read", "read"],
            "pre_science_read_is_reference": [False, True],
            "pre_science_read_is_resultant": [False, True],
            "pre_science_time_after_reset": self.frame_time,
            "num_pre_science_reads": 1,
            "num_pre_science_resultants": 1,
            "science_read_pattern": [list(reads) for reads in self.read_pattern],
            "num_science_resultants": len(self.read_pattern),
            "min_science_resultants": min(_FEWEST, len(self.read_pattern)),
            "accumulated_exposure_time": list(accumulated),
            "effective_exposure_time": list(self.effective_exposure_time),
            "integration_duration": [before + seconds for seconds in accumulated],
        }


def from_runs(runs: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], ...]:
    """Read pattern from (first, last) reads of each resultant."""
    return tuple(tuple(range(first, last + 1)) for first, last in runs)


@cache
def _tables() -> dict[int, MATable]:
    text = (files("aqueduct.instrument") / "matables.toml").read_text()
    return {
        int(number): MATable(
            int(number), entry["name"], IMAGING_FRAME_TIME, from_runs(entry["reads"])
        )
        for number, entry in tomllib.loads(text).items()
    }


def numbers() -> tuple[int, ...]:
    """Numbers of the tables known."""
    return tuple(_tables())


def ma_table(number: int) -> MATable:
    """The MA table with this number.

    Raises
    ------
    ConfigError
        If it is not known.
    """
    tables = _tables()
    if number not in tables:
        raise ConfigError(f"no MA table {number}", hint=nearest(str(number), map(str, tables)))
    return tables[number]
