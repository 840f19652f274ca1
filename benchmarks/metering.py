"""What a command costs, and the peer's environment: shared by the benchmarks."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

INTERVAL = 0.02
"""Seconds between looks at the memory."""


@dataclass(frozen=True)
class Cost:
    """Wall and CPU seconds, and peak bytes of a process and its children."""

    wall: float
    cpu: float
    resident: int
    anonymous: int

    def __str__(self) -> str:
        return (
            f"{self.wall:7.1f} s wall {self.cpu:7.1f} s CPU "
            f"{self.resident / 2**30:6.2f} GB peak {self.anonymous / 2**30:6.2f} GB anonymous"
        )


def metered(command: list[str], log: Path, env: dict[str, str]) -> Cost:
    """Run a command; its output goes to ``log``."""
    started = time.perf_counter()
    with log.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=env)
        peak = [0, 0]
        watcher = threading.Thread(target=_watch, args=(process, peak))
        watcher.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        watcher.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed; see {log}")
    wall = time.perf_counter() - started
    return Cost(wall, usage.ru_utime + usage.ru_stime, peak[0], peak[1])


def _watch(process: subprocess.Popen[bytes], peak: list[int]) -> None:
    while process.returncode is None:
        try:
            tree = [psutil.Process(process.pid)]
            tree += tree[0].children(recursive=True)
            found = [one.memory_info() for one in tree]
        except psutil.Error:
            found = []
        peak[0] = max(peak[0], sum(info.rss for info in found))
        peak[1] = max(peak[1], sum(info.rss - info.shared for info in found))
        time.sleep(INTERVAL)


def peer_environment(peer: Path, crds: Path, context: str = "roman_0001.pmap") -> dict[str, str]:
    """Variables with which the official tools of the kit run offline on the cache ``crds``."""
    return {
        **os.environ,
        "PEER": str(peer),
        "CRDS_PATH": str(crds),
        "CRDS_CONTEXT": context,
        "CRDS_OBSERVATORY": "roman",
        # crds takes an address with this name as no server at all
        "CRDS_SERVER_URL": "https://roman-serverless.stsci.edu",
        "OMP_NUM_THREADS": "2",
    }


def aqueduct(*words: str) -> list[str]:
    """The command line of the ``aqueduct`` beside this interpreter."""
    return [str(Path(sys.executable).with_name("aqueduct")), *words]
