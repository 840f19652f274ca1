"""Images as sources: an array of any shape and sampling, placed on the sky by a scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError


@dataclass(frozen=True)
class ImageTemplate:
    """The shape of a source, given as an image.

    Attributes
    ----------
    image : ndarray of float32, (y, x)
        Scaled to unit sum. At position angle 0, +y is north and +x west, as a picture of
        the sky is seen. Its middle, ((nx - 1) / 2, (ny - 1) / 2), lies at the source.
    scale : float
        Arcsec per pixel.
    """

    image: NDArray[np.float32]
    scale: float

    def __post_init__(self) -> None:
        image = np.asarray(self.image, float)
        total = image.sum()
        if image.ndim != 2 or not np.isfinite(total) or total <= 0:
            raise InputError("an image template has two dimensions and a positive, finite sum")
        if not self.scale > 0:
            raise InputError(f"an image template of scale {self.scale} arcsec")
        object.__setattr__(self, "image", (image / total).astype(np.float32))
