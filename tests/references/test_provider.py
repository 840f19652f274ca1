from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aqueduct.core.errors import MissingReferenceError, OutputError, ReferenceError
from aqueduct.products.references import (
    ApcorrReference,
    AstrometricReference,
    EpsfReference,
    FlatReference,
    PhotomReference,
)
from aqueduct.references import References, crds_record, default_root, write_set


def at(meta, **instrument):
    return {**meta, "instrument": {**meta["instrument"], **instrument}}


@pytest.fixture
def root(tmp_path, photom, epsf) -> Path:
    write_set(tmp_path, [(photom, "WFI01", None), (epsf, "WFI01", "F158")])
    return tmp_path


def test_written_set_is_found_and_loaded(root, meta, photom, epsf):
    references = References(root)
    found = references.get(PhotomReference, meta)
    assert found.table["F158"]["photmjsr"] == photom.table["F158"]["photmjsr"]
    assert found.name == "roman_wfi_photom_0001.asdf"
    assert found.digest == references.digest(references.find("photom", meta))
    assert references.get(PhotomReference, meta) is found
    again = references.get(EpsfReference, meta)
    np.testing.assert_array_equal(again.psf, epsf.psf)
    assert (again.oversample, again.spectral_type, again.jitter) == (4, ("G2V",), 8.0)


def test_adding_keeps_what_was_there(root, meta, photom, epsf):
    assert write_set(root, [(epsf, "WFI02", "F129")]) == "roman_0002.pmap"
    write_set(root, [(photom, "WFI01", None)], useafter="2025-01-01T00:00:00")
    references = References(root)
    assert references.context == "roman_0003.pmap"
    assert references.find("photom", meta).name == "roman_wfi_photom_0002.asdf"
    assert references.find("epsf", meta).name == "roman_wfi_epsf_0001.asdf"
    other = at(meta, detector="WFI02", optical_element="F129")
    assert references.find("epsf", other).name == "roman_wfi_epsf_0002.asdf"
    before = References(root, context="roman_0001.pmap")
    assert before.find("photom", meta).name == "roman_wfi_photom_0001.asdf"


def test_a_reference_that_does_not_fit_changes_no_rule(root, meta, photom):
    from aqueduct.core.errors import InternalError

    bad = PhotomReference(table={"F158": {"photmjsr": 1.0}})
    with pytest.raises(InternalError, match="F158"):
        write_set(root, [(bad, "WFI01", None)])
    assert References(root).context == "roman_0001.pmap"


def test_context_from_argument_then_environment_then_newest(root, photom, monkeypatch):
    write_set(root, [(photom, "WFI03", None)])
    assert References(root).context == "roman_0002.pmap"
    monkeypatch.setenv("CRDS_CONTEXT", "roman_0001.pmap")
    assert References(root).context == "roman_0001.pmap"
    assert References(root, context="roman_0002.pmap").context == "roman_0002.pmap"


def test_missing_references_say_what_and_what_next(root, meta):
    references = References(root)
    with pytest.raises(MissingReferenceError, match=r"no epsf .* WFI01 F184[\s\S]*references make"):
        references.find("epsf", at(meta, optical_element="F184"))
    with pytest.raises(MissingReferenceError, match="not applicable"):
        references.find("gain", meta)
    with pytest.raises(MissingReferenceError, match="unknown"):
        references.find("nonsense", meta)
    with pytest.raises(MissingReferenceError, match="astrometry"):
        references.find("astrometry", meta)
    with pytest.raises(MissingReferenceError, match="no context"):
        References(root / "elsewhere").find("gain", meta)
    with pytest.raises(MissingReferenceError, match=r"roman_0099\.pmap"):
        References(root, context="roman_0099.pmap").find("gain", meta)
    (root / "references/roman/roman_wfi_photom_0001.asdf").unlink()
    with pytest.raises(MissingReferenceError, match="no file for photom"):
        references.find("photom", meta)


def test_overrides_win_and_are_checked(root, meta):
    path = root / "references/roman/roman_wfi_photom_0001.asdf"
    references = References(root, overrides={"apcorr": path, "photom": path, "flat": "absent"})
    assert references.find("apcorr", meta) == path
    assert references.get(PhotomReference, meta).name == path.name
    with pytest.raises(ReferenceError, match="photom reference, not apcorr"):
        references.get(ApcorrReference, meta)
    with pytest.raises(ReferenceError, match="WFI01, the exposure is from WFI05"):
        references.get(PhotomReference, at(meta, detector="WFI05"))
    with pytest.raises(MissingReferenceError, match="absent"):
        references.get(FlatReference, meta)


def test_a_filter_is_checked_only_of_a_file_the_user_names(root, meta, epsf):
    path = root / "references/roman/roman_wfi_epsf_0001.asdf"
    other = at(meta, optical_element="F129")
    with pytest.raises(ReferenceError, match="is for element F158, the exposure is from F129"):
        References(root, overrides={"epsf": path}).get(EpsfReference, other)
    write_set(root, [(epsf, "WFI01", "F158")])
    rules = root / "mappings/roman/roman_wfi_epsf_0002.rmap"
    text = "".join(line for line in rules.read_text().splitlines(True) if "sha1sum" not in line)
    rules.write_text(text.replace("'F158'", "'*'"))
    assert References(root).get(EpsfReference, other).oversample == 4


def test_a_file_that_changed_since_it_arrived_is_put_aside(root, meta):
    path = root / "references/roman/roman_wfi_photom_0001.asdf"
    content = bytearray(path.read_bytes())
    content[-10] ^= 1
    path.write_bytes(content)
    with pytest.raises(ReferenceError, match=r"is damaged[\s\S]*quarantine"):
        References(root).get(PhotomReference, meta)
    assert not path.exists()
    (aside,) = (root / "quarantine").iterdir()
    assert aside.read_bytes() == content
    with pytest.raises(MissingReferenceError, match="no file for photom"):
        References(root).get(PhotomReference, meta)


def test_a_context_under_way_stays_that_of_all_processes(root, photom):
    references = References(root)
    assert references.context == "roman_0001.pmap"
    sent = pickle.dumps(references)
    write_set(root, [(photom, "WFI02", None)])
    assert pickle.loads(sent).context == "roman_0001.pmap"
    assert pickle.loads(pickle.dumps(References(root / "nothing")))._asked == ""


def test_bad_files_are_refused_or_warned_of(root, meta, monkeypatch):
    config = root / "config/roman/server_config"
    about = config.read_text()
    bad = "roman_wfi_photom_0001.asdf"
    config.write_text(about.replace("'bad_files_list': []", f"'bad_files_list': [{bad!r}]"))
    with pytest.raises(ReferenceError, match="scientifically invalid"):
        References(root).find("photom", meta)
    assert References(root).find("epsf", meta)
    monkeypatch.setenv("CRDS_ALLOW_BAD_REFERENCES", "1")
    with pytest.warns(UserWarning, match=bad):
        References(root).find("photom", meta)
    rules = "roman_wfi_photom_0001.rmap"
    config.write_text(about.replace("'bad_files_list': []", f"'bad_files_list': [{rules!r}]"))
    with pytest.raises(ReferenceError, match=rules):
        References(root).find("epsf", meta)
    monkeypatch.setenv("CRDS_ALLOW_BAD_RULES", "true")
    with pytest.warns(UserWarning, match=rules):
        References(root).find("epsf", meta)


def test_pickled_it_finds_the_same(root, meta):
    references = References(root, overrides={"gain": root / "gain.asdf"})
    references.get(EpsfReference, meta)
    again = pickle.loads(pickle.dumps(references))
    assert again.context == references.context
    assert again.overrides == references.overrides
    assert again.find("epsf", meta) == references.find("epsf", meta)


def test_listing(root, meta):
    rows = {
        row.reftype: row for row in References(root, overrides={"flat": "f.asdf"}).listing(meta)
    }
    assert rows["photom"].name == "roman_wfi_photom_0001.asdf"
    assert rows["photom"].source == "roman_0001.pmap"
    assert rows["flat"].source == "given"
    assert rows["gain"].name == "N/A"
    assert References(root).listing(at(meta, optical_element="F184"))


def test_astrometric_catalog_lies_beside_the_rules(root, meta):
    nan = np.full(2, np.nan)
    stars = AstrometricReference(
        ra=np.array([1.0, 2.0]),
        dec=np.array([-1.0, 3.0]),
        epoch=2016.5,
        pmra=np.array([5.0, np.nan]),
        pmdec=nan,
        parallax=nan,
        ra_error=nan,
        dec_error=nan,
        magnitude=np.array([18.0, 19.0]),
    )
    write_set(root, [(stars, "*", None)])
    found = References(root).get(AstrometricReference, meta)
    assert found.epoch == 2016.5
    np.testing.assert_array_equal(found.pmra, stars.pmra)


def test_mappings_carry_their_checksum(root):
    import hashlib

    for path in (root / "mappings/roman").iterdir():
        lines = path.read_text().splitlines(keepends=True)
        rest = "".join(line for line in lines if "sha1sum" not in line)
        assert hashlib.sha1(rest.encode()).hexdigest() in path.read_text()


def test_root_that_can_not_be_written(tmp_path, photom):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_set(tmp_path / "file", [(photom, "WFI01", None)])


def test_default_root(monkeypatch, tmp_path):
    monkeypatch.setenv("AQUEDUCT_CACHE", str(tmp_path))
    assert default_root() == tmp_path / "references"
    monkeypatch.setenv("CRDS_PATH", "/somewhere")
    assert default_root() == Path("/somewhere")
    monkeypatch.setenv("AQUEDUCT_REFERENCES", "/own")
    assert default_root() == Path("/own")


def test_record():
    record = crds_record({"flat": "roman_wfi_flat_0001.asdf"}, "roman_0001.pmap")
    assert record["flat"] == "crds://roman_wfi_flat_0001.asdf"
    assert record["crds"]["context"] == "roman_0001.pmap"


def test_a_set_is_the_same_whatever_process_writes_it(tmp_path):
    code = (
        "import sys, numpy as np; from aqueduct.references import write_set;"
        "from aqueduct.products.references import DarkDecayReference as Decay;"
        "write_set(sys.argv[1], [(Decay(amplitude=1.0, time_constant=20.0), 'WFI01', None)])"
    )
    written = []
    for seed in ("1", "7"):
        root = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, str(root)], check=True, env=environment)
        written.append({path.name: path.read_bytes() for path in root.rglob("*.asdf")})
    assert written[0]
    assert written[0] == written[1]
