"""How kernels are compiled: nogil, cached per user, one place."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import numba

from aqueduct.core.paths import cache_home

Function = TypeVar("Function", bound=Callable[..., object])


# Beside the source, numba's cache fails where site-packages is read-only.
if "NUMBA_CACHE_DIR" not in os.environ:
    numba.config.CACHE_DIR = str(cache_home() / "numba")


def jit(function: Function) -> Function:
    """Compile ``function`` to machine code that releases the GIL, and cache it."""
    compiled: Function = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled
