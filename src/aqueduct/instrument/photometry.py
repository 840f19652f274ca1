"""Units of flux: nJy, AB magnitudes, and MJy for surface brightness.

m = 31.4 - 2.5 log10(flux / nJy)                   (Oke & Gunn 1983, ApJ 266, 713)
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

AB_NJY: Final = 31.4
"""AB magnitude of 1 nJy."""
NJY_PER_MJY: Final = 1e15


def njy(magnitude: ArrayLike) -> NDArray[np.float64]:
    """Flux in nJy of AB magnitudes."""
    return np.asarray(10 ** (0.4 * (AB_NJY - np.asarray(magnitude, np.float64))))


def abmag(flux: ArrayLike) -> NDArray[Any]:
    """AB magnitude of fluxes in nJy."""
    return np.asarray(AB_NJY - 2.5 * np.log10(flux))
