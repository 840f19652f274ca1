"""Fields of errors: noise of each pixel's own, and smooth ones.

    error = rms [ sqrt(1 - s) white + sqrt(s) smooth ]

``white`` is a standard normal number in every pixel; ``smooth`` the cubic spline through
such numbers on 6 x 6 knots, scaled to zero mean and unit variance over the frame.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import RectBivariateSpline

Plane = NDArray[Any]

_KNOTS: Final = 6


def smooth(shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """A random surface of zero mean and unit variance over ``shape``."""
    knots = np.linspace(0, 1, _KNOTS)
    spline = RectBivariateSpline(knots, knots, rng.standard_normal((_KNOTS, _KNOTS)))
    surface = spline(*(np.linspace(0, 1, size) for size in shape))
    surface -= surface.mean()
    surface /= surface.std()
    return np.asarray(surface, np.float32)


def estimated(
    value: Plane, error: float, rng: np.random.Generator, share: float = 0.0
) -> NDArray[np.float32]:
    """``value`` with a relative error, of whose variance a ``share`` is smooth.

    Parameters
    ----------
    value : ndarray, (row, column)
    error : float
        RMS of the relative error.
    rng : numpy.random.Generator
    share : float
        0 for noise of each pixel's own, 1 for a smooth error.
    """
    relative = rng.standard_normal(value.shape, np.float32)
    relative *= np.float32(error * np.sqrt(1 - share))
    if share > 0:
        relative += np.float32(error * np.sqrt(share)) * smooth(value.shape, rng)
    relative += 1
    return np.asarray(value * relative, np.float32)
