"""Verbs that look at products; those that run pipelines have files of their own."""

from __future__ import annotations

import csv
import io as text_io
import json

import numpy as np
import pytest

from aqueduct import io
from aqueduct.cli import doctor
from aqueduct.cli.show import contents, text, tree
from aqueduct.products import Catalog


def test_show_tells_product_metadata_and_arrays(call, image, tmp_path):
    result = call("show", image(), "--preview", tmp_path / "x.png")
    lines = result.stdout.splitlines()
    assert lines[0] == "product     Image (ImageModel, wfi_image-2.1.0)"
    assert "filter      F158" in lines
    assert "    optical_element: F158" in lines
    assert any(line.split() == ["dq", "uint32", "100", "x", "100"] for line in lines)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")


def test_show_of_a_preview_that_cannot_be_drawn(call, image, tmp_path):
    result = call("show", image(), "--preview", tmp_path / "x.nonsense")
    assert result.exit_code == 2
    assert "x.nonsense: can't be drawn" in result.stderr


def test_show_tells_the_header_of_a_damaged_file(call, image):
    path = image()
    path.write_bytes(path.read_bytes()[:-400])
    result = call("show", path)
    assert result.exit_code == 2
    assert "filter      F158" in result.stdout
    assert path.name in result.stderr


def test_metadata_are_printed_one_key_a_line():
    lines = list(tree({"a": {"b": 1, "c": {}}, "d": "x\ny"}, 0))
    assert lines == ["a:", "  b: 1", "  c: {}", "d: x y"]
    assert text(list(range(1000))).endswith("... (1000 entries)")


def test_associate_writes_what_show_and_the_mosaic_pipeline_read(call, image, tmp_path):
    first, second = image(1), image(2)
    result = call("associate", first, second, "--by", "full", "--out", tmp_path / "asn")
    assert result.exit_code == 0
    files = sorted((tmp_path / "asn").iterdir())
    assert len(files) == len(result.stdout.splitlines()) > 0
    association = io.read_association(files[0])
    assert association.members == (f"../{first.name}", f"../{second.name}")
    assert f"  ../{first.name}\n" in call("show", files[0]).stdout
    first.unlink()
    assert f"  ../{first.name}  (not there)" in call("show", files[0]).stdout


def test_associate_refuses_two_files_of_one_name(call, image, tmp_path):
    path = image()
    copy = tmp_path / "copy" / path.name
    copy.parent.mkdir()
    copy.write_bytes(path.read_bytes())
    result = call("associate", path, copy, "--by", "full", "--out", tmp_path / "asn")
    assert result.exit_code == 2
    assert "same name" in result.stderr


def test_find_prints_table_csv_and_json(call, image, tmp_path):
    path = image()
    place = ("find", "--in", tmp_path, "--ra", 10.05, "--dec", 0.15)
    assert str(path) in call(*place).stdout
    (row,) = csv.DictReader(text_io.StringIO(call(*place, "--format", "csv").stdout))
    (entry,) = json.loads(call(*place, "--format", "json").stdout)
    assert row["path"] == entry["path"] == str(path)
    assert float(row["ra"]) == entry["ra"] == pytest.approx(10.05, abs=1e-4)
    assert json.loads(call(*place, "--filter", "F129", "--format", "json").stdout) == []


def test_find_tells_of_files_left_out(call, tmp_path):
    for number in range(7):
        (tmp_path / f"{number}.asdf").write_text("nothing")
    result = call("find", "--in", tmp_path)
    assert result.stderr.count("not in the index: ") == 5
    assert "and 2 more" in result.stderr
    assert "not in the index" not in call("-q", "find", "--in", tmp_path).stderr


@pytest.mark.parametrize("words", [("--ra", "1"), ("--radius", "1"), ("--level", "7")])
def test_find_refuses_half_a_position_and_unknown_levels(call, tmp_path, words):
    assert call("find", "--in", tmp_path, *words).exit_code == 2


def test_config_tells_values_and_their_origin(call, tmp_path):
    file = tmp_path / "my.toml"
    file.write_text("[dark]\nscale = 0.5\n")
    result = call("config", "exposure", "--config", file, "--set", "saturation.grow=1")
    rows = {line.split()[0]: line for line in result.stdout.splitlines()[1:]}
    assert rows["dark.scale"].split()[1:3] == ["0.5", str(file)]
    assert rows["saturation.grow"].split()[1:4] == ["1", "command", "line"]
    assert rows["saturation.backup"].split()[2] == "default"


def test_config_tells_what_is_left_out_and_the_users_references(call, tmp_path):
    file = tmp_path / "my.toml"
    file.write_text('[references]\ndark = "mine.asdf"\n')
    result = call("config", "exposure", "--config", file, "--skip", "flat")
    assert f"reference dark: {tmp_path / 'mine.asdf'}" in result.stdout
    assert "left out: flat" in result.stdout
    assert "flat." not in result.stdout


def test_a_mistyped_pipeline_or_parameter_is_told_the_nearest(call):
    assert "did you mean 'exposure'" in call("config", "exposur").stderr
    assert "did you mean 'scale'" in call("config", "exposure", "--set", "dark.scal=1").stderr


def test_simulate_needs_one_description(call, tmp_path):
    for words in ([], ["--preset", "a", "--config", "b"]):
        result = call("simulate", "l1", "--out", tmp_path, *words)
        assert result.exit_code == 2
        assert "either --preset or --config" in result.stderr


def test_references_list_needs_a_set(call, tmp_path):
    result = call("references", "list", "--root", tmp_path)
    assert result.exit_code == 2
    assert "aqueduct references make" in result.stderr


def test_doctor_finds_this_machine_usable(call, monkeypatch, tmp_path):
    monkeypatch.setenv("AQUEDUCT_CACHE", str(tmp_path))
    monkeypatch.setenv("AQUEDUCT_REFERENCES", str(tmp_path / "none"))
    result = call("doctor")
    assert result.exit_code == 0
    assert "references make" in next(
        line for line in result.stdout.splitlines() if "references" in line
    )


def test_doctor_says_what_is_missing(call, monkeypatch):
    monkeypatch.setattr("importlib.metadata.requires", lambda name: ["numpy>=99", "nowhere-at-all"])
    result = call("doctor")
    assert result.exit_code == 1
    lines = {line.split()[1]: line for line in result.stdout.splitlines()[1:]}
    assert lines["numpy"].startswith("missing")
    assert "pip install 'numpy>=99'" in lines["numpy"]
    assert "not installed" in lines["nowhere-at-all"]


def test_doctor_tells_whether_a_folder_can_be_made(tmp_path):
    assert doctor.writable(tmp_path / "a" / "b")
    (tmp_path / "file").write_text("")
    assert not doctor.writable(tmp_path / "file" / "b")


def test_show_lists_the_columns_of_a_catalog():
    catalog = Catalog({"ra": np.zeros(3), "label": np.ones(3, np.int32)}, {}, "image")
    first, *columns = contents(catalog)
    assert first == "3 sources, 2 columns"
    assert [line.split() for line in columns] == [["ra", "float64", "3"], ["label", "int32", "3"]]
