from __future__ import annotations

import importlib
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from aqueduct.core.errors import ReferenceError
from aqueduct.core.paths import cache_home
from aqueduct.products.references import (
    AstrometricReference,
    DarkDecayReference,
    GainReference,
    IntegralNonlinearityReference,
)
from aqueduct.references import cache, load, write_set

module = importlib.import_module("aqueduct.references.load")


def gain_file(path, data, compression="lz4"):
    from roman_datamodels import datamodels

    model = datamodels.GainRefModel.create_fake_data(shape=(4, 4))
    model["data"] = data
    model.meta.reftype = "GAIN"
    model.save(path, all_array_compression=compression)
    return path


@pytest.fixture(scope="module")
def frame():
    """A full frame that compresses well but is not constant."""
    return np.tile(np.arange(4096, dtype=np.float32), (4096, 1))


def npy_files():
    return sorted((cache_home() / "unpacked").rglob("*.npy"))


def test_compressed_arrays_are_unpacked_once_and_rebuilt_when_damaged(tmp_path, frame):
    path = gain_file(tmp_path / "gain.asdf", frame)
    first = load(GainReference, path)
    assert isinstance(first.data.base, np.memmap)
    assert first.data.flags.writeable
    np.testing.assert_array_equal(first.data, frame)
    (unpacked,) = npy_files()
    made = unpacked.stat().st_mtime_ns
    load(GainReference, path)
    assert unpacked.stat().st_mtime_ns == made
    del first
    os.truncate(unpacked, 5000)
    np.testing.assert_array_equal(load(GainReference, path).data, frame)
    unpacked.write_bytes(b"not an array")
    np.testing.assert_array_equal(load(GainReference, path).data, frame)


def test_uncompressed_arrays_are_mapped_where_they_are(tmp_path, frame):
    reference = load(GainReference, gain_file(tmp_path / "gain.asdf", frame, compression=None))
    assert isinstance(reference.data.base, np.memmap)
    assert not npy_files()


def test_wrong_shape_and_damage(tmp_path, frame):
    small = gain_file(tmp_path / "small.asdf", np.ones((16, 16), np.float32))
    with pytest.raises(ReferenceError, match=r"\(16, 16\).*4096"):
        load(GainReference, small)
    cut = gain_file(tmp_path / "cut.asdf", frame)
    cut.write_bytes(cut.read_bytes()[:-1000])
    with pytest.raises(ReferenceError, match=r"cut\.asdf"):
        load(GainReference, cut)
    with pytest.raises(ReferenceError, match="can't be read"):
        load(GainReference, tmp_path / "absent.asdf")


def test_an_array_is_unpacked_once_by_many_threads(monkeypatch, tmp_path):
    values = np.arange(1000.0)
    made = []

    def make():
        made.append(1)
        time.sleep(0.02)
        return values

    def unpack(_):
        return cache.unpack(make, values.shape, values.dtype, "identity", "x")

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(unpack, range(32)))
    for result in results:
        np.testing.assert_array_equal(result, values)
    assert len(made) == 1
    assert [path.name for path in (cache_home() / "unpacked/identity").iterdir()] == ["x.npy"]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AQUEDUCT_CACHE", str(tmp_path / "file"))
    assert unpack(0) is values


def test_a_file_loaded_before_is_not_parsed_again(tmp_path, frame, monkeypatch):
    path = gain_file(tmp_path / "gain.asdf", frame, compression=None)
    load(GainReference, path)
    monkeypatch.setattr(module, "opened", lambda path: pytest.fail("parsed"))
    found = load(GainReference, path)
    assert isinstance(found.data.base, np.memmap)
    np.testing.assert_array_equal(found.data, frame)


def test_every_part_of_a_file_is_remembered_as_it_was(tmp_path, photom, epsf, monkeypatch):
    correction = np.arange(32.0)[:, None] + np.zeros(65536)
    inl = IntegralNonlinearityReference(
        value=np.arange(65536, dtype=np.uint16), correction=correction
    )
    decay = DarkDecayReference(amplitude=0.4, time_constant=23.0)
    entries = [(one, "WFI01", "F158") for one in (photom, epsf, inl, decay)]
    write_set(tmp_path, entries)
    files = [*(tmp_path / "references/roman").iterdir()]
    kinds = [next(type(e) for e, _, _ in entries if e.reftype in file.name) for file in files]
    first = [load(kind, file, detector="WFI01") for kind, file in zip(kinds, files, strict=True)]
    monkeypatch.setattr(module, "opened", lambda path: pytest.fail("parsed"))
    for one, kind, file in zip(first, kinds, files, strict=True):
        again = load(kind, file, detector="WFI01")
        for name, value in vars(one).items():
            np.testing.assert_equal(getattr(again, name), value)


def test_a_damaged_outline_is_made_anew(tmp_path, frame):
    path = gain_file(tmp_path / "gain.asdf", frame, compression=None)
    load(GainReference, path)
    (outline,) = (cache_home() / "unpacked").rglob("*.json")
    for text in ("", "[]", '{"version": 0, "parts": {}}', '{"version": 1, "parts": {"a": {}}}'):
        outline.write_text(text)
        np.testing.assert_array_equal(load(GainReference, path).data, frame)
        assert '"reftype"' in outline.read_text()


def test_a_reference_of_nothing_but_nan_is_refused(tmp_path, frame):
    path = gain_file(tmp_path / "gain.asdf", np.full_like(frame, np.nan), compression=None)
    with pytest.raises(ReferenceError, match=r"gain\.asdf: data is NaN everywhere"):
        load(GainReference, path)
    few = np.full_like(frame, np.nan)
    few[5, 5] = 1.0
    load(GainReference, gain_file(tmp_path / "few.asdf", few, compression=None))


def test_digest_is_remembered_until_the_file_changes(tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_text("one")
    first = cache.digest(path)
    calls = []
    monkeypatch.setattr(cache, "file_digest", lambda p: calls.append(p) or "0" * 64)
    assert cache.digest(path) == first
    assert not calls
    path.write_text("other")
    assert cache.digest(path) == "0" * 64
    assert len(calls) == 1


def test_nonlinearity_channels_are_in_science_order(tmp_path):
    correction = np.arange(32.0)[:, None] + np.zeros(65536)
    reference = IntegralNonlinearityReference(
        value=np.arange(65536, dtype=np.uint16), correction=correction
    )
    write_set(tmp_path, [(reference, "WFI01", None)])
    path = tmp_path / "references/roman/roman_wfi_integralnonlinearity_0001.asdf"
    for _ in range(2):  # read from the file, then from the cache
        found = load(IntegralNonlinearityReference, path)
        np.testing.assert_array_equal(found.correction, correction)
        np.testing.assert_array_equal(found.value, reference.value)


def test_dark_decay_of_all_detectors_is_one_file(tmp_path):
    first = DarkDecayReference(amplitude=0.4, time_constant=23.0)
    other = DarkDecayReference(amplitude=0.5, time_constant=21.0)
    write_set(tmp_path, [(first, "WFI01", None), (other, "WFI02", None)])
    write_set(tmp_path, [(other, "WFI03", None)])
    path = tmp_path / "references/roman/roman_wfi_darkdecaysignal_0003.asdf"
    assert load(DarkDecayReference, path, detector="WFI01").amplitude == 0.4
    assert load(DarkDecayReference, path, detector="WFI02").time_constant == 21.0
    assert load(DarkDecayReference, path, detector="WFI03").amplitude == 0.5
    with pytest.raises(ReferenceError, match="WFI04"):
        load(DarkDecayReference, path, detector="WFI04")


@pytest.mark.parametrize("suffix", ["ecsv", "fits", "parquet"])
def test_astrometric_tables(tmp_path, suffix):
    from astropy.table import Table

    table = Table({"RA": [1.0, 2.0], "Dec": [3.0, 4.0], "phot_g_mean_mag": [18.5, 19.5]})
    path = tmp_path / f"stars.{suffix}"
    table.write(path)
    stars = load(AstrometricReference, path)
    np.testing.assert_array_equal(stars.ra, [1.0, 2.0])
    np.testing.assert_array_equal(stars.dec, [3.0, 4.0])
    np.testing.assert_array_equal(stars.magnitude, [18.5, 19.5])
    assert np.isnan(stars.pmra).all()
    assert stars.epoch == 2016.0


def test_astrometric_epochs_and_errors(tmp_path):
    from astropy.table import Table

    path = tmp_path / "stars.ecsv"
    table = Table({"ra": [1.0, 2.0], "dec": [3.0, 4.0], "ref_epoch": [2015.5, 2015.5]})
    table.write(path)
    assert load(AstrometricReference, path).epoch == 2015.5
    table["ref_epoch"][1] = 2016.0
    table.write(path, overwrite=True)
    with pytest.raises(ReferenceError, match="2 different epochs"):
        load(AstrometricReference, path)
    table.remove_column("dec")
    table.write(path, overwrite=True)
    with pytest.raises(ReferenceError, match="lacks the column dec"):
        load(AstrometricReference, path)
    path.write_text("nonsense")
    with pytest.raises(ReferenceError, match="no table of stars"):
        load(AstrometricReference, path)
