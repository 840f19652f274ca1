"""Bands of rows over threads: one parallel model for all kernels that release the GIL."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

Result = TypeVar("Result")
Item = TypeVar("Item")

_limit: ContextVar[int] = ContextVar("aqueduct_threads", default=0)


def threads() -> int:
    """Threads in use: the limit set by :func:`limited`, or the cores of this process."""
    return _limit.get() or len(os.sched_getaffinity(0))


@contextmanager
def limited(count: int) -> Iterator[None]:
    """Use at most ``count`` threads within this context (0: as many as there are cores)."""
    token = _limit.set(count)
    try:
        yield
    finally:
        _limit.reset(token)


def bands(rows: int, size: int) -> list[tuple[int, int]]:
    """(start, stop) of consecutive bands. They depend on ``size`` alone, never on threads."""
    return [(start, min(start + size, rows)) for start in range(0, rows, size)]


def over(function: Callable[[Item], Result], items: list[Item]) -> list[Result]:
    """``[function(item) for item in items]``, spread over threads; order kept."""
    workers = min(threads(), len(items))
    if workers <= 1:
        return [function(item) for item in items]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, items))
