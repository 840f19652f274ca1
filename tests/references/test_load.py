from __future__ import annotations

import os
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


def test_unpacking_is_safe_among_threads_and_without_a_cache(monkeypatch, tmp_path):
    values = np.arange(1000.0)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: cache.unpack(values, "identity", "x"), range(32)))
    for result in results:
        np.testing.assert_array_equal(result, values)
    assert len(list((cache_home() / "unpacked" / "identity").iterdir())) == 1
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AQUEDUCT_CACHE", str(tmp_path / "file"))
    assert cache.unpack(values, "identity", "x") is values


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
