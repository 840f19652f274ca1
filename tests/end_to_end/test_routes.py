"""Exposures that are no plain images, and images of which a part never came, end to end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from aqueduct import io
from aqueduct.core import dq
from aqueduct.products import Image, Raw
from aqueduct.products.meta import updated
from aqueduct.run import Summary, run

LOST = dq.DROPOUT | dq.DO_NOT_USE
GIVEN = ("refpix", "dark_decay", "linearity", "ramp_fit", "dark", "flat_field")
"""What is not done to a detector on which everything is saturated."""


@pytest.fixture
def calibrated(frame, tmp_path) -> Callable[..., tuple[Image, Summary]]:
    """Calibrate the frame after a change."""

    def go(change: Callable[[Raw], Raw], **options: object) -> tuple[Image, Summary]:
        path = tmp_path / frame.raw.name
        raw = change(io.read(frame.raw))
        io.write(raw, path)
        out = tmp_path / "out"
        options = {"check": False, **options}
        summary = run("exposure", path, out=out, references=frame.references, **options)
        (image,) = [*out.glob("*_cal.asdf"), *out.glob("*_flat.asdf")]
        return io.read(image), summary

    return go


@pytest.fixture(scope="module")
def whole(frame, tmp_path_factory) -> Image:
    """The frame calibrated as it is, as far as its rates."""
    out = tmp_path_factory.mktemp("whole")
    run("exposure", frame.raw, out=out, references=frame.references, until="flat")
    (image,) = out.glob("*_flat.asdf")
    return io.read(image)


def of_type(kind: str, **instrument: object) -> Callable[[Raw], Raw]:
    return lambda raw: replace(
        raw, meta=updated(raw.meta, exposure={"type": kind}, instrument=instrument)
    )


def endings(summary: Summary) -> set[str]:
    return {path.name.rpartition("_")[2] for path in summary.files}


@pytest.mark.parametrize(
    ("kind", "element", "flat"),
    [
        ("WFI_WFSC", "F158", "COMPLETE"),
        ("WFI_SPECTRAL", "GRISM", "SKIPPED"),
        ("WFI_IM_DARK", "DARK", "SKIPPED"),
    ],
)
def test_routes_that_end_without_a_catalog(calibrated, kind, element, flat):
    image, summary = calibrated(of_type(kind, optical_element=element), check=True)
    assert endings(summary) == {"cal.asdf", "wcs.asdf"}
    status = image.meta["cal_step"]
    assert status["flat_field"] == flat
    assert status["source_catalog"] == status["tweakreg"] == "SKIPPED"
    assert status["wfi18_transient"] == "N/A"
    assert {status[name] for name in ("ramp_fit", "dark", "assign_wcs", "photom")} == {"COMPLETE"}
    known = image.meta["photometry"]["conversion_megajanskys"] is not None
    assert known == (element == "F158")
    dark = kind in ("WFI_IM_DARK", "WFI_FLAT")
    assert (image.meta["statistics"]["zodiacal_light"] > 0) == (not dark)
    assert image.meta["statistics"]["good_pixel_fraction"] > 0.98
    assert image.meta["background"]["level"] > 0
    assert image.wcs is not None


def test_everything_saturated(calibrated):
    def change(raw: Raw) -> Raw:
        return replace(raw, data=np.full(raw.data.shape, 65535, np.uint16))

    image, summary = calibrated(change, check=True)
    assert endings(summary) == {"cal.asdf", "wcs.asdf", "cat.parquet", "segm.asdf"}
    assert not image.data.any() and not image.err.any() and not image.var_rnoise.any()
    both = dq.SATURATED | dq.DO_NOT_USE
    assert (image.dq & both == both).all()
    status = image.meta["cal_step"]
    assert {status[name] for name in GIVEN} == {"SKIPPED"}
    assert status["saturation"] == status["assign_wcs"] == "COMPLETE"
    assert status["tweakreg"] == "FAILED"
    assert image.meta["statistics"]["good_pixel_fraction"] == 0
    (catalog,) = (path for path in summary.files if path.suffix == ".parquet")
    assert len(io.read(catalog)) == 0


def pull(image: Image, whole: Image, rows: slice = slice(None)) -> np.ndarray:
    """Differences from the whole exposure in errors, of pixels good in both."""
    good = ((image.dq | whole.dq)[rows] & dq.DO_NOT_USE) == 0
    off = (image.data[rows] - whole.data[rows]) / image.err[rows].astype(np.float32)
    return off[good]


def test_lost_resultants_and_rows(calibrated, whole):
    def change(raw: Raw) -> Raw:
        data, flags = np.array(raw.data), np.zeros(raw.data.shape, np.uint8)
        data[2, 10:600], flags[2, 10:600] = 0, LOST
        data[1:3, 1000:1010], flags[1:3, 1000:1010] = 65535, LOST
        data[:, 2000:2004], flags[:, 2000:2004] = 65535, LOST
        data[0, 3000:3100], flags[0, 3000:3100] = 65535, LOST
        about = {"engineering_quality": "SUSPECT", "data_problem": "lost packets"}
        return replace(raw, data=data, resultantdq=flags, meta=updated(raw.meta, exposure=about))

    image, _ = calibrated(change, until="flat")
    assert image.meta["exposure"]["data_problem"] == "lost packets"
    touched = np.zeros(4096, bool)
    for rows in (slice(10, 600), slice(1000, 1010), slice(2000, 2004), slice(3000, 3100)):
        touched[rows] = True
    science = touched[4:-4]
    assert ((image.dq & dq.DROPOUT) != 0).all(axis=1)[science].all()
    assert not (image.dq[~science] & dq.DROPOUT).any()
    assert (image.dq[1996:2000] & dq.DO_NOT_USE).all()
    for rows in (slice(6, 590), slice(996, 1006), slice(2996, 3096)):
        off = pull(image, whole, rows)
        assert off.size > 0.98 * image.data[rows].size
        # Noise that all pixels of a resultant share shows where it weighs more.
        assert np.abs(np.median(off)) < 0.3
        assert np.percentile(np.abs(off), 99) < 4
        more = (image.dq & ~whole.dq)[rows]
        assert np.count_nonzero(more & dq.SATURATED) < 1e-4 * more.size
        assert np.count_nonzero(more & dq.JUMP_DET) < 0.01 * more.size
    assert np.abs(np.median(pull(image, whole, slice(1100, 1900)))) < 0.05


@pytest.mark.parametrize("listed", ["all", "taken"])
def test_a_truncated_exposure(calibrated, whole, listed):
    def change(raw: Raw) -> Raw:
        pattern = raw.meta["exposure"]["read_pattern"]
        pattern = pattern if listed == "all" else pattern[:-1]
        about = {"truncated": True, "read_pattern": pattern, "nresultants": len(raw.data) - 1}
        parts = {"data": raw.data[:-1], "amp33": raw.amp33[:-1]}
        return replace(raw, **parts, meta=updated(raw.meta, exposure=about))

    image, _ = calibrated(change, until="flat")
    assert image.meta["exposure"]["truncated"]
    off = pull(image, whole)
    assert off.size > 0.98 * image.data.size
    assert np.abs(np.median(off)) < 0.1
    assert np.percentile(np.abs(off), 99) < 4
