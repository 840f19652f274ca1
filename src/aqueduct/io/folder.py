"""Output folders: made, checked, and cleared of what killed runs left behind."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

import psutil

from aqueduct.core.errors import OutputError


def scratch_prefix() -> str:
    """How this process names its temporary folders: they tell whose they are."""
    return f".aqueduct-{platform.node()}-{os.getpid()}-"


def prepare_folder(folder: Path) -> Path:
    """Make ``folder`` if it is absent, and check that files can be written there.

    Temporary folders of processes of this host that are no more are removed.

    Returns
    -------
    Path
        ``folder``.

    Raises
    ------
    OutputError
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=scratch_prefix(), dir=folder):
            pass
        for left in folder.glob(f".aqueduct-{platform.node()}-*"):
            pid = left.name.removeprefix(f".aqueduct-{platform.node()}-").partition("-")[0]
            if pid.isdigit() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f"can't be written to: {error.strerror or error}",
            where=str(folder),
            hint="check its permissions or choose another --out",
        ) from error
    return folder
