from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from aqueduct.core.errors import MissingReferenceError, ReferenceError
from aqueduct.core.paths import cache_home
from aqueduct.products.references import EpsfReference, PhotomReference
from aqueduct.references import References, bundle, install, write_set


@pytest.fixture
def root(tmp_path, photom, epsf) -> Path:
    root = tmp_path / "root"
    write_set(root, [(photom, "WFI01", None), (epsf, "WFI01", "F158"), (epsf, "WFI01", "F129")])
    (root / "astrometry.ecsv").write_text("stars")
    return root


@pytest.fixture
def packed(root, meta, tmp_path) -> Path:
    names = bundle(References(root), [meta], tmp_path / "b.tar")
    assert names == ["roman_wfi_epsf_0001.asdf", "roman_wfi_photom_0001.asdf"]
    return tmp_path / "b.tar"


def altered(packed: Path, change) -> Path:
    """The bundle with ``change(name, content)`` applied to each member."""
    out = packed.with_name("altered.tar")
    with tarfile.open(packed) as old, tarfile.open(out, "w") as new:
        for member in old:
            content = change(member.name, old.extractfile(member).read())
            if content is not None:
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
    return out


def test_what_was_packed_is_installed_and_used(packed, root, meta, tmp_path):
    there = tmp_path / "there"
    assert install(packed, there) == "roman_0001.pmap"
    references = References(there)
    assert references.get(EpsfReference, meta).oversample == 4
    assert references.get(PhotomReference, meta).name == "roman_wfi_photom_0001.asdf"
    assert (there / "astrometry.ecsv").read_text() == "stars"
    other = {**meta, "instrument": {**meta["instrument"], "optical_element": "F129"}}
    with pytest.raises(MissingReferenceError, match="no file for epsf"):
        references.find("epsf", other)
    assert install(packed, there) == "roman_0001.pmap"  # again: nothing to do
    assert not list(there.rglob(".aqueduct-*"))


def test_a_bundle_is_of_one_context(root, meta, photom, tmp_path):
    write_set(root, [(photom, "WFI01", None)])
    bundle(References(root, "roman_0001.pmap"), [meta], tmp_path / "b.tar")
    assert install(tmp_path / "b.tar", tmp_path / "there") == "roman_0001.pmap"
    assert References(tmp_path / "there").find("photom", meta).name == "roman_wfi_photom_0001.asdf"


def test_files_known_by_digest_are_linked(packed, tmp_path):
    install(packed, tmp_path / "one")
    install(packed, tmp_path / "two")
    name = "references/roman/roman_wfi_epsf_0001.asdf"
    assert (tmp_path / "one" / name).stat().st_ino == (tmp_path / "two" / name).stat().st_ino
    kept = [path for path in (cache_home() / "files").rglob("*") if path.is_file()]
    kept[0].write_bytes(b"damaged")  # in place: both roots have it now
    with pytest.raises(ReferenceError, match="another file of this name"):
        install(packed, tmp_path / "one")
    install(packed, tmp_path / "three")


@pytest.mark.parametrize("name", ["roman_wfi_epsf_0001.asdf", "roman_0001.pmap"])
def test_a_damaged_member_is_refused(packed, meta, tmp_path, name):
    def damage(member, content):
        return content[:-1] + bytes([content[-1] ^ 1]) if member.endswith(name) else content

    with pytest.raises(ReferenceError, match=rf"{name}: is damaged: .* should be"):
        install(altered(packed, damage), tmp_path / "there")
    assert not list((tmp_path / "there").rglob(name))
    with pytest.raises(MissingReferenceError):
        References(tmp_path / "there").find("photom", meta)


def test_members_that_lack_or_are_too_many(packed, tmp_path):
    def without(member, content):
        return None if member.endswith("photom_0001.asdf") else content

    with pytest.raises(ReferenceError, match=r"lacks .*photom_0001\.asdf"):
        install(altered(packed, without), tmp_path / "there")
    with tarfile.open(packed, "a") as tar:
        tar.addfile(tarfile.TarInfo("../outside"), io.BytesIO())
    with pytest.raises(ReferenceError, match=r"\.\./outside is not in its list"):
        install(packed, tmp_path / "elsewhere")
    assert not (tmp_path / "outside").exists()


def test_no_bundles(packed, tmp_path):
    there = tmp_path / "there"
    with pytest.raises(ReferenceError, match="no bundle"):
        install(tmp_path / "absent.tar", there)
    (tmp_path / "text.tar").write_text("nothing")
    with pytest.raises(ReferenceError, match="no bundle"):
        install(tmp_path / "text.tar", there)
    content = packed.read_bytes()
    (tmp_path / "cut.tar").write_bytes(content[: len(content) // 2])
    with pytest.raises(ReferenceError):
        install(tmp_path / "cut.tar", there)
    with pytest.raises(ReferenceError, match="no manifest"):
        install(altered(packed, lambda name, content: content if "pmap" in name else None), there)


def test_another_file_of_the_same_name_is_kept(packed, photom, tmp_path):
    there = tmp_path / "there"
    write_set(there, [(photom, "WFI09", None)])
    with pytest.raises(ReferenceError, match="another file of this name"):
        install(packed, there)
    assert References(there).context == "roman_0001.pmap"


def test_a_chosen_file_that_is_not_there(root, meta, tmp_path):
    (root / "references/roman/roman_wfi_epsf_0001.asdf").unlink()
    with pytest.raises(MissingReferenceError, match="epsf_0001"):
        bundle(References(root), [meta], tmp_path / "b.tar")
