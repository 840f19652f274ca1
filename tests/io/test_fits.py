"""FITS files of products: what astropy reads in them, and the way back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS

from aqueduct import io
from aqueduct.core.errors import InputError
from aqueduct.geometry.skycells import cell
from aqueduct.geometry.tangent import separation
from aqueduct.geometry.wcs import cell_wcs
from aqueduct.io.asdf_write import arrays_of
from aqueduct.io.fits import write_fits
from aqueduct.products import Catalog, Mosaic, Segmentation
from aqueduct.products.columns import columns
from aqueduct.products.meta import updated

DATED = {"filename", "file_date", "model_type"}


def texts(meta):
    """Metadata that can be compared: times as text."""
    return {key: str(value) for key, value in meta.items() if key not in DATED}


@pytest.mark.parametrize("rad", ["2.1.0", "2.2.0"])
def test_there_and_back_is_lossless(tmp_path, image, rad):
    image = replace(image, jumps=np.array([[2, 4, 5]], np.int16))
    io.write(image, tmp_path / "a_cal.asdf", rad=rad)
    before = io.read(tmp_path / "a_cal.asdf")
    io.write(before, tmp_path / "a_cal.fits", rad=rad, recipe={"id": "9"})
    io.write(io.read(tmp_path / "a_cal.fits"), tmp_path / "b_cal.asdf", rad=rad)
    after = io.read(tmp_path / "b_cal.asdf")
    assert io.peek(tmp_path / "a_cal.fits").recipe == {"id": "9"}
    assert arrays_of(after).keys() == arrays_of(before).keys()
    for name, values in arrays_of(before).items():
        found = arrays_of(after)[name]
        assert found.dtype == values.dtype and found.shape == values.shape
        assert found.tobytes() == values.tobytes()
    assert texts(after.meta) == texts(before.meta)
    assert after.wcs(3.0, 4.0) == before.wcs(3.0, 4.0)


def test_astropy_finds_the_sky_within_the_residual_written(tmp_path, image):
    io.write(image, tmp_path / "x_cal.fits")
    with fits.open(tmp_path / "x_cal.fits") as file:
        assert [hdu.name for hdu in file[:4]] == ["PRIMARY", "SCI", "DQ", "ERR"]
        np.testing.assert_array_equal(file["DQ"].data, image.dq)
        np.testing.assert_array_equal(file["ERR"].data, image.err.astype(np.float32))
        assert file[0].header["DETECTOR"] == image.meta["instrument"]["detector"]
        header = file["SCI"].header
        assert header["BUNIT"] == "DN/s"
        y, x = np.mgrid[-0.5 : image.data.shape[0], -0.5 : image.data.shape[1]]
        found = WCS(header).all_pix2world(x, y, 0)
        sky = image.wcs(x, y, with_bounding_box=False)
        assert separation(*found, *sky).max() * 3600 <= header["SIPMAXAS"] + 1e-9
        assert header["SIPMAXPX"] < 1e-4


def test_a_wcs_that_sip_can_not_follow_is_refused(tmp_path, image):
    path = tmp_path / "x_cal.fits"
    with pytest.raises(InputError, match="SIP misses the gwcs"):
        write_fits(image, path, max_residual=0.0)
    assert not path.exists()


def test_a_file_with_some_planes_is_not_turned_back(tmp_path, image):
    path = tmp_path / "x_cal.fits"
    write_fits(image, path, planes=["data", "dq"])
    with fits.open(path) as file:
        assert [hdu.name for hdu in file] == ["PRIMARY", "SCI", "DQ", "ASDF"]
    with pytest.raises(InputError, match="lacks"):
        io.read(path)
    with pytest.raises(InputError, match="no plane errr"):
        write_fits(image, path, planes=["errr"])


def test_mosaic_has_a_plain_tangent_plane(tmp_path):
    from roman_datamodels import datamodels

    datamodels.MosaicModel.create_fake_data(shape=(20, 30)).to_asdf(tmp_path / "m.asdf")
    here = replace(cell("270p65x48y69"), pixels=30)
    given = io.read(tmp_path / "m.asdf")
    mosaic = replace(
        given,
        cell=here,
        wcs=cell_wcs(here),
        meta=updated(
            given.meta,
            wcsinfo={
                "skycell_name": here.name,
                "ra_ref": here.ra_projection,
                "dec_ref": here.dec_projection,
                "x_ref": here.x0,
                "y_ref": here.y0,
                "pixel_scale_ref": here.scale,
            },
        ),
    )
    io.write(mosaic, tmp_path / "m.fits")
    with fits.open(tmp_path / "m.fits") as file:
        sky = WCS(file["SCI"].header).all_pix2world(5.0, 6.0, 0)
        assert separation(*sky, *mosaic.wcs(5.0, 6.0)) < 1e-12
        assert file["SCI"].header["BUNIT"] == "MJy/sr"
    back = io.read(tmp_path / "m.fits")
    assert isinstance(back, Mosaic) and back.context.shape == mosaic.context.shape
    assert (back.cell.name, back.cell.x0) == (here.name, here.x0)


def test_segmentation_there_and_back(tmp_path, image):
    labels = np.arange(image.data.size, dtype=np.uint32).reshape(image.data.shape)
    from roman_datamodels import datamodels

    datamodels.SegmentationMapModel.create_fake_data(shape=(4, 4)).to_asdf(tmp_path / "s.asdf")
    given = replace(io.read(tmp_path / "s.asdf"), data=labels)
    io.write(given, tmp_path / "s.fits")
    back = io.read(tmp_path / "s.fits")
    assert isinstance(back, Segmentation) and back.kind == "image"
    np.testing.assert_array_equal(back.data, labels)


@pytest.fixture
def catalog(tmp_path) -> Catalog:
    from roman_datamodels import datamodels

    from aqueduct.io.tree import plain

    model = datamodels.ImageSourceCatalogModel.create_fake_data()
    values = {one.name: np.arange(5).astype(one.dtype) for one in columns("image", ())}
    return Catalog(values, plain(model.meta, tmp_path), "image")


def test_catalog_there_and_back(tmp_path, catalog):
    io.write(catalog, tmp_path / "x_cat.fits", rad="2.2.0", recipe={"id": "3"})
    back = io.read(tmp_path / "x_cat.fits")
    assert io.peek(tmp_path / "x_cat.fits").recipe == {"id": "3"}
    assert list(back.columns) == list(catalog.columns) and back.kind == "image"
    for name, values in catalog.columns.items():
        assert back[name].dtype == values.dtype
        np.testing.assert_array_equal(back[name], values)
    assert texts(back.meta) == texts(catalog.meta)


@pytest.mark.parametrize(("ending", "kind"), [("ecsv", "ascii.ecsv"), ("xml", "votable")])
def test_catalog_as_a_table_for_others(tmp_path, catalog, ending, kind):
    io.write(catalog, tmp_path / f"x_cat.{ending}")
    found = Table.read(tmp_path / f"x_cat.{ending}", format=kind)
    assert set(found.colnames) == set(catalog.columns)
    assert str(found["ra_centroid"].unit) == "deg"
    np.testing.assert_array_equal(found["label"], catalog["label"])


def test_foreign_and_damaged_files(tmp_path, image):
    foreign, absent = tmp_path / "x.fits", tmp_path / "y.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(foreign)
    for read in (io.read, io.peek):
        with pytest.raises(InputError, match="not an ASDF file, nor a FITS file"):
            read(foreign)
        with pytest.raises(InputError, match="no such file"):
            read(absent)
    absent.write_text("hello")
    with pytest.raises(InputError, match=r"y\.fits"):
        io.read(absent)
