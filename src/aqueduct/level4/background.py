"""Subtract the background of a co-add.

    data' = data - level        [MJy/sr]

The level is measured on a mesh (:mod:`aqueduct.measure.background`) twice: the second
time with the sources masked that were found above the first. Its error is part of the
noise factor that :func:`aqueduct.level4.photometry.photometry` measures.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field as Parameter

from aqueduct.core.step import step
from aqueduct.level4 import _layers
from aqueduct.level4._layers import TemplatesConfig
from aqueduct.measure import background as mesh
from aqueduct.measure import grown
from aqueduct.products import Mosaic


class BackgroundConfig(TemplatesConfig):
    """Parameters of :func:`background`."""

    box: int = Parameter(200, ge=16, description="Size of the mesh's boxes, pixels")
    grow: int = Parameter(8, ge=0, le=100, description="Pixels masked around sources")


@step(shape="frame")
def background(mosaic: Mosaic, config: BackgroundConfig) -> Mosaic:
    """Subtract the background, measured around the sources.

    Parameters
    ----------
    mosaic : Mosaic
        MJy/sr.
    config : BackgroundConfig

    Returns
    -------
    Mosaic
        New ``data``; pixels without data stay NaN.
    """
    data, variance, mask = _layers.quiet(mosaic, config.box)
    first = data - mesh(data, mask, config.box).level
    labels = _layers.sources([mosaic], [(first, variance, mask)], config)
    level = mesh(data, mask | grown(labels, config.grow), config.box).level
    return replace(mosaic, data=(mosaic.data - level).astype(np.float32))
