"""How kernels are compiled: nogil, cached per user, one place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def cache_home() -> Path:
    """The per-user folder for compiled kernels and unpacked references.

    ``AQUEDUCT_CACHE`` wins over ``XDG_CACHE_HOME``, which wins over ``~/.cache``.
    """
    if own := os.environ.get("AQUEDUCT_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aqueduct"


# Beside the source, numba's cache fails where site-packages is read-only.
if "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = str(cache_home() / "numba")


def jit(function: Function) -> Function:
    """Compile ``function`` to machine code that releases the GIL, and cache it."""
    compiled: Function = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled
