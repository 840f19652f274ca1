from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from aqueduct.core.errors import InputError
from aqueduct.geometry.skycells import cell, region_index
from aqueduct.level4.detection import DetectionConfig, detection
from aqueduct.level4.photometry import PhotometryConfig, photometry, point_ratio
from aqueduct.products import columns as declared

AREA = np.radians(0.055 / 3600) ** 2


@pytest.fixture(scope="module")
def catalog(scene, segmentation):
    return photometry(scene.mosaics, segmentation, PhotometryConfig())


def matched(scene, catalog):
    tree = cKDTree(np.stack([catalog["x_centroid_win"], catalog["y_centroid_win"]], axis=1))
    away, row = tree.query(np.stack([scene.x, scene.y], axis=1))
    true = np.flatnonzero(away < 1)
    return row[true], true


def spread(pulls):
    low, high = np.percentile(pulls, [15.865, 84.135])
    return (high - low) / 2


def test_columns_are_those_declared(scene, catalog):
    filters = ("F158", "F106")
    expected = declared.columns("multiband", filters, psf=False)
    assert {name: values.dtype.name for name, values in catalog.columns.items()} == {
        column.name: column.dtype for column in expected
    }
    one = photometry(
        scene.mosaics[:1], detection(scene.mosaics[:1], DetectionConfig()), PhotometryConfig()
    )
    assert one.kind == "mosaic"
    assert list(one.columns) == [c.name for c in declared.columns("mosaic", psf=False)]


@pytest.mark.parametrize(("band", "share"), [("f158", 1.0), ("f106", 0.5)])
@pytest.mark.parametrize("name", ["aper04", "aper08"])
def test_fluxes_are_true_and_errors_contain_the_shared_noise(scene, catalog, band, share, name):
    row, true = matched(scene, catalog)
    radius = declared.APERTURES[name[-2:]] / 0.055
    sigma = np.where(scene.wide[true], 4.0, 1.6)
    inside = 1 - np.exp(-0.5 * (radius / sigma) ** 2)
    expected = scene.flux[true] * share * inside * AREA * 1e15
    error = catalog[f"{name}_{band}_flux_err"][row]
    pulls = (catalog[f"{name}_{band}_flux"][row] - expected) / error
    assert 0.8 < spread(pulls) < 1.25
    bright = scene.flux[true] > 200
    ratio = catalog[f"{name}_{band}_flux"][row][bright] / expected[bright]
    assert np.median(ratio) == pytest.approx(1, abs=0.01)
    factors = catalog.meta["aperture_photometry"]["noise_factors"][band.upper()]
    assert factors[2] == pytest.approx(2, rel=0.15)


def test_wide_sources_are_extended_and_points_are_not(scene, catalog):
    row, true = matched(scene, catalog)
    wide, bright = scene.wide[true], scene.flux[true] > 100
    extended = catalog["is_extended_f158"][row]
    assert extended[wide & bright].mean() > 0.95
    assert extended[~wide].mean() < 0.03


def test_positions_errors_are_real(scene, catalog):
    row, true = matched(scene, catalog)
    pulls = (catalog["x_centroid_win"][row] - scene.x[true]) / catalog["x_centroid_win_err"][row]
    assert 0.75 < spread(pulls) < 1.3
    ra, dec = scene.mosaics[0].cell.plane.to_sky(scene.x[true], scene.y[true])
    east = (catalog["ra"][row] - ra) * np.cos(np.radians(dec)) * 3600
    assert spread(east / catalog["ra_centroid_win_err"][row]) == pytest.approx(
        spread(pulls), rel=0.02
    )


def test_spatial_id_holds_region_cell_and_pixel(scene, catalog):
    ids = catalog["flagged_spatial_id"]
    here = cell(scene.mosaics[0].cell.name)
    region = int(region_index(here.ra_projection, here.dec_projection))
    assert set((ids >> 46) & 0x1FFF) == {region}
    assert set((ids >> 39) & 0x7F) == set((ids >> 32) & 0x7F) == {50}
    assert np.array_equal(ids & 0xFFFF, (catalog["x_centroid"] * 1.1).astype(int))
    assert np.array_equal((ids >> 16) & 0xFFFF, (catalog["y_centroid"] * 1.1).astype(int))
    inside = (ids >> 59) == 0
    assert inside.any()


def test_no_segments_give_no_rows(scene, segmentation):
    none = replace(segmentation, data=np.zeros_like(segmentation.data))
    assert len(photometry(scene.mosaics, none, PhotometryConfig())) == 0


def test_a_segmentation_of_another_shape_is_refused(scene, segmentation):
    small = replace(segmentation, data=segmentation.data[:50])
    with pytest.raises(InputError, match="shape"):
        photometry(scene.mosaics, small, PhotometryConfig())


def test_a_wider_drop_and_a_redder_filter_make_points_wider():
    narrow, wide, red = (
        point_ratio(*of, 0.055) for of in (("F106", 0.5), ("F106", 1.0), ("F213", 1.0))
    )
    assert 1 < narrow < wide < red < 1.6
