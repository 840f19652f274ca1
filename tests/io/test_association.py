from __future__ import annotations

import json

import pytest

from aqueduct.core.errors import InputError, OutputError
from aqueduct.io import read_association, write_association
from aqueduct.products import Association

CELL = {"name": "270p65x50y50", "pixel_scale": 1.5e-5, "nx": 5000, "ny": 5000}
WHOLE = Association(
    "r00001_p_full_270p65x50y50_f158",
    ("a_cal.asdf", "b_cal.asdf"),
    "270p65x50y50",
    CELL,
    {"program": "00001", "data_release_id": "p", "psf_match_reference_filter": "F184"},
)


def test_round_trip(tmp_path):
    path = tmp_path / "x_asn.json"
    write_association(WHOLE, path)
    again = read_association(path)
    assert (again.product, again.members, again.target) == (
        WHOLE.product,
        WHOLE.members,
        WHOLE.target,
    )
    assert again.skycell_wcs_info == CELL
    assert again.header.items() >= WHOLE.header.items()
    write_association(again, tmp_path / "y_asn.json")
    assert (tmp_path / "y_asn.json").read_text() == path.read_text()


def test_official_keys(tmp_path):
    path = tmp_path / "x_asn.json"
    write_association(WHOLE, path)
    tree = json.loads(path.read_text())
    assert tree["asn_rule"] == "DMS_ELPP_Base"
    assert tree["products"][0]["members"][0] == {"expname": "a_cal.asdf", "exptype": "science"}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"products": []}', '{"products": [{"name": "x"}]}', '{"products": 1}'],
)
def test_broken_files(tmp_path, text):
    path = tmp_path / "x_asn.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"x_asn\.json"):
        read_association(path)


def test_absent_file_and_folder_that_is_a_file(tmp_path):
    with pytest.raises(InputError):
        read_association(tmp_path / "absent.json")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_association(WHOLE, tmp_path / "file" / "x_asn.json")
