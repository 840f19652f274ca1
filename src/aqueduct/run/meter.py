"""Seconds and peak memory of a piece of work."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_PAGE = os.sysconf("SC_PAGE_SIZE")
_INTERVAL = 0.02


@dataclass(frozen=True)
class Reading:
    """What a :class:`Meter` saw.

    Attributes
    ----------
    seconds, cpu_seconds : float
    resident, anonymous : int
        Peak bytes; ``anonymous`` leaves out memory-mapped files, which cost nothing
        when memory is short.
    """

    seconds: float
    cpu_seconds: float
    resident: int
    anonymous: int


class Meter:
    """Samples this process while a ``with`` block runs; ``reading`` holds the result."""

    reading: Reading

    def __enter__(self) -> Meter:
        self._started, self._cpu = time.perf_counter(), time.process_time()
        self._resident, self._anonymous = _memory()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        self._look()
        self.reading = Reading(
            time.perf_counter() - self._started,
            time.process_time() - self._cpu,
            self._resident,
            self._anonymous,
        )

    def _sample(self) -> None:
        while not self._done.wait(_INTERVAL):
            self._look()

    def _look(self) -> None:
        resident, anonymous = _memory()
        self._resident = max(self._resident, resident)
        self._anonymous = max(self._anonymous, anonymous)


def _memory() -> tuple[int, int]:
    """(resident, anonymous) bytes of this process now."""
    _, resident, shared, *_ = Path("/proc/self/statm").read_text().split()
    return int(resident) * _PAGE, (int(resident) - int(shared)) * _PAGE
