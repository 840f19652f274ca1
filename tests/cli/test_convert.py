"""``aqueduct convert`` and ``aqueduct cutout``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from aqueduct import io
from aqueduct.cli.convert import Kind, convert
from aqueduct.cli.cutout import cutout
from aqueduct.core.errors import ConfigError
from aqueduct.geometry.pointing import Pointing
from aqueduct.geometry.siaf import aperture
from aqueduct.geometry.wcs import detector_wcs


@pytest.fixture
def path(image):
    """A Level 2 file whose recipe and WCS are real."""
    found = image(recipe={"id": "7"})
    wcs = detector_wcs(
        aperture("WFI01").model(), Pointing(270.0, 66.0, 30.0).wcsinfo("WFI01"), 1.0, (100, 100)
    )
    data = np.arange(10_000, dtype=np.float32).reshape(100, 100)
    io.write(replace(io.read(found), wcs=wcs, data=data), found, recipe={"id": "7"})
    return found


def test_to_fits_and_back(path, tmp_path, capsys):
    convert(path, Kind.fits)
    made = path.with_suffix(".fits")
    assert capsys.readouterr().out.strip() == str(made)
    convert(made, Kind.asdf, tmp_path / "back.asdf")
    np.testing.assert_array_equal(io.read(tmp_path / "back.asdf").data, io.read(path).data)
    assert io.peek(tmp_path / "back.asdf").recipe == {"id": "7"}
    assert io.peek(tmp_path / "back.asdf").tag == io.peek(path).tag


def test_some_planes(path, tmp_path):
    convert(path, Kind.fits, tmp_path / "x.fits", planes="data, dq")
    with fits.open(tmp_path / "x.fits") as file:
        assert [hdu.name for hdu in file] == ["PRIMARY", "SCI", "DQ", "ASDF"]


def test_kinds_that_do_not_hold_it(path, tmp_path):
    with pytest.raises(ConfigError, match="Image can't be written"):
        convert(path, Kind.parquet)
    with pytest.raises(ConfigError, match=r"x\.asdf as fits"):
        convert(path, Kind.fits, tmp_path / "x.asdf")


@pytest.mark.parametrize("ending", ["fits", "asdf"])
def test_cutout(path, tmp_path, ending, capsys):
    out = tmp_path / f"star.{ending}"
    image = io.read(path)
    ra, dec = image.wcs(30.0, 40.0)
    cutout(str(path), ra, dec, 5, out)
    assert "requests moved" in capsys.readouterr().err
    expected = image.data[38:43, 28:33]
    if ending == "asdf":
        np.testing.assert_array_equal(io.read(out).data, expected)
        return
    with fits.open(out) as file:
        assert [hdu.name for hdu in file] == ["PRIMARY", "SCI", "ERR", "DQ"]
        np.testing.assert_array_equal(file["SCI"].data, expected)
        assert (file["SCI"].header["CUTX0"], file["SCI"].header["CUTY0"]) == (28, 38)
        np.testing.assert_allclose(
            [file["SCI"].header["CRVAL1"], file["SCI"].header["CRVAL2"]], [ra, dec], rtol=1e-12
        )


def test_cutout_into_an_unknown_kind_of_file(path, tmp_path):
    with pytest.raises(ConfigError, match=r"star\.png"):
        cutout(str(path), 1.0, 2.0, 5, tmp_path / "star.png")
