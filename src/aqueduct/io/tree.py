"""ASDF trees as plain dictionaries and memory-mapped arrays."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from aqueduct.core.errors import AqueductError, InputError
from aqueduct.io.layout import mapped

ABSENT = "check the path, and the folder it starts from"
DAMAGED = "copy or make the file again; `aqueduct show` tells what can be read of it"


_LOADING = Lock()
_LOAD, _SAFE_LOAD = yaml.load, yaml.safe_load


@cache
def _parsed(content: bytes, loader: Any) -> Any:
    return _LOAD(content, Loader=loader)


def _load(stream: Any, Loader: Any) -> Any:
    """``yaml.load``, which asdf calls on the same 400 schemas for every file it validates."""
    return _parsed(stream, Loader) if isinstance(stream, bytes) else _LOAD(stream, Loader=Loader)


@contextmanager
def quick_yaml() -> Iterator[None]:
    """Let the libraries read each schema once a process, and with libyaml where they do not.

    They get the same, a second earlier at the first file and a third of a second at others.
    """
    yaml.load = _load
    if hasattr(yaml, "CSafeLoader"):
        yaml.safe_load = lambda stream: yaml.load(stream, Loader=yaml.CSafeLoader)
    try:
        yield
    finally:
        yaml.load, yaml.safe_load = _LOAD, _SAFE_LOAD


def datamodels() -> Any:
    """``roman_datamodels.datamodels``, with the extensions of asdf loaded before.

    Each imports the other: two threads that begin at either end wait for ever.
    """
    with _LOADING, quick_yaml():
        import asdf

        _ = asdf.get_config().extensions
        from roman_datamodels import datamodels

        return datamodels


@contextmanager
def opened(path: Path) -> Iterator[Mapping[str, Any]]:
    """The ``roman`` tree of an ASDF file; nothing is read before it is looked at.

    Raises
    ------
    InputError
        If the file is absent, corrupt, truncated or not from Roman; also for errors that
        come up while the tree is in use.
    """
    import asdf

    datamodels()
    try:
        with quick_yaml(), asdf.config_context() as config:
            # Every file written is validated; the parts read are checked where used.
            config.validate_on_read = False
            with asdf.open(path, memmap=True, lazy_load=True, lazy_tree=True) as file:
                if "roman" not in file.tree:
                    raise InputError("not a file from Roman", where=str(path))
                yield file.tree["roman"]
    except (AqueductError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), hint=ABSENT) from error
    except PermissionError as error:
        raise InputError("no permission to read it", where=str(path), hint=ABSENT) from error
    except Exception as error:  # the readers below raise nearly any type on damaged bytes
        raise InputError(f"corrupt or truncated: {error}", where=str(path), hint=DAMAGED) from error


def is_array(value: Any) -> bool:
    """Whether a tree's value is an array, without reading it."""
    from asdf.tags.core.ndarray import NDArrayType

    return isinstance(value, np.ndarray | NDArrayType)


def array(value: Any, path: Path) -> NDArray[Any]:
    """An array of a tree of the file ``path``, in native byte order.

    Mapped to memory if it is stored uncompressed, otherwise read. The map is copy on
    write, so that its type is that of an ordinary array and kernels compile once.
    """
    values = np.asarray(value)
    if not values.dtype.isnative:
        return values.astype(values.dtype.newbyteorder("="))
    source = _mapping_under(values)
    if source is None or not values.flags.c_contiguous or not values.size:
        return values if values.flags.writeable else values.copy()
    start = np.frombuffer(source, np.uint8).ctypes.data
    offset = values.ctypes.data - start
    return mapped(path, values.dtype, offset, values.shape)


def _mapping_under(values: Any) -> mmap.mmap | None:
    """The mapped file that an array looks into, if any."""
    while values is not None:
        if isinstance(values, mmap.mmap):
            return values
        values = getattr(values, "base", None)
    return None


def plain(value: Any, path: Path) -> Any:
    """``value`` with every node of the file format turned into a plain Python value.

    Tables stay tables, with columns of their own.
    """
    from astropy.table import Table
    from astropy.time import Time

    if is_array(value):
        return array(value, path)
    if isinstance(value, Table):
        return value.copy()
    if isinstance(value, Mapping) or hasattr(value, "items"):
        return {str(key): plain(entry, path) for key, entry in value.items()}
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Time):
        return value if type(value) is Time else Time(value, format=value.format)
    if isinstance(value, Sequence):
        return [plain(entry, path) for entry in value]
    return value
