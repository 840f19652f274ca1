from __future__ import annotations

from pathlib import Path

from conftest import Make

from aqueduct import archive, io


def test_only_what_came_shortly_before_on_the_same_detector(make: Make, tmp_path: Path) -> None:
    for name, start, detector in (
        ("long_before.asdf", "2027-01-01T08:00:00", "WFI01"),
        ("before.asdf", "2027-01-01T09:50:00", "WFI01"),
        ("another.asdf", "2027-01-01T09:50:00", "WFI02"),
        ("running.asdf", "2027-01-01T09:59:30", "WFI01"),
        ("itself.asdf", "2027-01-01T10:00:00", "WFI01"),
        ("after.asdf", "2027-01-01T10:10:00", "WFI01"),
    ):
        make(name, start=start, detector=detector)
    archive.update(tmp_path)
    meta = io.peek(tmp_path / "itself.asdf").meta
    found = archive.earlier_exposures(tmp_path, [meta, meta])
    assert [path.name for path, _ in found] == ["before.asdf"]
    assert found[0][1]
