"""Find sources on the co-adds of a sky cell, one filter or several together.

The filters' matched-filter maps are added with the weights that are best for a source of
the same flux density (nJy) in each::

    S = sum_b S_b n_b / sqrt(sum_b n_b^2),   n_b^2 = sum(K^2 / v_b)

Several templates K stand for point-like and extended sources; the largest S counts. See
:mod:`aqueduct.measure.detection`.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field as Parameter

from aqueduct.core.step import step
from aqueduct.level4 import _layers
from aqueduct.level4._layers import TemplatesConfig
from aqueduct.level4._meta import catalog_meta
from aqueduct.products import Mosaic, Segmentation


class DetectionConfig(TemplatesConfig):
    """Parameters of :func:`detection`."""

    box: int = Parameter(200, ge=16, description="Size of the noise mesh's boxes, pixels")


@step(shape="group")
def detection(mosaics: list[Mosaic], config: DetectionConfig) -> Segmentation:
    """Detect sources on background-subtracted co-adds.

    Parameters
    ----------
    mosaics : list of Mosaic
        One per filter, on one sky cell.
    config : DetectionConfig

    Returns
    -------
    Segmentation
        Kind ``mosaic`` for one filter, ``multiband`` for several.

    Raises
    ------
    InputError
        If there is no co-add, or they differ in sky cell or share a filter.
    """
    _layers.same_cell(mosaics)
    layers = [_layers.quiet(mosaic, config.box) for mosaic in mosaics]
    labels = _layers.sources(mosaics, layers, config)
    kind, meta = catalog_meta(mosaics)
    return Segmentation(labels.astype(np.uint32), meta, kind, mosaics[0].wcs)
