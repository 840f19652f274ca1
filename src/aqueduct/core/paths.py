"""Where files of this package live on a user's machine."""

from __future__ import annotations

import os
from pathlib import Path


def cache_home() -> Path:
    """The per-user folder for compiled kernels, unpacked references and file digests.

    ``AQUEDUCT_CACHE`` wins over ``XDG_CACHE_HOME``, which wins over ``~/.cache``.
    """
    if own := os.environ.get("AQUEDUCT_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aqueduct"
