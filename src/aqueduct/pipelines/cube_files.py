"""Data cubes from FITS files: surface brightness by wavelength and place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aqueduct.core.errors import InputError
from aqueduct.instrument.filters import FILTERS
from aqueduct.simulate.scene import Cube, Scene, covers, scene_of_cube

_HINT = "give RA, DEC and wavelength axes, and BUNIT such as erg s-1 cm-2 AA-1 arcsec-2"


def is_cube(path: Path) -> bool:
    """Whether a file is FITS with a first image of three axes."""
    if path.suffix.lower() not in (".fits", ".fit"):
        return False
    return _first(path)[1] is not None


def scene_from_cube(path: Path) -> Scene:
    """A scene of what a cube shows in each filter whose band it covers.

    Parameters
    ----------
    path : Path
        FITS; see :func:`cube_from_fits`.

    Raises
    ------
    InputError
        If the file is no such cube, or covers no filter.
    """
    cube = cube_from_fits(path)
    elements = tuple(element for element in FILTERS if covers(cube, "WFI01", element))
    if not elements:
        low, high = cube.wavelength[[0, -1]]
        raise InputError(f"covers no filter: {low:.3f} to {high:.3f} um", where=str(path))
    return scene_of_cube(cube, elements)


def cube_from_fits(path: Path) -> Cube:
    """The first image of three axes in a file.

    Parameters
    ----------
    path : Path
        FITS, axes (wavelength, y, x) in numpy's order, with a celestial and a spectral WCS;
        ``BUNIT`` is a surface brightness per wavelength or per frequency.

    Raises
    ------
    InputError
        If the file holds no cube, or its axes or unit don't say what it is.
    """
    data, header = _first(path)
    if header is None:
        raise InputError("holds no image of three axes", where=str(path), hint=_HINT)
    try:
        return _cube(np.asarray(data, np.float64), header)
    except InputError as error:
        raise InputError(error.what, where=str(path), hint=error.hint) from error
    except Exception as error:  # astropy's WCS and units raise errors of many kinds
        raise InputError(f"is no cube we can read: {error}", where=str(path), hint=_HINT) from error


def _first(path: Path) -> tuple[Any, Any]:
    """Data and header of the first image of three axes, or None."""
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            for hdu in hdus:
                if hdu.is_image and hdu.header.get("NAXIS") == 3:
                    return hdu.data, hdu.header
    except OSError as error:
        raise InputError(f"is no readable FITS file: {error}", where=str(path)) from error
    return None, None


def _cube(data: Any, header: Any) -> Cube:
    from astropy import units as u
    from astropy.wcs import WCS

    wcs = WCS(header)
    if not (wcs.has_celestial and wcs.has_spectral):
        raise InputError("has no celestial and spectral axes", hint=_HINT)
    wave = wcs.spectral.pixel_to_world(np.arange(len(data))).to(u.um, u.spectral()).value
    unit = u.erg / u.s / u.cm**2 / u.AA / u.arcsec**2
    one = u.Unit(header.get("BUNIT", ""))
    factor = (np.ones(len(wave)) * one * u.arcsec**2).to(
        unit * u.arcsec**2, u.spectral_density(wave * u.um)
    )
    data = data * factor.value[:, None, None]
    if wave[0] > wave[-1]:
        wave, data = wave[::-1], data[::-1]
    sky, (height, width) = wcs.celestial, data.shape[1:]
    matrix = sky.pixel_scale_matrix * 3600
    if np.linalg.det(matrix) > 0:  # east to the right: mirror it
        data, matrix = data[..., ::-1], matrix * [-1, 1]
    scale = float(np.sqrt(abs(np.linalg.det(matrix))))
    place = sky.pixel_to_world((width - 1) / 2, (height - 1) / 2).icrs
    rotation = float(np.degrees(np.arctan2(matrix[0, 1], matrix[1, 1])))
    return Cube(np.ascontiguousarray(data), wave, scale, place.ra.deg, place.dec.deg, rotation)
