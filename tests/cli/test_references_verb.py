"""``aqueduct references``: bundle, install, deliver, diff."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aqueduct.products.references import PhotomReference
from aqueduct.references import References, write_set
from aqueduct.references.models import official_model


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("AQUEDUCT_CACHE", str(tmp_path_factory.mktemp("cache")))
    for name in ("CRDS_CONTEXT", "CRDS_PATH", "AQUEDUCT_REFERENCES"):
        monkeypatch.delenv(name, raising=False)


def photom(value: float) -> PhotomReference:
    row = {
        "photmjsr": value,
        "uncertainty": 0.01,
        "pixelareasr": 2.844e-13,
        "collecting_area": 3.757,
        "wavelength": np.array([1.5, 1.6], np.float32),
        "effective_area": np.array([1.9, 2.0], np.float32),
    }
    return PhotomReference(table={"F158": row})


@pytest.fixture
def root(tmp_path) -> Path:
    write_set(tmp_path / "root", [(photom(0.6), "WFI01", None)])
    return tmp_path / "root"


def test_bundle_and_install(call, root, tmp_path):
    out, there = tmp_path / "b.tar", tmp_path / "there"
    words = ("--detector", "WFI01", "--filter", "F158", "--root", root, "--out", out)
    assert "1 files" in call("references", "bundle", *words).stdout
    assert call("references", "install", out, "--root", there).stdout.split()[1] == (
        "roman_0001.pmap"
    )
    assert "roman_wfi_photom_0001.asdf" in call("references", "list", "--root", there).stdout
    assert call("references", "bundle", "--root", root, "--out", out).exit_code == 2
    out.write_bytes(out.read_bytes()[:3000])
    failed = call("references", "install", out, "--root", tmp_path / "elsewhere")
    assert failed.exit_code == 2
    assert "b.tar" in failed.stderr


def test_deliver_tells_what_is_out_of_date(call, root, image, tmp_path):
    meta = {"instrument": {"detector": "WFI01"}, "exposure": {"start_time": "2027-01-01"}}
    store = References(root)
    path = store.find("photom", meta)
    used = {"photom": {"name": path.name, "sha256": store.digest(path)}}
    step = {"step": "photom", "id": "a", "source": "", "config": {}, "references": used}
    recipe = {"id": "a", "inputs": [], "given": {}, "skipped": [], "steps": [step]}
    product = image(1, recipe)
    (tmp_path / "text.asdf").write_text("text")
    model = official_model(photom(0.7), "WFI01", None, "2020-01-01T00:00:00", "test")
    model.save(tmp_path / "mine.asdf")
    words = ("references", "deliver", tmp_path / "mine.asdf", "--root", root)
    result = call(*words, "--products", product.parent)
    assert result.exit_code == 0
    assert "roman_0002.pmap" in result.stdout
    assert "1 of" in result.stdout
    assert product.name in result.stdout.replace("\n", "")
    assert "left out" in result.stderr
    changes = call("references", "diff", "roman_0001.pmap", "roman-latest", "--root", root).stdout
    assert "roman_wfi_photom_0001.asdf" in changes
    assert "roman_wfi_photom_0002.asdf" in changes
    assert call("references", "diff", "roman_0001.pmap", "nonsense", "--root", root).exit_code == 2
