"""Persistence: what a pixel releases after it was filled with x electrons t seconds ago.

    P(x, t) = F(x) / F(159 ke) * max(a exp(-b t) + d exp(-e t) + c, 0)      [electron/s]
    F(x)    = (x / x0)^alpha / (1 + exp(-(x - x0) / dx)),   linear below the half-well

The decay in time is each detector's own median, measured after 159 000 electrons (Roman
technical information); F is the dependence on fluence of the Fermi model of WFC3/IR (Long
et al. 2015) with the numbers of romanisim.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqueduct.instrument.noise import PERSISTENCE_FLUENCE, Persistence

PIVOT: Final = 6e4
"""x0, electron."""
WIDTH: Final = 5e4
"""dx, electron."""
SLOPE: Final = 0.045
"""alpha."""
HALF_WELL: Final = 5e4
"""Electron."""


def decay(model: Persistence, seconds: ArrayLike) -> NDArray[np.float64]:
    """Electron/s that long after 159 000 electrons."""
    t = np.asarray(seconds, np.float64)
    curve = model.a * np.exp(-model.b * t) + model.d * np.exp(-model.e * t) + model.c
    return np.asarray(np.maximum(curve, 0.0))


def response(
    fluence: NDArray[Any],
    pivot: float = PIVOT,
    width: float = WIDTH,
    slope: float = SLOPE,
    half_well: float = HALF_WELL,
) -> NDArray[np.float32]:
    """F(x) / F(159 ke) of a fluence in electrons."""

    def fermi(x: Any) -> Any:
        return (x / pivot) ** slope / (1 + np.exp(-(x - pivot) / width))

    low = fermi(half_well) * np.clip(fluence, 0, half_well) / half_well
    made = np.where(fluence < half_well, low, fermi(np.maximum(fluence, half_well)))
    return np.asarray(made / fermi(PERSISTENCE_FLUENCE), np.float32)
