"""Official ASDF files, both schema generations, read and written."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aqueduct import io
from aqueduct.core.errors import InputError, InternalError, OutputError
from aqueduct.io import asdf_read
from aqueduct.io.formats import full_tag
from aqueduct.products import Image, Mosaic, Ramp, Raw, Segmentation, Window

RECIPE = {"id": "0f", "links": [{"step": "dark", "config": {"scale": 1.0}}]}
MODELS = {
    "wfi_science_raw": ("ScienceRawModel", Raw),
    "wfi_image": ("ImageModel", Image),
    "wfi_mosaic": ("MosaicModel", Mosaic),
    "segmentation_map": ("SegmentationMapModel", Segmentation),
    "mosaic_segmentation_map": ("MosaicSegmentationMapModel", Segmentation),
    "multiband_segmentation_map": ("MultibandSegmentationMapModel", Segmentation),
}


def official(folder: Path, name: str, generation: str, **planes: np.ndarray) -> Path:
    """A file as the official tools write it, compressed."""
    from roman_datamodels import datamodels

    model = getattr(datamodels, MODELS[name][0]).create_fake_data(
        shape=(3, 16, 16) if name == "wfi_science_raw" else (16, 16, 16),
        tag=full_tag(name, generation),
    )
    for key, value in planes.items():
        model[key] = value
    path = folder / f"official_{name}.asdf"
    model.save(path)
    return path


@pytest.mark.parametrize("written", ["2.1.0", "2.2.0"])
@pytest.mark.parametrize("found", ["2.1.0", "2.2.0"])
@pytest.mark.parametrize("name", MODELS)
def test_official_files_survive_in_either_generation(tmp_path, name, found, written):
    from roman_datamodels import datamodels

    product = io.read(official(tmp_path, name, found))
    path = tmp_path / f"ours_{name}.asdf"
    io.write(product, path, rad=written, recipe=RECIPE)
    with datamodels.open(path) as model:
        model.validate()
        assert type(model).__name__ == MODELS[name][0]
        assert model.tag == full_tag(name, written)
        assert ("dq2" in model) == (name == "wfi_image" and written == "2.2.0")
        if "ref_file" in model.meta:
            assert ("bam" in model.meta.ref_file) == (written == "2.2.0")
    header = io.peek(path)
    assert header.product is type(product) is MODELS[name][1]
    assert header.recipe == RECIPE
    assert header.meta["filename"] == path.name
    again = io.read(path)
    assert "aqueduct" not in again.meta
    np.testing.assert_array_equal(again.data, product.data)


def test_meta_is_plain_and_unknown_keywords_stay(tmp_path):
    from astropy.time import Time

    raw = io.read(official(tmp_path, "wfi_science_raw", "2.1.0"))
    assert type(raw.meta["exposure"]) is dict
    assert type(raw.meta["telescope"]) is str
    assert isinstance(raw.meta["exposure"]["start_time"], Time)
    assert raw.window == Window(0, 0, 16, 16)
    raw.meta["exposure"]["mid_time"] = Time("2027-01-01T00:00:30")
    raw.meta["own_notes"] = {"list": [1, 2.5, "three"]}
    io.write(raw, tmp_path / "own.asdf")
    read, peeked = io.read(tmp_path / "own.asdf").meta, io.peek(tmp_path / "own.asdf").meta
    for meta in (read, peeked):
        assert meta["own_notes"] == {"list": [1, 2.5, "three"]}
        assert abs(meta["exposure"]["mid_time"] - Time("2027-01-01T00:00:30")).sec < 1e-3
    assert read.keys() == peeked.keys()


def test_uncompressed_arrays_are_mapped_and_typed_as_ordinary_ones(tmp_path):
    data = np.arange(3 * 64 * 64, dtype=np.uint16).reshape(3, 64, 64)
    raw = io.read(official(tmp_path, "wfi_science_raw", "2.1.0", data=data))
    assert not isinstance(raw.data.base, np.memmap)
    io.write(raw, tmp_path / "own.asdf")
    again = io.read(tmp_path / "own.asdf")
    assert isinstance(again.data.base, np.memmap)
    assert again.data.flags.writeable
    again.data[0, 0, 0] = 7  # private to this process
    assert io.read(tmp_path / "own.asdf").data[0, 0, 0] == 0


def test_a_view_is_written_without_its_base(tmp_path):
    raw = io.read(official(tmp_path, "wfi_science_raw", "2.1.0"))
    whole = np.zeros((3, 512, 512), np.uint16)
    io.write(replace(raw, data=whole[:, :64, :64]), tmp_path / "part.asdf")
    assert (tmp_path / "part.asdf").stat().st_size < whole.nbytes / 8


def test_float16_planes_do_not_overflow(tmp_path):
    image = io.read(official(tmp_path, "wfi_image", "2.1.0"))
    bright = np.full(image.data.shape, 1e6, np.float32)
    io.write(replace(image, chisq=bright), tmp_path / "own.asdf")
    chisq = io.read(tmp_path / "own.asdf").chisq
    assert chisq.dtype == np.float16
    assert np.all(chisq == np.finfo(np.float16).max)


@pytest.mark.parametrize("rad", ["2.1.0", "2.2.0"])
@pytest.mark.parametrize("count", [0, 3])
def test_jumps_are_written_as_the_official_list(tmp_path, rad, count):
    from roman_datamodels import datamodels

    image = io.read(official(tmp_path, "wfi_image", "2.1.0"))
    assert image.jumps is None
    jumps = np.array([[2, 4, 5], [7, 4000, 4087], [1, 4001, 0]], np.int16)[:count]
    io.write(replace(image, jumps=jumps), tmp_path / "own.asdf", rad=rad)
    with datamodels.open(tmp_path / "own.asdf") as model:
        model.validate()
        np.testing.assert_array_equal(model["jump_indices"], jumps)
    again = io.read(tmp_path / "own.asdf")
    assert again.jumps.dtype == np.int16 and "jump_indices" not in again.extras
    np.testing.assert_array_equal(again.jumps, jumps)


def test_read_noise_left_out_of_a_file_is_rebuilt():
    rng = np.random.default_rng(1)
    read_noise = np.float32(4e-3)
    poisson = 10 ** rng.uniform(-4, 1, (64, 64)).astype(np.float32)
    err = np.sqrt(poisson + read_noise).astype(np.float16)
    rebuilt = asdf_read.rebuilt_var_rnoise(err, [poisson.astype(np.float16)])
    assert np.all(rebuilt > 0)
    np.testing.assert_allclose(np.median(rebuilt), read_noise, rtol=0.05)
    assert np.abs(rebuilt.astype(float) / read_noise - 1).max() < 0.4


def test_ramp_round_trip(tmp_path):
    raw = io.read(official(tmp_path, "wfi_science_raw", "2.1.0"))
    from roman_datamodels import datamodels

    steps = datamodels.RampModel.create_fake_data(shape=(3, 16, 16)).meta.cal_step
    ramp = Ramp(
        data=np.ones((3, 16, 16), np.float32),
        groupdq=np.full((3, 16, 16), 2, np.uint8),
        pixeldq=np.full((16, 16), 1 << 31, np.uint32),
        meta={**raw.meta, "cal_step": dict(steps.items())},
    )
    io.write(ramp, tmp_path / "ramp.asdf")
    again = io.read(tmp_path / "ramp.asdf")
    for name in ("data", "groupdq", "pixeldq"):
        np.testing.assert_array_equal(getattr(again, name), getattr(ramp, name))


def test_mosaic_knows_its_cell(tmp_path):
    mosaic = io.read(official(tmp_path, "wfi_mosaic", "2.1.0"))
    info = mosaic.meta["wcsinfo"]
    assert mosaic.cell.name == info["skycell_name"]
    assert mosaic.cell.scale == info["pixel_scale"]
    assert mosaic.cell.pixels == mosaic.data.shape[0]
    assert mosaic.wcs is not None


def test_tables_in_the_metadata_survive(tmp_path):
    from astropy.table import Table
    from astropy.time import Time

    mosaic = io.read(official(tmp_path, "wfi_mosaic", "2.1.0"))
    times = Time(["2027-06-01T00:00:00", "2027-06-01T00:10:00"])
    members = {"basic": Table({"filename": ["a", "b"], "file_date": times, "scale": [0.5, 1.5]})}
    given = replace(mosaic, meta={**mosaic.meta, "individual_image_meta": members})
    io.write(given, tmp_path / "one_coadd.asdf")
    io.write(io.read(tmp_path / "one_coadd.asdf"), tmp_path / "two_coadd.asdf")
    basic = io.read(tmp_path / "two_coadd.asdf").meta["individual_image_meta"]["basic"]
    assert basic["filename"].tolist() == ["a", "b"] and basic["scale"].tolist() == [0.5, 1.5]
    assert (basic["file_date"] == times).all()


def test_missing_keyword_is_named(tmp_path):
    raw = io.read(official(tmp_path, "wfi_science_raw", "2.1.0"))
    del raw.meta["exposure"]["frame_time"]
    with pytest.raises(InternalError, match="frame_time"):
        io.write(raw, tmp_path / "own.asdf")
    assert [path.name for path in tmp_path.iterdir()] == ["official_wfi_science_raw.asdf"]


def test_failure_leaves_the_old_file(tmp_path, monkeypatch):
    raw = io.read(official(tmp_path, "wfi_science_raw", "2.1.0"))
    path = tmp_path / "own.asdf"
    io.write(raw, path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="no space"):
        io.write(raw, path)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("keep", [3, 200, 5000, -20000])
def test_truncated_file(tmp_path, keep):
    data = np.random.default_rng(0).integers(0, 60000, (3, 64, 64), np.uint16)
    path = official(tmp_path, "wfi_science_raw", "2.1.0", data=data)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=path.name):
        io.read(path)


def test_other_files_are_refused(tmp_path):
    from roman_datamodels import datamodels

    other = tmp_path / "gain.asdf"
    datamodels.GainRefModel.create_fake_data(shape=(4, 4)).save(other)
    text = tmp_path / "notes.asdf"
    text.write_text("hello")
    for read in (io.read, io.peek):
        with pytest.raises(InputError, match="gain"):
            read(other)
        with pytest.raises(InputError):
            read(text)
        with pytest.raises(InputError, match="no such file"):
            read(tmp_path / "absent.asdf")
