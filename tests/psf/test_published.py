from __future__ import annotations

from dataclasses import asdict

import pytest

from aqueduct.core.errors import InputError
from aqueduct.psf.published import published, summary

SHARP = {"fwhm": 0.03, "pixels": 0.08, "pixels_corner": 0.04, "peak": 0.04, "peak_corner": 0.05}
SOFT = {"fwhm": 0.01, "pixels": 0.035, "pixels_corner": 0.025, "peak": 0.025, "peak_corner": 0.015}


def test_row_of_the_tables() -> None:
    assert asdict(published("WFI01", "F158")) == {
        "fwhm": 0.128,
        "pixels": 9.65,
        "pixels_corner": 12.63,
        "peak": 0.29081,
        "peak_corner": 0.14343,
        "total": 0.97730,
    }


@pytest.mark.parametrize(
    ("detector", "element", "within"),
    [
        ("WFI01", "F087", SHARP),
        ("WFI18", "F129", SHARP),
        ("WFI01", "F158", SOFT),
        ("WFI18", "F184", SOFT),
        ("WFI18", "F213", SOFT),
    ],
)
def test_model_agrees(detector: str, element: str, within: dict[str, float]) -> None:
    ours, theirs = asdict(summary(detector, element)), asdict(published(detector, element))
    assert ours["total"] == pytest.approx(theirs["total"], abs=0.0025)
    for name, share in within.items():
        assert ours[name] == pytest.approx(theirs[name], rel=share), name


def test_no_such_row() -> None:
    with pytest.raises(InputError, match="WFI02 F158"):
        published("WFI02", "F158")
