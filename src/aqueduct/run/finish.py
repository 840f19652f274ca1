"""Complete a product's metadata before it is written: names, versions, what was done."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from aqueduct.core.step import Step
from aqueduct.products import Image, Mosaic, Ramp
from aqueduct.products.meta import updated
from aqueduct.references import crds_record
from aqueduct.run.recipe import Recipe
from aqueduct.run.target import Target

L2_CAL_STEPS = (
    "assign_wcs",
    "dark",
    "dark_decay",
    "dq_init",
    "flat_field",
    "flux",
    "linearity",
    "outlier_detection",
    "photom",
    "source_catalog",
    "ramp_fit",
    "refpix",
    "saturation",
    "skymatch",
    "tweakreg",
    "wfi18_transient",
)
"""The names RAD ``l2_cal_step`` knows."""

L3_CAL_STEPS = ("flux", "outlier_detection", "resample", "skymatch")
_CAL_STEPS: Mapping[type, tuple[str, ...]] = {
    Ramp: L2_CAL_STEPS,
    Image: L2_CAL_STEPS,
    Mosaic: L3_CAL_STEPS,
}
_UNCALIBRATED = dict.fromkeys(
    ("conversion_megajanskys", "conversion_megajanskys_uncertainty", "pixel_area")
)
"""``meta.photometry`` of an image that is written before photom."""


def identified(product: Any, path: Path) -> Any:
    """``product`` under the name and level it will have, for what is derived from it."""
    blocks = {"product_type": "l2"} if isinstance(product, Image) else {}
    return replace(product, meta=updated(product.meta, filename=path.name, **blocks))


def finished(
    product: Any,
    path: Path,
    recipe: Recipe,
    steps: Sequence[Step],
    target: Target,
    extra: Mapping[str, Any],
) -> Any:
    """``product`` with its metadata complete.

    Parameters
    ----------
    product : product
    path : Path
        Where it will be written.
    recipe : Recipe
        What made it.
    steps : sequence of Step
        Those of the run that it went through.
    target : Target
        What the run makes.
    extra : mapping
        Metadata blocks that come from the unit of work, such as the association.
    """
    blocks: dict[str, Any] = {
        "calibration_software_name": "Aqueduct",
        "calibration_software_version": version("roman-aqueduct"),
        **extra,
    }
    if type(product) in _CAL_STEPS:
        blocks["cal_logs"] = [f"{link.step}: {json.dumps(link.config)}" for link in recipe.links]
        blocks["cal_step"] = _cal_step(product, steps, target.skipped)
    if target.used and not isinstance(product, Mosaic) and "ref_file" in product.meta:
        blocks["ref_file"] = crds_record(
            {kind: entry["name"] for kind, entry in target.used.items()}, target.context
        )
    if isinstance(product, Image):
        blocks["photometry"] = product.meta.get("photometry") or _UNCALIBRATED
    named = identified(product, path)
    return replace(named, meta=updated(named.meta, **blocks))


def _cal_step(
    product: Ramp | Image | Mosaic, steps: Sequence[Step], skipped: Sequence[str]
) -> dict[str, str]:
    """Status of every step the schema names.

    A step may report its own status (FAILED, SKIPPED) in ``meta.cal_step``; otherwise one
    that ran is COMPLETE. One left out on request is SKIPPED.
    """
    own = product.meta.get("cal_step", {})
    status = {name: own.get(name, "INCOMPLETE") for name in _CAL_STEPS[type(product)]}
    for step in steps:
        if step.cal_step in status and status[step.cal_step] == "INCOMPLETE":
            status[step.cal_step] = "COMPLETE"
    for name in skipped:
        if name in status:
            status[name] = "SKIPPED"
    return status
