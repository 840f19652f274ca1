from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import convolve1d

from aqueduct.geometry.pixelmap import PixelMap
from aqueduct.geometry.pointing import Pointing
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs
from aqueduct.psf.epsf import Epsf, normalised

GRID = np.array([0.0, 2043.5, 4087.0])
SIZE = 361
PIXEL = np.array([0.5, 1, 1, 1, 0.5]) / 4


@pytest.fixture(scope="session")
def sky() -> PixelMap:
    wcsinfo = Pointing(270.0, 66.0, 20.0, "WFI01_FULL").wcsinfo("WFI01")
    wcs = detector_wcs(aperture("WFI01").model(), wcsinfo)
    return PixelMap.from_gwcs(wcs, (4088, 4088))


@pytest.fixture(scope="session")
def epsf() -> Epsf:
    """Lopsided cores that vary over the detector, and wings that reach past the stamp."""
    at = (np.arange(SIZE) - SIZE // 2) / 4
    x, y = at, at[:, None]
    rows, columns = (axis.ravel() for axis in np.meshgrid(GRID, GRID, indexing="ij"))
    stamps = []
    for row, column in zip(rows, columns, strict=True):
        width, turn = 0.5 + 3e-5 * column, 0.1 + 4e-5 * row
        core = np.exp(-0.5 * ((x + turn * y) ** 2 + 1.2 * y**2) / width**2)
        for axis in (0, 1):
            core = convolve1d(core, PIXEL, axis=axis, mode="constant")
        wing = (1 + (x**2 + y**2) / 4) ** -1.5 * (1 + 0.3 * x / (1 + np.hypot(x, y)))
        edge = np.cos(np.pi / 2 * np.clip((np.hypot(x, y) - 36) / 8, 0, 1)) ** 2
        stamps.append((core + 0.02 * wing) * edge)
    return Epsf(normalised(np.stack(stamps), 4), 4, columns, rows)
