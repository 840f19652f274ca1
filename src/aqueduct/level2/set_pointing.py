"""Set the pointing from the telemetry of the attitude control instead of the plan.

The quaternions are averaged over the exposure, q = sum q_i / |sum q_i| (q and -q are the same
rotation). With fewer than two samples in it the nearest before and after are used, as far as
``tolerance`` away. Attitude and velocity aberration: :mod:`aqueduct.geometry.pointing`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.geometry.pointing import (
    BODY_TO_FGS,
    Pointing,
    guide_star_place,
    observatory_velocity,
    telescope_attitude,
    velocity_aberration,
)
from aqueduct.geometry.tangent import Floats
from aqueduct.products.image import Image
from aqueduct.products.meta import updated
from aqueduct.products.references import AttitudeReference

DAY = 86400.0


class SetPointingConfig(StepConfig):
    """Parameters of set_pointing."""

    tolerance: float = Field(
        60.0, ge=0, le=3600, description="Largest time from the exposure to a sample, s"
    )
    on_missing: Literal["error", "planned"] = Field(
        "error", description="No telemetry of the exposure: stop, or keep the planned pointing"
    )


@step(shape="frame")
def set_pointing(image: Image, attitude: AttitudeReference, config: SetPointingConfig) -> Image:
    """Set the pointing of the telescope from quaternions; run before assign_wcs.

    Parameters
    ----------
    image : Image
        With ``exposure.start_time``, ``end_time`` and ``ephemeris``. The guide star is at
        ``guide_star.hv_position``, or at the detector's reference point without it.
    attitude : AttitudeReference
    config : SetPointingConfig

    Returns
    -------
    Image
        With ``pointing`` (``pointing_engineering_source`` is ``CALCULATED``) and ``wcsinfo``,
        both in degrees, and ``velocity_aberration``; the arrays are shared.

    Raises
    ------
    InputError
        If no quaternion is near the exposure, unless ``on_missing`` is "planned".
    """
    start, end = (_mjd(image, key) for key in ("start_time", "end_time"))
    to_body = average(attitude.time, attitude.to_body, start, end, config.tolerance)
    if to_body is None:
        if config.on_missing == "planned":
            return image
        raise InputError(
            "no attitude telemetry during the exposure",
            where=attitude.name,
            hint="widen tolerance, or set on_missing = 'planned'",
        )
    to_fgs = average(attitude.fgs_time, attitude.to_fgs, start, end, config.tolerance)
    velocity = observatory_velocity(image.meta.get("ephemeris", {}))
    detector = image.exposure.detector
    position = image.meta.get("guide_star", {}).get("hv_position") or (0.0, 0.0)
    matrix = telescope_attitude(
        to_body,
        BODY_TO_FGS if to_fgs is None else to_fgs,
        guide_star_place(detector, *(float(axis) for axis in position)),
        velocity,
    )
    planned = image.meta.get("pointing", {})
    pointing = Pointing.from_attitude(matrix, str(planned.get("target_aperture", "WFI_CEN")))
    wcsinfo = pointing.wcsinfo(detector)
    calculated = {
        **pointing.meta(),
        "pointing_engineering_source": "CALCULATED",
        "quaternion": to_body.tolist(),
    }
    aberration = velocity_aberration(wcsinfo["ra_ref"], wcsinfo["dec_ref"], velocity)
    meta = updated(image.meta, pointing=calculated, wcsinfo=wcsinfo, velocity_aberration=aberration)
    return replace(image, meta=meta)


def _mjd(image: Image, key: str) -> float:
    try:
        return float(image.meta["exposure"][key].utc.mjd)
    except (KeyError, AttributeError) as error:
        raise InputError(f"metadata lack or garble exposure.{key}") from error


def average(
    time: Floats, quaternions: Floats, start: float, end: float, tolerance: float
) -> Floats | None:
    """Mean quaternion over an exposure, or None.

    Parameters
    ----------
    time : ndarray, (n,)
        MJD, ascending.
    quaternions : ndarray, (n, 4)
        Those that are zero count as missing.
    start, end : float
        MJD.
    tolerance : float
        Seconds before and after, if fewer than two samples lie between.
    """
    valid = np.isfinite(quaternions).all(axis=1) & quaternions.any(axis=1)
    time, q = time[valid], quaternions[valid]
    inside = np.flatnonzero((time >= start) & (time <= end))
    if len(inside) < 2:
        before, after = np.searchsorted(time, start) - 1, np.searchsorted(time, end, "right")
        around = [at for at in (before, *inside, after) if 0 <= at < len(time)]
        far = tolerance / DAY
        inside = np.array(
            [at for at in around if start - far <= time[at] <= end + far], dtype=np.intp
        )
    if not len(inside):
        return None
    picked = q[inside]
    same = np.sign(picked @ picked[0])
    total = np.sum(picked * same[:, None], axis=0)
    return np.asarray(total / np.linalg.norm(total))
