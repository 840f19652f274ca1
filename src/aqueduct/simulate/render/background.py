"""What lies behind the sources: zodiacal light, stray light, thermal background.

    rate(x, y) = Z z (1 + s) Omega(x, y) / Omega_0 + T

Z [electron/s/pixel] is the zodiacal light at its minimum over the sky and T the thermal
background of the instrument (Roman technical information; none is stated for grism and
prism); z the zodiacal light at a place and date in units of that minimum
(:mod:`aqueduct.instrument.zodiacal`); s the stray light as a share of it; Omega the solid
angle of the pixel, Omega_0 its mean.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from aqueduct.geometry.siaf import aperture
from aqueduct.instrument.zodiacal import least
from aqueduct.products.window import SCIENCE

Plane = NDArray[np.float32]

STRAY_LIGHT: Final = 0.1
"""Share of the zodiacal light that comes in addition, scattered (galsim.roman)."""

_DEGREE: Final = 9
"""Of the polynomial in x and y that the pixel area is."""


def background_rate(
    element: str, detector: str, zodiacal: float = 1.0, stray_light: float = STRAY_LIGHT
) -> Plane:
    """Sky and thermal background of a detector of unit response.

    Parameters
    ----------
    element : str
        A filter, ``GRISM`` or ``PRISM``.
    detector : str
    zodiacal : float
        Zodiacal light in units of its minimum over the sky, see
        :func:`aqueduct.instrument.zodiacal.zodiacal`.
    stray_light : float
        Stray light as a share of the zodiacal light.

    Returns
    -------
    ndarray of float32, (4088, 4088)
        Electron/s.
    """
    light, thermal = least(element)
    area = pixel_area(detector)
    scale = zodiacal * (1 + stray_light) * light / area.mean(dtype=np.float64)
    rate = area * np.float32(scale)
    rate += np.float32(thermal)
    return rate


def pixel_area(detector: str) -> Plane:
    """Solid angle, steradian, of every science pixel (4088, 4088), from the distortion.

    A polynomial in x and y, as the distortion is.
    """
    seen = aperture(detector)
    nodes = chebyshev.chebpts1(_DEGREE + 3)
    x, y = np.meshgrid(*[(nodes + 1) / 2 * (SCIENCE - 1)] * 2)
    sides = []
    for dx, dy in ((0.5, 0.0), (0.0, 0.5)):
        (a2, a3), (b2, b3) = seen.to_v2v3(x - dx, y - dy), seen.to_v2v3(x + dx, y + dy)
        sides.append(((b2 - a2) * np.cos(np.radians((a3 + b3) / 7200)), b3 - a3))
    (along_x, up_x), (along_y, up_y) = sides
    area = np.abs(along_x * up_y - along_y * up_x) * np.radians(1 / 3600) ** 2
    inverse = np.linalg.pinv(chebyshev.chebvander(nodes, _DEGREE))
    every = chebyshev.chebvander(np.linspace(-1, 1, SCIENCE), _DEGREE)
    rows = (every @ (inverse @ area @ inverse.T)).astype(np.float32)
    return np.asarray(rows @ every.T.astype(np.float32))
