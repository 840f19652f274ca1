"""Metadata of Level 4 products, from those of the co-adds they were measured on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aqueduct.products import Mosaic
from aqueduct.products.catalog import Kind
from aqueduct.products.meta import Meta, updated

_SKIPPED: Final = frozenset(
    ("background", "cal_logs", "individual_image_meta", "photometry", "statistics", "wcs")
)
_OWN: Final = frozenset(("association", "cal_step", "resample"))
"""Blocks of one co-add that a catalog of several keeps in ``image_metas`` alone."""


def catalog_meta(mosaics: Sequence[Mosaic]) -> tuple[Kind, Meta]:
    """Kind of the catalog, and its metadata.

    For several filters the blocks are joined: what differs becomes None, and the times
    span all of them. The reference filter is the reddest.
    """
    metas = [_kept(mosaic.meta) for mosaic in mosaics]
    dates = [meta["file_date"] for meta in metas]
    image = {"filename": str(metas[0]["filename"]), "file_date": min(dates)}
    if len(metas) == 1:
        return "mosaic", updated(metas[0], image=image)
    joined = {key: value for key, value in metas[0].items() if key not in _OWN}
    for meta in metas[1:]:
        joined = {key: _joined(value, meta.get(key)) for key, value in joined.items()}
    joined["coadd_info"] = _times(metas)
    elements = [mosaic.optical_element for mosaic in mosaics]
    return "multiband", {
        **joined,
        "image": image,
        "image_metas": metas,
        "psf_match_reference_filter": max(elements, key=_redness),
    }


def _kept(meta: Mapping[str, Any]) -> Meta:
    return {key: value for key, value in meta.items() if key not in _SKIPPED}


def _joined(one: Any, other: Any) -> Any:
    """``one`` with None for what differs from ``other``, one level deep."""
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return one
    return {key: value if other.get(key) == value else None for key, value in one.items()}


def _times(metas: Sequence[Meta]) -> dict[str, Any]:
    infos = [meta["coadd_info"] for meta in metas]
    total = sum(info["exposure_time"] for info in infos)
    mean = start = infos[0]["time_mean"]
    for info in infos[1:]:
        mean = mean + (info["time_mean"] - start) * (info["exposure_time"] / total)
    largest = [info["max_exposure_time"] for info in infos if "max_exposure_time" in info]
    return {
        **infos[0],
        **({"max_exposure_time": max(largest)} if largest else {}),
        "time_first": min(info["time_first"] for info in infos),
        "time_last": max(info["time_last"] for info in infos),
        "time_mean": mean,
        "exposure_time": total / len(infos),
    }


def _redness(element: str) -> int:
    """Central wavelength in 10 nm; the wide filter, F146, sorts among the narrow ones."""
    return int(element[1:])
