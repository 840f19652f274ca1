from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import cKDTree

from aqueduct.core import dq
from aqueduct.core.errors import InputError, ReferenceError
from aqueduct.core.threads import limited
from aqueduct.geometry.skycells import SkyCell
from aqueduct.geometry.wcs import cell_wcs
from aqueduct.level2.source_catalog import SourceCatalogConfig, source_catalog
from aqueduct.products import Image
from aqueduct.products import columns as declared
from aqueduct.products.references import ApcorrReference, EpsfReference
from aqueduct.psf import Epsf

SIDE = 500
UNIT = 0.3
SCALE = 0.11
AREA = np.radians(SCALE / 3600) ** 2
RADII = np.linspace(0, 20, 81)
SIGMA = 0.65


def epsf():
    axis = np.arange(-60, 61) / 4
    line = np.exp(-0.5 * (axis / SIGMA) ** 2)
    stamp = np.outer(line, line)
    stamp = (stamp * 16 / stamp.sum()).astype(np.float32)
    place = np.array([0.0, 4087.0])
    return EpsfReference(
        psf=np.broadcast_to(stamp, (1, 1, 4, 121, 121)),
        oversample=4,
        pixel_x=np.tile(place, 2),
        pixel_y=np.repeat(place, 2),
        spectral_type=("G2V",),
    )


def apcorr():
    fractions = 1 - np.exp(-0.5 * (RADII / SIGMA) ** 2)
    return ApcorrReference(table={"F158": {"ee_radii": RADII, "ee_fractions": fractions}})


def meta():
    return {
        "filename": "r0_cal.asdf",
        "file_date": "2026-01-01",
        "exposure": {
            "type": "WFI_IMAGE", "frame_time": 3.0, "read_pattern": [[1]], "start_time": None,
        },
        "instrument": {"detector": "WFI01", "optical_element": "F158"},
        "photometry": {"conversion_megajanskys": UNIT, "pixel_area": AREA},
        "statistics": {"median": 0.0},
    }  # fmt: skip


@pytest.fixture(scope="module")
def field():
    """Stars on a tilted sky, with bad pixels."""
    rng = np.random.default_rng(20)
    grid = np.arange(3, SIDE, 22.0)
    y, x = (axis.ravel() + rng.uniform(-4, 4, grid.size**2) for axis in np.meshgrid(grid, grid))
    flux = 10 ** rng.uniform(0.3, 3.5, x.size)
    tilt = 1e-4 * np.arange(SIDE)
    image = np.tile((0.5 + tilt).astype(np.float32), (SIDE, 1))
    Epsf.from_reference(epsf()).render(x, y, flux, image)
    poisson, rnoise = 0.004 * image, np.full_like(image, 0.004)
    err = np.sqrt(poisson + rnoise)
    data = (image + rng.normal(size=image.shape) * err).astype(np.float32)
    flags = np.zeros(data.shape, np.uint32)
    bad = rng.random(data.shape) < 0.002
    data[bad], flags[bad] = 1e4, dq.DO_NOT_USE
    flags[:, ::50] |= dq.JUMP_DET
    middle = (SIDE - 1) / 2
    cell = SkyCell("t", 10.0, 20.0, middle, middle, 10.0, 20.0, pixels=SIDE, scale=SCALE / 3600)
    image = Image(
        data, flags, err.astype(np.float16), poisson.astype(np.float16), rnoise.astype(np.float16),
        data, data, meta(), wcs=cell_wcs(cell),
    )  # fmt: skip
    return image, x, y, flux


@pytest.fixture(scope="module")
def result(field):
    return source_catalog(field[0], epsf(), apcorr(), SourceCatalogConfig())


def matched(field, catalog, least=20.0):
    """Rows of the catalog, and of the truth, of unflagged stars."""
    _, x, y, flux = field
    tree = cKDTree(np.stack([catalog["x_psf"], catalog["y_psf"]], axis=1))
    away, row = tree.query(np.stack([x, y], axis=1))
    true = np.flatnonzero((away < 1) & (flux > least))
    good = catalog["warning_flags"][row[true]] == 0
    return row[true][good], true[good]


def spread(pulls):
    low, high = np.percentile(pulls, [15.865, 84.135])
    return (high - low) / 2


def test_every_declared_column_is_there_and_measured(result):
    catalog, segmentation = result
    assert list(catalog.columns) == [column.name for column in declared.columns("image")]
    for column in declared.columns("image"):
        values = catalog[column.name]
        assert values.dtype == column.dtype
        if column.name == "dust_ebv":
            assert np.isnan(values).all()
        elif column.name.endswith("_err") and "psf" not in column.name:
            finite = values[np.isfinite(values)]
            assert len(finite) > 0.95 * len(values)
            assert (finite > 0).all()
    assert segmentation.data.dtype == np.uint32
    assert segmentation.data.max() == len(catalog) == catalog["label"][-1]


def test_stars_are_found_and_the_rest_is_not(field, result):
    catalog, _ = result
    _, x, y, flux = field
    tree = cKDTree(np.stack([catalog["x_centroid_win"], catalog["y_centroid_win"]], axis=1))
    found = tree.query(np.stack([x, y], axis=1))[0] < 1
    depth = flux / (2 * np.sqrt(np.pi) * SIGMA) / np.sqrt(0.0062)
    assert found[depth > 12].mean() > 0.98
    truth = cKDTree(np.stack([x, y], axis=1))
    stray = truth.query(np.stack([catalog["x_centroid_win"], catalog["y_centroid_win"]], 1))[0] > 3
    assert stray.sum() <= 3


@pytest.mark.parametrize(
    "name",
    # The narrower apertures cut through pixels that are as large as the star.
    ["psf", "aper04", "aper08"],
)
def test_fluxes_are_true_in_njy_and_their_errors_real(field, result, name):
    catalog, _ = result
    row, true = matched(field, result[0])
    expected = field[3][true] * UNIT * AREA * 1e15
    pulls = (catalog[f"{name}_flux"][row] - expected) / catalog[f"{name}_flux_err"][row]
    bright = field[3][true] > 300
    ratio = catalog[f"{name}_flux"][row] / expected
    assert 0.85 < spread(pulls) < 1.15
    assert np.median(ratio[bright]) == pytest.approx(1, abs=0.004)


def test_positions_are_true_on_the_sky(field, result):
    catalog, _ = result
    image = field[0]
    row, true = matched(field, catalog)
    ra, dec = image.wcs(field[1][true], field[2][true])
    east = (catalog["ra_psf"][row] - ra) * 3600 * np.cos(np.radians(dec))
    north = (catalog["dec_psf"][row] - dec) * 3600
    assert spread(east / catalog["ra_psf_err"][row]) == pytest.approx(1, abs=0.2)
    assert spread(north / catalog["dec_psf_err"][row]) == pytest.approx(1, abs=0.2)
    bright = field[3][true] > 300
    assert abs(np.median(east[bright])) < 0.01 * SCALE
    points = ~catalog["is_extended"]
    assert points[row].mean() > 0.97
    assert np.array_equal(catalog["ra"][points], catalog["ra_psf"][points])


def test_flags_of_the_image_reach_the_sources(field, result):
    catalog, segmentation = result
    for label in (1, len(catalog) // 2):
        inside = segmentation.data == label
        joined = np.bitwise_or.reduce(field[0].dq[inside])
        assert catalog["image_flags"][label - 1] == joined
    on_edge = (catalog["bbox_xmin"] == 0) | (catalog["bbox_ymin"] == 0)
    for side in ("bbox_xmax", "bbox_ymax"):
        on_edge |= catalog[side] == SIDE - 1
    assert np.array_equal((catalog["warning_flags"] & declared.EDGE) > 0, on_edge)
    assert on_edge.any()


def test_metadata_say_what_was_measured(result):
    about = result[0].meta["aperture_photometry"]
    assert about["ee_fractions"][1] == pytest.approx(0.98, abs=0.01)
    assert about["noise_factors"][0] == pytest.approx(1, abs=0.1)
    assert result[0].meta["image"] == {"filename": "r0_cal.asdf", "file_date": "2026-01-01"}
    assert "statistics" not in result[0].meta


def test_inputs_are_not_touched_and_threads_change_nothing(field, result):
    image = field[0]
    before = {name: getattr(image, name).copy() for name in ("data", "err", "dq")}
    with limited(1):
        again, _ = source_catalog(image, epsf(), apcorr(), SourceCatalogConfig())
    for name, values in before.items():
        assert np.array_equal(getattr(image, name), values, equal_nan=True)
    for name, values in result[0].columns.items():
        assert np.array_equal(again[name], values, equal_nan=values.dtype.kind == "f"), name


def test_an_image_without_sources_gives_an_empty_catalog(field):
    image = field[0]
    bad = replace(image, dq=image.dq | np.uint32(dq.DO_NOT_USE))
    catalog, segmentation = source_catalog(bad, epsf(), apcorr(), SourceCatalogConfig())
    assert len(catalog) == 0
    assert catalog["ra"].dtype == np.float64
    assert not segmentation.data.any()


def test_what_is_missing_is_named(field):
    image, config = field[0], SourceCatalogConfig()
    with pytest.raises(InputError, match="WCS"):
        source_catalog(replace(image, wcs=None), epsf(), apcorr(), config)
    spectral = {**meta(), "photometry": {"conversion_megajanskys": None, "pixel_area": None}}
    with pytest.raises(InputError, match="photom"):
        source_catalog(replace(image, meta=spectral), epsf(), apcorr(), config)
    with pytest.raises(ReferenceError, match="F158"):
        source_catalog(image, epsf(), ApcorrReference(table={}), config)


def test_a_wrong_core_of_the_epsf_is_corrected_by_the_frames_own_stars(field):
    """The ePSF has a halo of 3 % that the stars lack: their cores seem to say 3 % more light."""
    halo = epsf()
    axis = np.arange(-60, 61) / 4
    line = np.exp(-0.5 * (axis / 2.5) ** 2)
    stamp = (0.97 * halo.psf + 0.03 * np.outer(line, line) * 16 / line.sum() ** 2).astype("f4")
    wrong = replace(halo, psf=stamp)
    catalogs = {
        asked: source_catalog(
            field[0], wrong, apcorr(), SourceCatalogConfig(aperture_correction=asked)
        )[0]
        for asked in (True, False)
    }
    row, true = matched(field, catalogs[True], least=300)
    expected = field[3][true] * UNIT * AREA * 1e15
    biases = {
        asked: np.median(catalog["psf_flux"][row] / expected) - 1
        for asked, catalog in catalogs.items()
    }
    about = catalogs[True].meta["psf_aperture_correction"]
    assert about["applied"]
    assert about["stars"] >= 10
    assert biases[False] > 0.015
    assert abs(biases[True]) < 0.004
    assert "psf_aperture_correction" not in catalogs[False].meta
    scaled = catalogs[True]["psf_flux_err"] / catalogs[False]["psf_flux_err"]
    assert np.nanmax(np.abs(scaled / about["ratio"] - 1)) < 1e-5
