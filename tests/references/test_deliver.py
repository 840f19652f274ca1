from __future__ import annotations

from pathlib import Path

import asdf
import numpy as np
import pytest

from aqueduct.core.errors import ReferenceError
from aqueduct.products.references import GainReference, PhotomReference
from aqueduct.references import References, deliver, difference, stale, write_set
from aqueduct.references.models import official_model


def written(path: Path, reference, detector="WFI01", element=None, **meta) -> Path:
    model = official_model(reference, detector, element, "2020-01-01T00:00:00", "test")
    model["meta"].update(meta)
    model.save(path)
    return path


def pars(path: Path, reftype="pars-rampfitstep", **meta) -> Path:
    tree = {
        "class": "romancal.step.RampFitStep",
        "name": "RampFitStep",
        "parameters": {"rejection_threshold": 5.0},
        "steps": [],
        "meta": {"reftype": reftype, "useafter": "2020-01-01T00:00:00", **meta},
    }
    asdf.AsdfFile(tree).write_to(path)
    return path


def test_a_delivered_file_is_chosen_from_its_date_on(tmp_path, photom, meta):
    root = tmp_path / "root"
    write_set(root, [(photom, "WFI01", None)])
    file = written(tmp_path / "mine.asdf", photom)
    context, (row,) = deliver([file], root, useafter="2025-12-31")
    assert context == "roman_0002.pmap"
    assert (row.reftype, row.key, row.name) == ("photom", ("WFI01",), "roman_wfi_photom_0002.asdf")
    assert References(root).get(PhotomReference, meta).name == row.name
    early = {**meta, "exposure": {**meta["exposure"], "start_time": "2025-12-30T00:00:00"}}
    assert References(root).find("photom", early).name == "roman_wfi_photom_0001.asdf"
    (change,) = difference(References(root, "roman_0001.pmap"), References(root))
    assert (change.before, change.after) == ("-", row.name)
    assert change.useafter == "2025-12-31 00:00:00"
    rules = (root / "mappings/roman/roman_wfi_photom_0002.rmap").read_text()
    assert "'derived_from' : 'roman_wfi_photom_0001.rmap'" in rules


def test_a_file_says_what_it_is_for(tmp_path, epsf):
    file = written(tmp_path / "epsf.asdf", epsf, "WFI07", "F184")
    _, (row,) = deliver([file], tmp_path / "root")
    assert row.key == ("WFI07", "F184")
    assert row.useafter == "2020-01-01 00:00:00"


def test_parameter_references_are_delivered_by_exposure_type(tmp_path, meta):
    root = tmp_path / "root"
    refpix = pars(
        tmp_path / "b.asdf", "pars-refpixstep", exposure={"p_exptype": "WFI_IMAGE|WFI_FLAT|"}
    )
    _, rows = deliver([pars(tmp_path / "a.asdf"), refpix], root)
    assert [row.key for row in rows] == [(), ("WFI_IMAGE|WFI_FLAT",)]
    assert References(root).find("pars-rampfitstep", meta).name == rows[0].name
    assert References(root).find("pars-refpixstep", meta).name == rows[1].name


def test_what_is_not_fit_is_refused_and_nothing_delivered(tmp_path, photom):
    root = tmp_path / "root"
    write_set(root, [(photom, "WFI01", None)])
    good = written(tmp_path / "good.asdf", photom)
    values = np.full((4096, 4096), np.nan, np.float32)
    values[:1000] = 1.0
    nan = written(tmp_path / "nan.asdf", GainReference(data=values))
    small = written(tmp_path / "small.asdf", GainReference(data=np.ones((9, 9), np.float32)))
    strange = pars(tmp_path / "strange.asdf", "nonsense")
    (tmp_path / "text.asdf").write_text("text")
    invalid = tmp_path / "invalid.asdf"
    invalid.write_bytes(good.read_bytes().replace(b"author: Aqueduct", b"autho_: Aqueduct"))
    for path, message in (
        (nan, "data is NaN in 76% of its pixels"),
        (small, r"shape \(9, 9\)"),
        (strange, "neither a Roman reference"),
        (tmp_path / "text.asdf", "text.asdf"),
        (invalid, "does not fit its schema"),
    ):
        with pytest.raises(ReferenceError, match=message):
            deliver([good, path], root)
    with pytest.raises(ReferenceError, match="useafter: soon is no date"):
        deliver([good], root, useafter="soon")
    assert References(root).context == "roman_0001.pmap"


def test_products_are_stale_by_their_references_and_inputs(tmp_path, photom, meta):
    root = tmp_path / "root"
    write_set(root, [(photom, "WFI01", None)])
    references = References(root)
    found = references.find("photom", meta)
    used = {"photom": {"name": found.name, "sha256": references.digest(found)}}

    def recipe(name, inputs=(), references=None):
        steps = [{"step": "x", "references": references or {}}]
        return {"id": name, "inputs": [{"name": one, "id": one} for one in inputs], "steps": steps}

    other = {**meta, "instrument": {**meta["instrument"], "detector": "WFI02"}}
    products = [
        (Path("first"), meta, recipe("a", references=used)),
        (Path("other"), other, recipe("b", references=used)),
        (Path("mosaic"), {}, {**recipe("d", ["c"]), "earlier": recipe("c", ["a", "b"])}),
        (Path("catalog"), {}, recipe("e", ["d"])),
        (Path("foreign"), meta, None),
    ]
    assert stale(products, references) == []
    changed = PhotomReference(table={**photom.table, "F129": photom.table["F158"]})
    deliver([written(tmp_path / "new.asdf", changed)], root)
    rows = stale(products, References(root))
    assert [(row.path.name, row.reason) for row in rows] == [
        ("first", "photom"),
        ("mosaic", "input"),
        ("catalog", "input"),
    ]
    assert rows[0].now == "roman_wfi_photom_0002.asdf"
    assert rows[2].before == "mosaic"
