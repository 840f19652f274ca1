"""Data cubes in FITS files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.wcs import WCS

from aqueduct.core.errors import InputError
from aqueduct.pipelines.cube_files import cube_from_fits
from aqueduct.pipelines.scene_files import scene_from_file
from aqueduct.simulate.scene import rate_image

UNIT = "erg s-1 cm-2 AA-1 arcsec-2"


def header(angle: float = 0.0, parity: float = -1.0, unit: str = UNIT) -> fits.Header:
    """9 x 7 pixels of 0.05 arcsec; +y at ``angle`` from north through east."""
    made = WCS(naxis=3)
    made.wcs.ctype = ["RA---TAN", "DEC--TAN", "WAVE"]
    made.wcs.cunit = ["deg", "deg", "um"]
    made.wcs.crpix, made.wcs.crval = [5.0, 4.0, 1.0], [270.0, 66.0, 1.3]
    made.wcs.cdelt = [0.05 / 3600, 0.05 / 3600, 0.01]
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    turn = np.array([[cos, sin], [-sin, cos]]) @ np.diag([parity, 1.0])
    made.wcs.pc = np.block([[turn, np.zeros((2, 1))], [np.zeros((1, 2)), np.ones((1, 1))]])
    written = made.to_header()
    written["BUNIT"] = unit
    return written


def write(path: Path, data: np.ndarray, head: fits.Header) -> Path:
    fits.PrimaryHDU(data, head).writeto(path)
    return path


@pytest.mark.parametrize("angle", [0.0, 30.0, -110.0])
@pytest.mark.parametrize("parity", [-1.0, 1.0])
def test_every_pixel_keeps_its_place(tmp_path: Path, angle: float, parity: float) -> None:
    data = np.zeros((55, 7, 9))
    data[:, 5, 2] = 1e-18
    head = header(angle, parity)
    cube = cube_from_fits(write(tmp_path / "cube.fits", data, head))
    assert cube.scale == pytest.approx(0.05)
    assert cube.wavelength[[0, -1]] == pytest.approx([1.3, 1.84])
    row, column = np.argwhere(cube.data[0])[0]
    # Cube: offsets from its middle, +y at ``rotation`` from north, +x a quarter turn clockwise.
    right, up = (column - 4) * 0.05 / 3600, (row - 3) * 0.05 / 3600
    turn = np.radians(cube.rotation)
    east = up * np.sin(turn) - right * np.cos(turn)
    north = up * np.cos(turn) + right * np.sin(turn)
    ra, dec = WCS(head).celestial.pixel_to_world_values(2, 5)
    middle = np.cos(np.radians(66.0))
    assert (ra - 270.0) * middle == pytest.approx(east, abs=1e-9)
    assert dec - 66.0 == pytest.approx(north, abs=1e-9)


def test_units_per_frequency_are_converted(tmp_path: Path) -> None:
    head = header(unit="nJy/arcsec2")
    cube = cube_from_fits(write(tmp_path / "cube.fits", np.full((55, 7, 9), 3.0), head))
    expected = (3 * u.nJy).to(u.Unit("erg s-1 cm-2 AA-1"), u.spectral_density(1.5 * u.um)).value
    assert cube.data[20, 0, 0] == pytest.approx(expected)


def test_a_cube_is_a_scene_in_the_filters_it_covers(tmp_path: Path) -> None:
    path = write(tmp_path / "cube.fits", np.full((55, 7, 9), 1e-18), header())
    scene = scene_from_file(path)
    assert list(scene.flux) == ["F158"]
    rate = rate_image(cube_from_fits(path), "WFI01", "F158").sum()
    assert scene.rates("WFI01", "F158").sum() == pytest.approx(rate)


def test_bad_files_are_named(tmp_path: Path) -> None:
    plain = write(tmp_path / "plane.fits", np.zeros((7, 9)), fits.Header())
    with pytest.raises(InputError, match=r"plane\.fits: holds no image of three axes"):
        cube_from_fits(plain)
    bare = write(tmp_path / "bare.fits", np.zeros((3, 7, 9)), fits.Header())
    with pytest.raises(InputError, match=r"bare\.fits: has no celestial and spectral axes"):
        cube_from_fits(bare)
    odd = write(tmp_path / "odd.fits", np.zeros((55, 7, 9)), header(unit="K"))
    with pytest.raises(InputError, match=r"odd\.fits: is no cube we can read"):
        cube_from_fits(odd)
    short = header()
    short["CDELT3"] = 1e-10
    with pytest.raises(InputError, match=r"covers no filter: 1\.300"):
        scene_from_file(write(tmp_path / "short.fits", np.zeros((55, 7, 9)), short))
