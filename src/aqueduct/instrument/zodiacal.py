"""Zodiacal light: by place and date, as a rate and as a surface brightness.

    rate   = Z z(beta, lambda - lambda_sun)                  [electron/s/pixel]
    light  = rate f / Omega                                  [MJy/sr]

Z is the zodiacal light at its minimum over the sky (Roman technical information), z the
light in units of that minimum, f the flux density, flat in frequency, that gives one
electron per second, and Omega the solid angle of a nominal pixel. z is a cubic spline of the
logarithm of the table of galsim.roman (C. Hirata's exposure time calculator), in the sine of
ecliptic latitude and in the longitude from the Sun.

Through the grism or the prism a pixel of an even sky sees all wavelengths of all orders: f
is then that of all orders together.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.instrument.dispersers import ORDERS
from aqueduct.instrument.filters import background, njy_per_electron
from aqueduct.instrument.photometry import NJY_PER_MJY
from aqueduct.instrument.spectrum import Spectrum, electron_rate
from aqueduct.instrument.technical import table

Floats = NDArray[np.float64]

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


def least(element: str) -> tuple[float, float]:
    """Least zodiacal light and thermal background, electron/s/pixel.

    The technical information states no thermal background for grism and prism: 0.

    Parameters
    ----------
    element : str
        A filter, ``GRISM`` or ``PRISM``.
    """
    if element not in ORDERS:
        return background(element)
    rows = table(_SPECTROSCOPY)
    names = [str(name).upper() for name in rows["element"]]
    (row,) = (k for k, name in enumerate(names) if name.startswith(element))
    return float(rows["rate"][row]), 0.0


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
    level, spline = _table(element)
    row = abs(np.sin(np.radians(latitude))) * (_LATITUDES - 1)
    column = abs((longitude + 180) % 360 - 180) / 180 * (level.shape[0] - 1)
    around = level[int(column) : int(column) + 2, int(row) : int(row) + 2]
    if not (around > 0).all():
        raise InputError(
            f"no zodiacal light is known at ra {ra:.3f}, dec {dec:.3f} deg on {time.isot[:10]}",
            hint="the place is too close to the Sun: choose another date",
        )
    return float(np.exp(spline(column, row)[0, 0]))


def surface_brightness(ra: float, dec: float, time: Any, detector: str, element: str) -> float:
    """Zodiacal light in MJy/sr, as a detector's calibration of an optical element has it.

    Parameters
    ----------
    ra, dec : float
        ICRS degrees.
    time : astropy.time.Time
    detector : str
        As ``WFI01``.
    element : str
        A filter, ``GRISM`` or ``PRISM``.

    Raises
    ------
    InputError
        As :func:`zodiacal`.
    """
    rate = least(element)[0] * zodiacal(ra, dec, time, element)
    pixel = np.radians(PIXEL_SCALE / 3600) ** 2
    return float(rate * _njy_per_electron(detector, element) / NJY_PER_MJY / pixel)


def _njy_per_electron(detector: str, element: str) -> float:
    """Flux density, flat in frequency, for 1 electron/s in all orders of a disperser."""
    if element not in ORDERS:
        return njy_per_electron(detector, element)
    flat = Spectrum.flat()
    return 1 / sum(electron_rate(flat, detector, order) for order in ORDERS[element])


def _from_sun(ra: float, dec: float, time: Any) -> tuple[float, float]:
    """Ecliptic latitude, and longitude from the Sun, degrees."""
    from astropy.coordinates import GeocentricMeanEcliptic, SkyCoord, get_sun

    frame = GeocentricMeanEcliptic(equinox=time)
    place = SkyCoord(ra, dec, unit="deg").transform_to(frame)
    sun = get_sun(time).transform_to(frame)
    return float(place.lat.deg), float(place.lon.deg - sun.lon.deg)


@cache
def _table(element: str) -> tuple[Floats, Any]:
    """Table (longitude, latitude) in units of its minimum, and the spline of its logarithm."""
    from scipy.interpolate import RectBivariateSpline

    if element not in _COLUMNS:
        raise InputError(f"no optical element {element!r}", hint=f"known: {', '.join(_COLUMNS)}")
    # Importing the library takes longer than all the rest.
    library = find_spec("galsim")
    assert library is not None and library.origin is not None
    file = Path(library.origin).parent / "share" / "roman" / "roman_sky_backgrounds.txt"
    with file.open() as lines:
        names = next(lines).lstrip("#").split()
    values = np.loadtxt(file, usecols=names.index(_COLUMNS[element])).reshape(-1, _LATITUDES)
    level = values / values[values > 0].min()
    # Around the Sun, where there are no values, any smooth continuation serves.
    filled = np.where(level > 0, level, level.max())
    return level, RectBivariateSpline(*map(np.arange, level.shape), np.log(filled))
