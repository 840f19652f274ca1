"""The demo, killed again and again at random, ends as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from sameness import assert_same, hidden, times_made

KILLS = 10
SEED = 20270501


def start(out: Path) -> subprocess.Popen[bytes]:
    """``aqueduct demo`` in a process group of its own."""
    code = "from aqueduct.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, "demo", "--out", str(out), "--jobs", "2"],
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def killed_after(out: Path, seconds: float) -> bool:
    """Kill a demo, workers and all, after some time; whether it was still at it."""
    process = start(out)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_the_demo_survives_ten_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calm, harried = tmp_path / "calm", tmp_path / "harried"
    began = time.monotonic()
    assert start(calm).wait() == 0
    whole = time.monotonic() - began
    rng = np.random.default_rng(SEED)
    # Each goes on where the last one stopped: together they last about as long as a whole run.
    moments = rng.uniform(0.2, 1.8, KILLS) * whole / KILLS
    for number, seconds in enumerate(moments, 1):
        alive = killed_after(harried, seconds)
        with capsys.disabled():
            print(
                f"seed {SEED}, kill {number} after {seconds:.1f} s: {'killed' if alive else 'done'}"
            )
    assert start(harried).wait() == 0
    assert hidden(harried) == []
    assert_same(calm, harried)
    assert max(times_made(harried).values()) == 1
