"""What lies behind the sources: zodiacal light, stray light, thermal background.

    rate(x, y) = Z z (1 + s) Omega(x, y) / Omega_0 + T

Z [electron/s/pixel] is the zodiacal light at its minimum over the sky and T the thermal
background of the instrument (Roman technical information; none is stated for grism and
prism); z the zodiacal light at a place and date in units of that minimum; s the stray light
as a share of it; Omega the solid angle of the pixel, Omega_0 its mean.

z(beta, lambda - lambda_sun) is a cubic spline of the logarithm of the table of
galsim.roman (C. Hirata's exposure time calculator), in the sine of ecliptic latitude and in
the longitude from the Sun.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.polynomial import chebyshev
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.geometry.siaf import aperture
from aqueduct.instrument.filters import background
from aqueduct.instrument.technical import table
from aqueduct.products.window import SCIENCE

Plane = NDArray[np.float32]
Floats = NDArray[np.float64]

STRAY_LIGHT: Final = 0.1
"""Share of the zodiacal light that comes in addition, scattered (galsim.roman)."""

_COLUMNS: Final = {
    "F062": "R062",
    "F087": "Z087",
    "F106": "Y106",
    "F129": "J129",
    "F146": "W146",
    "F158": "H158",
    "F184": "F184",
    "F213": "K213",
    "GRISM": "Grism_1stOrder",
    "PRISM": "SNPrism",
}
_SPECTROSCOPY: Final = (
    "WideFieldInstrument/Spectroscopy/ZodiacalLight/grism_prism_zodiacal_light.ecsv"
)
_LATITUDES: Final = 42
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
        Zodiacal light in units of its minimum over the sky, see :func:`zodiacal`.
    stray_light : float
        Stray light as a share of the zodiacal light.

    Returns
    -------
    ndarray of float32, (4088, 4088)
        Electron/s.
    """
    light, thermal = _least(element)
    area = pixel_area(detector)
    scale = zodiacal * (1 + stray_light) * light / area.mean(dtype=np.float64)
    rate = area * np.float32(scale)
    rate += np.float32(thermal)
    return rate


def _least(element: str) -> tuple[float, float]:
    """Least zodiacal light and thermal background, electron/s/pixel."""
    if element not in ("GRISM", "PRISM"):
        return background(element)
    rows = table(_SPECTROSCOPY)
    names = [str(name).upper() for name in rows["element"]]
    (row,) = (k for k, name in enumerate(names) if name.startswith(element))
    return float(rows["rate"][row]), 0.0


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


def zodiacal(ra: float, dec: float, time: Any, element: str) -> float:
    """Zodiacal light in units of its minimum over the sky.

    Parameters
    ----------
    ra, dec : float
        ICRS degrees.
    time : astropy.time.Time
    element : str
        A filter, ``GRISM`` or ``PRISM``.

    Raises
    ------
    InputError
        If the place is so close to the Sun that the table has no value.
    """
    latitude, longitude = _from_sun(ra, dec, time)
    level, spline = _zodiacal_table(element)
    row = abs(np.sin(np.radians(latitude))) * (_LATITUDES - 1)
    column = abs((longitude + 180) % 360 - 180) / 180 * (level.shape[0] - 1)
    around = level[int(column) : int(column) + 2, int(row) : int(row) + 2]
    if not (around > 0).all():
        raise InputError(
            f"no zodiacal light is known at ra {ra:.3f}, dec {dec:.3f} deg on {time.isot[:10]}",
            hint="the place is too close to the Sun: choose another date",
        )
    return float(np.exp(spline(column, row)[0, 0]))


def _from_sun(ra: float, dec: float, time: Any) -> tuple[float, float]:
    """Ecliptic latitude, and longitude from the Sun, degrees."""
    from astropy.coordinates import GeocentricMeanEcliptic, SkyCoord, get_sun

    frame = GeocentricMeanEcliptic(equinox=time)
    place = SkyCoord(ra, dec, unit="deg").transform_to(frame)
    sun = get_sun(time).transform_to(frame)
    return float(place.lat.deg), float(place.lon.deg - sun.lon.deg)


@cache
def _zodiacal_table(element: str) -> tuple[Floats, Any]:
    """Table (longitude, latitude) in units of its minimum, and the spline of its logarithm."""
    import galsim
    from scipy.interpolate import RectBivariateSpline

    if element not in _COLUMNS:
        raise InputError(f"no optical element {element!r}", hint=f"known: {', '.join(_COLUMNS)}")
    file = Path(galsim.meta_data.share_dir) / "roman" / "roman_sky_backgrounds.txt"
    with file.open() as lines:
        names = next(lines).lstrip("#").split()
    values = np.loadtxt(file, usecols=names.index(_COLUMNS[element])).reshape(-1, _LATITUDES)
    level = values / values[values > 0].min()
    # Around the Sun, where there are no values, any smooth continuation serves.
    filled = np.where(level > 0, level, level.max())
    return level, RectBivariateSpline(*map(np.arange, level.shape), np.log(filled))
