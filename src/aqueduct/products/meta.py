"""Metadata as RAD lays it out: nested dictionaries, never changed in place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aqueduct.core.errors import InputError

Meta = dict[str, Any]


def updated(meta: Mapping[str, Any], **blocks: Any) -> Meta:
    """A copy of ``meta`` with blocks replaced; mappings are merged, one level deep."""
    new = dict(meta)
    for name, value in blocks.items():
        old = new.get(name)
        both = isinstance(old, Mapping) and isinstance(value, Mapping)
        new[name] = {**old, **value} if both and old is not None else value
    return new


@dataclass(frozen=True)
class Exposure:
    """What steps need to know of an exposure.

    Attributes
    ----------
    detector : str
        ``WFI01`` to ``WFI18``.
    optical_element : str
        Filter, ``GRISM`` or ``PRISM``.
    kind : str
        ``meta.exposure.type``, such as ``WFI_IMAGE``.
    frame_time : float
        Seconds between reads.
    read_pattern : tuple of tuple of int
        1-based read numbers averaged into each resultant.
    start_time : astropy.time.Time
    """

    detector: str
    optical_element: str
    kind: str
    frame_time: float
    read_pattern: tuple[tuple[int, ...], ...]
    start_time: Any

    @property
    def sca(self) -> int:
        """Detector number, 1 to 18."""
        return int(self.detector[3:])


def exposure(meta: Mapping[str, Any], where: str = "") -> Exposure:
    """Read an :class:`Exposure` out of ``meta``.

    Raises
    ------
    InputError
        If a keyword is absent.
    """
    try:
        about, instrument = meta["exposure"], meta["instrument"]
        return Exposure(
            detector=str(instrument["detector"]),
            optical_element=str(instrument["optical_element"]),
            kind=str(about["type"]),
            frame_time=float(about["frame_time"]),
            read_pattern=tuple(
                tuple(int(read) for read in reads) for reads in about["read_pattern"]
            ),
            start_time=about["start_time"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"metadata lack or garble {error}",
            where=where,
            hint="check the file with `aqueduct show`",
        ) from error
