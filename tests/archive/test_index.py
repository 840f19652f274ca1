from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from roman_datamodels import datamodels

from aqueduct.archive import find, update
from aqueduct.archive.index import NAME
from aqueduct.core.errors import InputError, OutputError


def test_a_second_update_finds_nothing_new(make, tmp_path):
    make("a_cal.asdf")
    make("deep/b_cal.asdf")
    first = update(tmp_path)
    assert sorted(first.added) == ["a_cal.asdf", "deep/b_cal.asdf"]
    second = update(tmp_path)
    assert not (second.added or second.changed or second.removed or second.unreadable)


def test_changed_and_removed_files_are_noticed(make, tmp_path):
    path = make("a_cal.asdf", element="F158")
    make("b_cal.asdf").rename(tmp_path / "c_cal.asdf")
    update(tmp_path)
    make("a_cal.asdf", element="F129")
    os.utime(path, ns=(1, 1))
    (tmp_path / "c_cal.asdf").unlink()
    changes = update(tmp_path)
    assert changes.changed == ("a_cal.asdf",)
    assert changes.removed == ("c_cal.asdf",)
    assert [entry.optical_element for entry in find(tmp_path)] == ["F129"]


def test_an_entry_says_what_the_header_says(make, tmp_path):
    make("a_cal.asdf", 200.0, -30.0, recipe={"id": "abc"}, start="2027-03-04T05:06:07")
    update(tmp_path)
    (entry,) = find(tmp_path)
    assert (entry.level, entry.kind, entry.detector) == (2, "Image", "WFI01")
    assert (entry.visit_id, entry.exposure, entry.recipe) == ("0000101001001001001", 1, "abc")
    assert entry.start.isoformat() == "2027-03-04T05:06:07"
    assert entry.path == tmp_path / "a_cal.asdf"
    assert entry.ra == pytest.approx(200.0)
    assert entry.dec == pytest.approx(-30.0, abs=1e-4)
    assert entry.radius == pytest.approx(0.125 / 2**0.5, rel=1e-3)


def test_what_is_no_product_is_told_and_left_out(make, tmp_path):
    path = make("a_cal.asdf")
    update(tmp_path)
    path.write_bytes(path.read_bytes()[:500])
    (tmp_path / "table.parquet").write_text("no table")
    (tmp_path / "notes.txt").write_text("not looked at")
    changes = update(tmp_path)
    assert sorted(changes.unreadable) == ["a_cal.asdf", "table.parquet"]
    assert "truncated" in changes.unreadable["a_cal.asdf"]
    assert find(tmp_path) == []


def test_hidden_folders_are_left_out(make, tmp_path):
    make(".aqueduct-tmp/a_cal.asdf")
    assert update(tmp_path).added == ()


def test_a_moved_folder_keeps_its_index(make, tmp_path):
    make("data/a_cal.asdf")
    update(tmp_path / "data")
    shutil.move(tmp_path / "data", tmp_path / "elsewhere")
    assert update(tmp_path / "elsewhere").added == ()
    assert find(tmp_path / "elsewhere")[0].path.exists()


def test_an_index_of_another_version_is_made_anew(make, tmp_path):
    make("a_cal.asdf")
    with sqlite3.connect(tmp_path / NAME) as old:
        old.execute("CREATE TABLE products (name TEXT, colour TEXT)")
    assert update(tmp_path).added == ("a_cal.asdf",)


def test_errors_name_the_file(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        update(tmp_path / "absent")
    (tmp_path / NAME).write_text("no database, but long enough to be taken for one " * 10)
    with pytest.raises(InputError, match=r"is no index.*\n.*remove it"):
        update(tmp_path)
    with pytest.raises(OutputError, match="--index"):
        update(tmp_path, tmp_path / "absent" / "index.sqlite")


def test_level_1_has_the_circle_of_its_detector(tmp_path):
    model = datamodels.ScienceRawModel.create_fake_data(shape=(2, 8, 8))
    model["meta"]["wcsinfo"].update(ra_ref=10.0, dec_ref=80.0, s_region="?")
    model.to_asdf(tmp_path / "a_uncal.asdf")
    update(tmp_path)
    assert find(tmp_path, position=(10.0, 80.08, 0.0), level=1)
    assert not find(tmp_path, position=(10.0, 80.10, 0.0))


def test_a_co_add_without_a_place_is_found_by_all_else(tmp_path):
    datamodels.MosaicModel.create_fake_data(shape=(8, 8)).to_asdf(tmp_path / "a_coadd.asdf")
    update(tmp_path)
    (entry,) = find(tmp_path, level=3)
    assert (entry.kind, entry.ra, entry.visit_id) == ("Mosaic", None, None)
    assert find(tmp_path, position=(0.0, 0.0, 180.0)) == []


def test_several_may_update_at_once(make, tmp_path):
    files = [make(f"{number:02d}_cal.asdf", number).name for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(update, [tmp_path] * 4))
    assert [entry.name for entry in find(tmp_path)] == files


def test_an_update_waits_for_another_process_that_writes(make, tmp_path):
    make("a_cal.asdf")
    update(tmp_path)
    make("b_cal.asdf")
    code = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN EXCLUSIVE')\n"
        "print('locked', flush=True)\n"
        "time.sleep(0.5)\n"
        "connection.execute('COMMIT')\n"
    )
    words = [sys.executable, "-c", code, str(tmp_path / NAME)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "locked\n"
        assert update(tmp_path).added == ("b_cal.asdf",)
