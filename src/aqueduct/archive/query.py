"""Find products in a local index: by position, filter, level, kind, time and name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from aqueduct.archive.index import Entry, opened
from aqueduct.core.errors import InputError
from aqueduct.geometry.footprint import contains, parse_s_region
from aqueduct.geometry.tangent import vector

_SLACK = 1e-9
"""Radians by which the circle test in the database errs on the side of finding."""


def find(
    folder: str | Path,
    *,
    position: tuple[float, float, float] | None = None,
    element: str | None = None,
    detector: str | None = None,
    level: int | None = None,
    kind: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    name: str | None = None,
    index: str | Path | None = None,
) -> list[Entry]:
    """Products that fit every condition given, by name.

    The index is taken as it is; bring it up to date with
    :func:`aqueduct.archive.update`.

    Parameters
    ----------
    folder : path-like
    position : (ra, dec, radius), optional
        Degrees, ICRS. A product fits if its footprint and this circle have a point in
        common. Level 1 has no footprint; the circle around its detector takes its place.
    element : str, optional
        Filter, ``GRISM`` or ``PRISM``.
    detector : str, optional
    level : int, optional
    kind : str, optional
        ``Raw``, ``Ramp``, ``Image``, ``Wcs``, ``Mosaic``, ``Catalog`` or ``Segmentation``.
    start, end : datetime, optional
        Products with any observing time in between; without a time zone, UTC.
    name : str, optional
        Pattern of the path within the folder: ``*``, ``?`` and ``[...]``; ``*`` spans
        folders too.
    index : path-like, optional
        The index file, if it is not in the folder.

    Returns
    -------
    list of Entry

    Raises
    ------
    InputError
        For a position off the sky, or an index that is none.
    """
    conditions: list[ColumnElement[bool]] = []
    if position is not None:
        conditions.append(_near(position))
    if element is not None:
        conditions.append(Entry.optical_element == element.upper())
    if detector is not None:
        conditions.append(Entry.detector == detector.upper())
    if level is not None:
        conditions.append(Entry.level == level)
    if kind is not None:
        conditions.append(Entry.kind == kind.capitalize())
    if start is not None:
        conditions.append(Entry.end >= _utc(start))
    if end is not None:
        conditions.append(Entry.start <= _utc(end))
    if name is not None:
        conditions.append(Entry.name.op("GLOB", is_comparison=True)(name))
    with opened(Path(folder), index) as engine, Session(engine) as session:
        found = list(session.scalars(select(Entry).where(*conditions).order_by(Entry.name)))
        session.expunge_all()
    for entry in found:
        entry._folder = Path(folder)
    if position is None:
        return found
    return [entry for entry in found if _touches(entry, position)]


def _near(position: tuple[float, float, float]) -> ColumnElement[bool]:
    """Circles that meet: a chord is never longer than its arc, so none is missed."""
    ra, dec, radius = position
    if not (-90 <= dec <= 90 and -360 <= ra <= 360 and 0 <= radius <= 180):
        raise InputError(
            f"no position on the sky: ra {ra}, dec {dec}, radius {radius}",
            hint="give degrees: dec from -90 to 90, radius from 0 to 180",
        )
    x, y, z = (float(value) for value in vector(ra, dec))
    chord = (Entry.x - x) * (Entry.x - x) + (Entry.y - y) * (Entry.y - y)
    chord = chord + (Entry.z - z) * (Entry.z - z)
    arc = (Entry.radius + radius) * (np.pi / 180) + _SLACK
    return chord <= arc * arc


def _touches(entry: Entry, position: tuple[float, float, float]) -> bool:
    """Whether the footprint and the circle have a point in common."""
    ra, dec, radius = position
    if entry.s_region is None:
        return True  # a circle itself: the database has compared them
    corners = parse_s_region(entry.s_region)
    if contains(*corners, ra, dec):
        return True
    return bool(to_outline(vector(*corners), vector(ra, dec)) <= np.radians(radius))


def to_outline(corners: NDArray[np.float64], point: NDArray[np.float64]) -> float:
    """Angle from a point to the nearest edge of a polygon, radians.

    Parameters
    ----------
    corners : ndarray, (n, 3)
        Unit vectors, in order.
    point : ndarray, (3,)
        Unit vector.
    """
    ends = np.roll(corners, -1, axis=0)
    poles = np.cross(corners, ends)
    # The foot of the perpendicular lies on the arc if the point is between its ends' planes.
    between = (np.cross(poles, corners) @ point >= 0) & (np.cross(ends, poles) @ point >= 0)
    length = np.linalg.norm(poles, axis=1)
    sine = np.abs(poles @ point) / np.where(length > 0, length, 1)
    to_arc = np.where(between & (length > 0), np.arcsin(np.clip(sine, 0, 1)), np.inf)
    to_corner = 2 * np.arcsin(np.clip(np.linalg.norm(corners - point, axis=1) / 2, 0, 1))
    return float(min(to_arc.min(), to_corner.min()))


def _utc(when: datetime) -> datetime:
    """As the index keeps it: UTC, without saying so."""
    return when if when.tzinfo is None else when.astimezone(UTC).replace(tzinfo=None)
