"""One whole frame from Level 1 to Level 4: cut and mended, official, and true to the sky."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from sameness import assert_same, products

from aqueduct import io
from aqueduct.core import dq
from aqueduct.geometry import PixelMap, SkyCell, TangentPlane
from aqueduct.io.formats import FORMATS, full_tag, tag_name
from aqueduct.io.table import read_table
from aqueduct.pipelines.associate import associate
from aqueduct.pipelines.compare import Comparison, Measured, Truth, compare
from aqueduct.pipelines.simulation import truth_file
from aqueduct.products import Association, Catalog, Image, Mosaic, Ramp
from aqueduct.products.references import ApcorrReference
from aqueduct.references import References
from aqueduct.run import Source, ledger, run
from aqueduct.run.pipeline import load_step
from aqueduct.simulate.scene import STAR

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FIRST = ("reference_pixels", "dropouts", "wfi18_transient")
"""Steps that see the raw frame."""
EDGE = 20
"""Pixels from the rim within which sources are cut off."""


def made(folder: Path, ending: str) -> Path:
    (path,) = folder.glob(f"*{ending}")
    return path


@pytest.fixture(scope="module")
def level2(frame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("level2")
    run("exposure", frame.raw, out=out, references=frame.references)
    return out


def associated(image: Path, folder: Path) -> Path:
    """An association of the sky cell nearest to the middle of an exposure."""
    header = io.peek(image)
    middle = TangentPlane(
        header.meta["wcsinfo"]["ra_ref"], header.meta["wcsinfo"]["dec_ref"], 0.0, 0.0, 1.0
    )

    def distance(one: Association) -> float:
        cell = SkyCell.from_wcs_info(one.skycell_wcs_info)
        return float(np.hypot(*middle.to_pixel(cell.ra_center, cell.dec_center)))

    best = min(associate([Source(image, header)], by="visit"), key=distance)
    path = folder / f"{best.product}_asn.json"
    io.write_association(best, path)
    return path


@pytest.fixture(scope="module")
def level3(level2: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("level3")
    run("mosaic", associated(made(level2, "_cal.asdf"), level2), out=out)
    return out


@pytest.fixture(scope="module")
def level4(level3: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("level4")
    run("catalog", made(level3, "_coadd.asdf"), out=out)
    return out


# --------------------------------------------------------------------- cut and put together
def test_cut_in_pieces_it_makes_the_same(call, frame, level2, tmp_path):
    half = tmp_path / "half"

    def go(source: Path, out: Path, *words: str) -> None:
        options = ("--references", frame.references)
        result = call("run", "exposure", source, "--out", out, *options, *words)
        assert result.exit_code == 0, result.output

    go(frame.raw, half, "--until", "linearity")
    assert isinstance(io.read(made(half, "_linearity.asdf")), Ramp)
    go(frame.raw, half, "--until", "dark")
    assert isinstance(io.read(made(half, "_dark.asdf")), Image)
    assert len(products(half)) == 2
    assert [set(line["steps"]) for line in ledger.lines(half)] == [
        {*FIRST, "dq_init+saturation+refpix+dark_decay+linearity", "write"},
        {"ramp_fit+dark", "write"},
    ]
    for first, ending in (("ramp_fit", "_linearity.asdf"), ("flat", "_dark.asdf")):
        go(made(half, ending), tmp_path / first, "--from", first)
        assert_same(tmp_path / first, level2)


def test_a_late_parameter_fits_no_ramp_again(frame, level2, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(level2, out)
    for config in ({"source_catalog": {"threshold": 6.0}}, {}):
        again = run("exposure", frame.raw, config, out=out, references=frame.references)
        ran = {name for outcome in again.outcomes for name in outcome.readings} - {"write"}
        assert "source_catalog" in ran
        late = {"assign_wcs", "wcs_file", "photom", "statistics", "source_catalog", "tweakreg"}
        assert ran <= late
        with pytest.raises(AssertionError) if config else nullcontext():
            assert_same(out, level2)


def test_a_users_step_joins_the_pipeline(call, frame, tmp_path):
    result = call(
        *("run", "exposure", frame.raw, "--out", tmp_path, "--references", frame.references),
        *("--config", EXAMPLES / "my_exposure.toml", "--save", "flat", "--until", "despike"),
        *("--set", "dark.scale=0"),  # hot pixels that the mask misses stay
    )
    assert result.exit_code == 0, result.output
    before, after = io.read(made(tmp_path, "_flat.asdf")), io.read(made(tmp_path, "_despike.asdf"))
    despike = load_step(f"{EXAMPLES / 'despike.py'}:despike")
    expected = despike(before, config=despike.config(threshold=12.0))
    np.testing.assert_array_equal(after.dq, expected.dq)
    np.testing.assert_array_equal(after.data, before.data)
    assert np.count_nonzero((after.dq ^ before.dq) & dq.JUMP_DET) > 0
    steps = io.peek(made(tmp_path, "_despike.asdf")).recipe["steps"]
    assert [step["step"] for step in steps][-2:] == ["flat", "despike"]
    assert steps[-1]["config"]["threshold"] == 12.0


# ------------------------------------------------------------------------------- official
def assert_official(paths: Iterable[Path], generation: str) -> None:
    """Assert that products validate with the official package, as that generation."""
    from astropy.table import Table
    from pyarrow import parquet
    from roman_datamodels import datamodels

    count = 0
    for path in paths:
        if path.suffix == ".asdf":
            with datamodels.open(path) as model:
                model.validate()
                name = tag_name(model.tag)
                assert model.tag == full_tag(name, generation), path.name
        elif path.name.endswith("_cat.parquet"):
            header = io.peek(path)
            name = next(name for name, form in FORMATS.items() if form.model == header.model)
            model = getattr(datamodels, header.model).create_minimal(tag=full_tag(name, generation))
            found = parquet.read_table(path)
            columns = {name: found[name].to_numpy() for name in found.column_names}
            model["meta"], model["source_catalog"] = header.meta, Table(columns)
            model.validate()
        else:
            continue
        count += 1
    assert count == 8


def test_the_default_generation_validates(frame, level2, level3, level4):
    assert_official([frame.raw, *level2.iterdir(), *level3.iterdir(), *level4.iterdir()], "2.1.0")


def test_the_newer_generation_validates(frame, tmp_path):
    newer = {"out": tmp_path, "rad": "2.2.0"}
    raw = tmp_path / frame.raw.name
    io.write(io.read(frame.raw), raw, rad="2.2.0")
    image, *_ = run("exposure", raw, references=frame.references, **newer).files
    run("mosaic", associated(image, tmp_path), **newer)
    run("catalog", made(tmp_path, "_coadd.asdf"), **newer)
    assert_official(tmp_path.iterdir(), "2.2.0")


# -------------------------------------------------------------------------------- the truth
def truth_of(frame):
    """The sources on the detector, where they were that day, and which are well inside."""
    table, _ = read_table(truth_file(frame.raw))
    away = 2044 - EDGE
    inside = (np.abs(table["x"] - 2043.5) < away) & (np.abs(table["y"] - 2043.5) < away)
    return Truth(table["ra"], table["dec"], table["flux"], table["kind"] == STAR), inside


def test_level_2_is_true_to_the_sky(frame, level2):
    catalog = io.read(made(level2, "_cat.parquet"))
    assert isinstance(catalog, Catalog)
    truth, inside = truth_of(frame)
    names = ("ra_psf", "dec_psf", "psf_flux", "psf_flux_err")
    measured = Measured(*(np.asarray(catalog[name], float) for name in names))
    assert_true(compare(measured, truth, inside), least=100, offset=1.0)


def test_level_4_is_true_to_the_sky(frame, level2, level3, level4):
    catalog = io.read(made(level4, "_cat.parquet"))
    coadd = io.read(made(level3, "_coadd.asdf"))
    assert isinstance(catalog, Catalog)
    assert isinstance(coadd, Mosaic)
    truth, inside = truth_of(frame)
    meta = io.peek(made(level2, "_cal.asdf")).meta
    row = References(frame.references).get(ApcorrReference, meta).table["F158"]
    pixels = 0.4 / np.degrees(np.sqrt(meta["photometry"]["pixel_area"])) / 3600
    share = np.interp(pixels, row["ee_radii"], row["ee_fractions"])
    columns = [
        np.asarray(catalog[name], float)
        for name in ("ra_centroid_win", "dec_centroid_win", "aper04_flux", "aper04_flux_err")
    ]
    measured = Measured(columns[0], columns[1], columns[2] / share, columns[3] / share)
    x, y = PixelMap.from_gwcs(coadd.wcs, coadd.data.shape).to_pixel(truth.ra, truth.dec)
    inside &= (np.minimum(x, y) > EDGE) & (np.maximum(x, y) < coadd.data.shape[0] - 1 - EDGE)
    assert_true(compare(measured, truth, inside), least=30, offset=4.0)


def assert_true(found: Comparison, least: int, offset: float) -> None:
    """Assert that a catalog agrees with the truth as well as its calibration allows.

    The zero point is known to 0.2 % and the gain to 0.3 % a channel: 1 % is five of their
    sigma. A star at S/N 20 is placed to FWHM / 2.35 / 20 = 2.6 mas. All stars to 23 AB are
    above S/N 30, and lost only where bad pixels meet their centres. ``offset`` (mas) is what
    a hundred stars leave of 3 mas each for PSF positions, to which the WCS is aligned; windowed
    centroids follow the asymmetry of the PSF besides, by a thirtieth of a pixel.
    """
    assert found.stars > least
    bright = [counts for middle, counts in found.completeness.items() if middle < 23]
    seen, present = (sum(column) for column in zip(*bright, strict=True))
    assert seen >= 0.98 * present
    assert abs(found.flux_bias) < 0.01
    assert 0.7 < found.pull_width < 1.4
    assert max(found.residual) < 5.0
    assert max(map(abs, found.offset)) < offset
