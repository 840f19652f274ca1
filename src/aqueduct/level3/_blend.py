"""Metadata of a co-add out of those of its members.

A value is kept where all members agree and is None (``INCOMPLETE`` for the status of a
step) where they differ. What each member said is tabulated in ``individual_image_meta``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from aqueduct.products.meta import Meta

TABLES: Final = (
    "background",
    "cal_step",
    "coordinates",
    "ephemeris",
    "exposure",
    "guide_star",
    "instrument",
    "observation",
    "photometry",
    "pointing",
    "program",
    "rcs",
    "ref_file",
    "source_catalog",
    "velocity_aberration",
    "visit",
    "wcsinfo",
)
"""The tables of RAD ``individual_image_meta``, besides ``basic``."""

_BASIC: Final = (
    "calibration_software_name",
    "calibration_software_version",
    "filename",
    "file_date",
    "model_type",
    "origin",
    "prd_version",
    "product_type",
    "sdf_software_version",
    "telescope",
)
_SHARED: Final = {
    "observation": (
        "execution_plan",
        "exposure",
        "observation",
        "pass",
        "program",
        "segment",
        "visit",
    ),
    "program": ("title", "investigator_name", "category", "subcategory", "science_category"),
    "instrument": ("name", "optical_element"),
}
_STEPS: Final = ("flux", "outlier_detection", "skymatch")
_VISIT: Final = (
    ("execution_plan", 2),
    ("pass", 3),
    ("segment", 3),
    ("observation", 3),
    ("visit", 3),
)


def blended(metas: Sequence[Meta]) -> Meta:
    """The blocks of a co-add's metadata that follow from its members' alone."""
    meta: Meta = {
        block: {key: _common(_values(metas, block, key)) for key in keys}
        for block, keys in _SHARED.items()
    }
    meta["observation"]["exposure_grouping"] = _grouping(meta["observation"])
    meta["cal_step"] = {
        name: _common(_values(metas, "cal_step", name)) or "INCOMPLETE" for name in _STEPS
    }
    meta["coordinates"] = {"reference_frame": "ICRS"}
    meta["coadd_info"] = _times([each["exposure"] for each in metas])
    meta["individual_image_meta"] = individual(metas)
    basic = {key: _common([each.get(key) for each in metas]) for key in ("origin", "telescope")}
    return {**meta, **basic}


def individual(metas: Sequence[Meta]) -> dict[str, Any]:
    """One table for each metadata block, one row for each member.

    Lists are written as text. Where some members lack a value, it is NaN among numbers
    and ``None`` among texts.
    """
    rows: dict[str, list[Mapping[str, Any]]] = {
        "basic": [{key: each[key] for key in _BASIC if key in each} for each in metas]
    }
    rows |= {
        name: [each.get(name) or {} for each in metas]
        for name in TABLES
        if any(each.get(name) for each in metas)
    }
    return {name: _table(each) for name, each in rows.items()}


def _table(rows: Sequence[Mapping[str, Any]]) -> Any:
    from astropy.table import Table

    names = dict.fromkeys(name for row in rows for name in row)
    return Table({name: _column([row.get(name) for row in rows]) for name in names})


def _column(values: Sequence[Any]) -> Sequence[Any]:
    plain = [str(value) if isinstance(value, (list, tuple, dict)) else value for value in values]
    if all(value is not None for value in plain):
        kinds = {type(value) for value in plain}
        return plain if len(kinds) == 1 or kinds <= {int, float} else [str(v) for v in plain]
    present = [value for value in plain if value is not None]
    if present and all(isinstance(value, (int, float)) for value in present):
        return [np.nan if value is None else float(value) for value in plain]
    return [str(value) for value in plain]


def _values(metas: Iterable[Meta], block: str, key: str) -> list[Any]:
    return [(meta.get(block) or {}).get(key) for meta in metas]


def _common(values: Sequence[Any]) -> Any:
    """The value all share, else None."""
    return values[0] if all(value == values[0] for value in values) else None


def _grouping(observation: Mapping[str, Any]) -> str | None:
    """``v`` and the digits of the visit, where all members are of one."""
    parts = [(observation[key], width) for key, width in _VISIT]
    if any(value is None for value, _ in parts):
        return None
    return "v" + "".join(f"{int(value):0{width}d}" for value, width in parts)


def _times(exposures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    from astropy.time import Time

    starts = [each["start_time"] for each in exposures]
    return {
        "time_first": min(starts),
        "time_last": max(each["end_time"] for each in exposures),
        "time_mean": Time(starts).mean(),
    }
