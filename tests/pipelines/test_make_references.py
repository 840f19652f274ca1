"""The set on disk; what is in the files is tested beside :mod:`aqueduct.simulate.references`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from aqueduct.core.errors import InputError, OutputError
from aqueduct.pipelines import make_references
from aqueduct.pipelines.make_references import ensure, make
from aqueduct.products.references import (
    ApcorrReference,
    FileReference,
    FlatReference,
    GainReference,
    RefpixReference,
)
from aqueduct.references import References
from aqueduct.simulate.detector import Pink

Calls = list[tuple[Any, ...]]


def meta(detector: str = "WFI01", element: str = "F158") -> dict[str, Any]:
    return {
        "instrument": {"detector": detector, "optical_element": element},
        "exposure": {"type": "WFI_IMAGE", "start_time": "2027-01-01T00:00:00"},
    }


def flat_of(root: Path, *names: str) -> bytes:
    return References(root).find("flat", meta(*names)).read_bytes()


@pytest.fixture(autouse=True)
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Tiny arrays in place of a detector's maps; hears what was made."""
    heard: Calls = []

    def of_detector(truth: Any, config: Any, rng: Any) -> Iterator[FileReference]:
        heard.append((truth.detector,))
        yield GainReference(data=rng.random((4, 4), np.float32))

    def of_elements(
        truth: Any, elements: Any, jitter: float, config: Any, rng: Any
    ) -> Iterator[tuple[str | None, FileReference]]:
        for element in elements:
            heard.append((truth.detector, element))
            data = rng.random((4, 4), np.float32)
            flags = np.zeros((4, 4), np.uint32)
            yield element, FlatReference(data=data, err=data, dq=flags)
        row = {name: np.ones(2) for name in ("ee_radii", "ee_fractions", "ap_corrections")}
        yield None, ApcorrReference(table=dict.fromkeys(elements, row))

    def spectra(pink: Pink, config: Any, rng: Any) -> RefpixReference:
        heard.append(("refpix",))
        none = np.zeros((1, 2), np.complex128)
        return RefpixReference(gamma=none, zeta=none, alpha=none)

    def truth(detector: str, config: Any) -> Any:
        return SimpleNamespace(detector=detector, pink=Pink())

    for name, fake in (
        ("detector_references", of_detector),
        ("element_references", of_elements),
        ("reference_pixels", spectra),
        ("detector_truth", truth),
        ("source_digest", lambda function: "source"),
    ):
        monkeypatch.setattr(make_references, name, fake)
    return heard


def test_a_set_goes_on_where_it_stopped(tmp_path: Path, calls: Calls) -> None:
    make(tmp_path, ["WFI01"], ["F158"])
    assert calls == [("refpix",), ("WFI01",), ("WFI01", "F158")]
    calls.clear()
    context = make(tmp_path, ["WFI01", "WFI02"], ["F158"])
    assert calls == [("WFI02",), ("WFI02", "F158")]
    calls.clear()
    assert make(tmp_path, ["WFI01", "WFI02"], ["F158"]) == context
    assert calls == []


def test_a_detector_that_failed_is_not_in_the_set(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = make_references.element_references

    def broken(truth: Any, *rest: Any) -> Iterator[Any]:
        if truth.detector == "WFI02":
            raise KeyboardInterrupt
        yield from whole(truth, *rest)

    monkeypatch.setattr(make_references, "element_references", broken)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, ["WFI01", "WFI02", "WFI03"], ["F158"])
    monkeypatch.setattr(make_references, "element_references", whole)
    calls.clear()
    make(tmp_path, ["WFI01", "WFI02", "WFI03"], ["F158"])
    assert [call[0] for call in calls] == ["WFI02", "WFI02", "WFI03", "WFI03"]


def test_a_filter_added_later_keeps_the_others(tmp_path: Path, calls: Calls) -> None:
    make(tmp_path, ["WFI01"], ["F158"])
    calls.clear()
    make(tmp_path, ["WFI01"], ["F129", "F158"])
    assert calls == [("WFI01", "F129")]
    assert set(References(tmp_path).get(ApcorrReference, meta()).table) == {"F129", "F158"}


def test_the_number_of_the_realisation_is_the_key_of_the_errors(tmp_path: Path) -> None:
    for name, number in (("a", 3), ("b", 3), ("c", 4)):
        make(tmp_path / name, ["WFI01", "WFI02"], ["F158"], number)
    a, b, c = (flat_of(tmp_path / name) for name in "abc")
    assert a == b != c
    assert flat_of(tmp_path / "a", "WFI02") != a


def test_another_realisation_replaces_the_first_in_the_rules(tmp_path: Path) -> None:
    make(tmp_path, ["WFI01"], ["F158"], 1)
    first = flat_of(tmp_path)
    make(tmp_path, ["WFI01"], ["F158"], 2)
    assert flat_of(tmp_path) != first


def test_a_full_disk_is_told_before_anything_is_made(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "aqueduct.run.forecast.shutil.disk_usage", lambda path: SimpleNamespace(free=50 << 30)
    )
    with pytest.raises(OutputError, match=r"5[0-9]\.\d GB are needed and 50.0 GB are free"):
        make(tmp_path)
    assert calls == []


@pytest.mark.parametrize(
    ("names", "hint"), [((["WFI19"], ["F158"]), "WFI19"), ((["WFI01"], ["F15"]), "F158")]
)
def test_mistyped_names_are_met_first(
    tmp_path: Path, calls: Calls, names: tuple[list[str], list[str]], hint: str
) -> None:
    with pytest.raises(InputError, match=hint):
        make(tmp_path / "set", *names)
    assert calls == [] and not (tmp_path / "set").exists()


def test_what_it_will_take_is_said(tmp_path: Path) -> None:
    told: list[str] = []
    make(tmp_path, ["WFI01"], ["F158"], note=told.append)
    assert told[0] == "needs 1.7 GB of disk and 2 GB of memory"


def test_ensure_makes_what_exposures_lack(tmp_path: Path, calls: Calls) -> None:
    ensure(tmp_path, [meta(), meta("WFI03", "F129")])
    assert calls == [("WFI01",), ("WFI01", "F158"), ("WFI03",), ("WFI03", "F129")]
    calls.clear()
    ensure(tmp_path, [meta(), meta("WFI03", "F158")])
    assert calls == [("WFI03", "F158")]


def test_ensure_remakes_a_set_of_another_instrument(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure(tmp_path, [meta()])
    calls.clear()
    monkeypatch.setattr(make_references, "source_digest", lambda function: "changed")
    ensure(tmp_path, [meta()])
    assert calls == [("WFI01",), ("WFI01", "F158")]


def test_ensure_leaves_files_made_elsewhere(
    tmp_path: Path, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(make_references, "_MARK", "From the archive")
        make(tmp_path, ["WFI01"], ["F158"])
    calls.clear()
    ensure(tmp_path, [meta()])
    assert calls == []
