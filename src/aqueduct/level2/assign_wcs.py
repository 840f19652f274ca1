"""Attach a world coordinate system to an image.

Pixel (x, y) -> (V2, V3) by the distortion reference -> differential velocity aberration
-> ICRS by the pointing in ``meta.wcsinfo``: see :mod:`aqueduct.geometry.wcs`.
"""

from __future__ import annotations

from dataclasses import replace

from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import step
from aqueduct.geometry.footprint import outline, s_region
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.products.image import Image
from aqueduct.products.meta import updated
from aqueduct.products.references import DistortionReference


class AssignWcsConfig(StepConfig):
    """Parameters of assign_wcs: none."""


@step(shape="frame", cal_step="assign_wcs", redoable=True)
def assign_wcs(image: Image, distortion: DistortionReference, config: AssignWcsConfig) -> Image:
    """Give the image its WCS and the outline of its footprint.

    Parameters
    ----------
    image : Image
        Of the science area.
    distortion : DistortionReference
    config : AssignWcsConfig

    Returns
    -------
    Image
        With ``wcs`` and ``meta.wcsinfo.s_region``; the arrays are shared. What an alignment
        of an earlier WCS found (``meta.wcs_fit_results``) is dropped.

    Raises
    ------
    InputError
        If ``meta`` lacks ``wcsinfo`` or ``velocity_aberration``.
    """
    try:
        wcsinfo = image.meta["wcsinfo"]
        scale_factor = float(image.meta["velocity_aberration"]["scale_factor"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the pointing is incomplete: metadata lack or garble {error}") from error
    rows, columns = image.data.shape
    wcs = detector_wcs(distortion.transform, wcsinfo, scale_factor, (rows, columns))
    corners = s_region(*outline(wcs, (rows, columns)))
    meta = updated(image.meta, wcsinfo={"s_region": corners})
    meta.pop("wcs_fit_results", None)
    return replace(image, wcs=wcs, meta=meta)
