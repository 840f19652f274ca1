"""Multi-accumulation (MA) tables: which reads are averaged into which resultant.

Read r (1-based) ends r frame times after the reference read. A resultant is the
unweighted mean of its reads; reads between resultants are skipped. Source: Rev F of the
imaging tables; numbers 109 and 110 are for tests only.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np

from aqueduct.core.config import nearest
from aqueduct.core.errors import ConfigError

IMAGING_FRAME_TIME: Final = 3.16247
"""Seconds between reads in imaging."""


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
    """

    number: int
    name: str
    frame_time: float
    read_pattern: tuple[tuple[int, ...], ...]

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
        return MATable(self.number, self.name, self.frame_time, self.read_pattern[:resultants])


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
