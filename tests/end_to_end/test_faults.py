"""Bad input and bad luck: one message that says what, where and what next; nothing left behind."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import toys
from sameness import hidden, products

from aqueduct import io
from aqueduct.core import dq
from aqueduct.products import Image
from aqueduct.products.meta import updated
from aqueduct.references.crds import checksum
from aqueduct.run import runner

ROOT = os.geteuid() == 0


def assert_told(result, *phrases, out=None):
    """Assert one message, exit status 2, no traceback, and no product in ``out``."""
    text = result.stderr
    assert (result.exit_code if hasattr(result, "exit_code") else result.returncode) == 2, text
    assert text.count("error: ") == 1, text
    assert "Traceback" not in text
    assert "\n  next: " in text, text
    for phrase in phrases:
        assert str(phrase) in text, text
    if out is not None and out.is_dir():
        assert products(out) == []
        assert hidden(out) == []


def official(path: Path, model: str, **options: object) -> Path:
    """A product as the official package writes it."""
    from roman_datamodels import datamodels

    getattr(datamodels, model).create_fake_data(**options).to_asdf(path)
    return path


@pytest.fixture
def toy(call, tmp_path):
    """Run the quick pipeline into ``out`` by the command line."""
    return lambda *words: call("-q", "run", "toy", *words, "--out", tmp_path / "out")


# --------------------------------------------------------------------------- damaged inputs
@pytest.mark.parametrize("keep", [0, 3, 300, 2_000, 0.5, 0.9])
def test_truncated_image(toy, images, tmp_path, keep):
    content = images[0].read_bytes()
    size = int(keep * len(content)) if isinstance(keep, float) else keep
    images[0].write_bytes(content[:size])
    assert_told(toy(images[0]), images[0].name, out=tmp_path / "out")


def test_flipped_bits_in_the_header(toy, images, tmp_path):
    content = bytearray(images[0].read_bytes())
    place = content.index(b"optical_element")
    content[place + 15] ^= 0x80  # the colon becomes no UTF-8
    images[0].write_bytes(content)
    assert_told(toy(images[0]), images[0].name, "corrupt", out=tmp_path / "out")


def test_flipped_bits_in_the_data(toy, images, tmp_path):
    content = bytearray(images[0].read_bytes())
    start = content.index(b"\xd3BLK")
    content[start + 60 :] = bytes(byte ^ 0x01 for byte in content[start + 60 :])
    images[0].write_bytes(content)
    assert_told(toy(images[0]), images[0].name, "corrupt", out=tmp_path / "out")


@pytest.mark.parametrize("keep", [0, 4, 0.5, 0.99])
def test_truncated_catalog(call, tmp_path, keep):
    from roman_datamodels import datamodels

    path = tmp_path / "x_cat.parquet"
    datamodels.ImageSourceCatalogModel.create_fake_data().to_parquet(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    for words in (("show", path), ("run", "toy", path, "--out", tmp_path / "out")):
        assert_told(call("-q", *words), path.name, "corrupt or truncated", out=tmp_path / "out")


@pytest.mark.parametrize("ending", [".asdf", ".parquet", ".json"])
def test_folder_in_the_place_of_a_file(toy, tmp_path, ending):
    path = tmp_path / f"x{ending}"
    path.mkdir()
    assert_told(toy(path), path.name, out=tmp_path / "out")


def test_fits_file(toy, tmp_path):
    from astropy.io import fits

    path = tmp_path / "x_uncal.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(path)
    assert_told(toy(path), path.name, "not an ASDF file", out=tmp_path / "out")


def test_absent_file(toy, tmp_path):
    assert_told(toy(tmp_path / "absent.asdf"), "no such file", out=tmp_path / "out")


# ------------------------------------------------------------------------------ wrong inputs
def test_level_2_given_to_exposure(call, images, tmp_path):
    result = call("run", "exposure", images[0], "--out", tmp_path / "out")
    assert_told(result, images[0].name, "this is Image", "run mosaic", out=tmp_path / "out")


@pytest.fixture
def coadd(tmp_path: Path) -> Path:
    mosaic = io.read(official(tmp_path / "template.asdf", "MosaicModel", shape=(20, 20)))
    path = tmp_path / "x_f158_coadd.asdf"
    io.write(mosaic, path)
    return path


def test_coadd_given_to_mosaic(call, coadd, tmp_path):
    result = call("run", "mosaic", coadd, "--out", tmp_path / "out")
    assert_told(result, coadd.name, "this is Mosaic", "run catalog", out=tmp_path / "out")


def test_two_coadds_of_one_filter(call, coadd, tmp_path):
    (tmp_path / "again").mkdir()
    other = shutil.copy(coadd, tmp_path / "again")
    result = call("-q", "run", "catalog", coadd, other, "--out", tmp_path / "out")
    assert_told(result, "more than one co-add of a filter", "F062", out=tmp_path / "out")


@pytest.mark.parametrize("text", ["", "{", '{"products": []}', "[1]"])
def test_broken_association(call, tmp_path, text):
    path = tmp_path / "x_asn.json"
    path.write_text(text)
    assert_told(call("run", "mosaic", path, "--out", tmp_path / "out"), path.name)


def association(folder: Path, members: list[str]) -> Path:
    from aqueduct.geometry.skycells import SkyCell, cells_overlapping
    from aqueduct.products import Association

    cell: SkyCell = cells_overlapping(np.array([10.0, 10.1, 10.1]), np.array([0.1, 0.1, 0.2]))[0]
    made = Association("r00001_p_x_f158", tuple(members), cell.name, cell.wcs_info())
    path = folder / "x_asn.json"
    io.write_association(made, path)
    return path


def test_association_with_absent_members(call, images, tmp_path):
    path = association(images[0].parent, [images[0].name, "absent_cal.asdf"])
    result = call("run", "mosaic", path, "--out", tmp_path / "out")
    assert_told(result, "1 of 2 members", "absent_cal.asdf", out=tmp_path / "out")


def test_association_without_a_sky_cell(call, images, tmp_path):
    path = association(images[0].parent, [images[0].name])
    tree = json.loads(path.read_text())
    tree["skycell_wcs_info"] = "none"
    path.write_text(json.dumps(tree))
    result = call("run", "mosaic", path, "--out", tmp_path / "out")
    assert_told(result, path.name, "sky cell", out=tmp_path / "out")


# --------------------------------------------------------------------------------- parameters
@pytest.mark.parametrize(
    ("words", "phrases"),
    [
        (["--set", "scal.factor=1"], ["unknown step 'scal'", "'scale'"]),
        (["--set", "scale.facter=1"], ["unknown parameter scale.facter", "'factor'"]),
        (["--set", "scale.factor=-1"], ["scale.factor = -1", "greater than 0"]),
        (["--set", "scale.factor"], ["not understood", "step.field=value"]),
        (["--skip", "speckel"], ["no step 'speckel'", "'speckle'"]),
        (["--until", "labels"], ["no step 'labels'", "'label'"]),
        (["--from", "nothing"], ["no step 'nothing'"]),
    ],
)
def test_mistaken_parameters(toy, images, tmp_path, words, phrases):
    assert_told(toy(images[0], *words), *phrases, out=tmp_path / "out")


@pytest.mark.parametrize("text", ["[scale", "factor = 1", "[scale]\nfactor = 'x'", "[scael]\n"])
def test_bad_configuration(toy, images, tmp_path, text):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    assert_told(toy(images[0], "--config", file), file, out=tmp_path / "out")


def test_unknown_pipeline(call, images, tmp_path):
    result = call("run", "exposures", images[0], "--out", tmp_path / "out")
    assert_told(result, "no pipeline 'exposures'", "'exposure'", out=tmp_path / "out")


# -------------------------------------------------------------------------------- references
@pytest.fixture
def exposure(call, frame, tmp_path):
    """Calibrate the whole frame a little."""

    def run(*words):
        words = ("run", "exposure", frame.raw, "--until", "dq_init", *words)
        return call("-q", *words, "--out", tmp_path / "out")

    return run


def test_no_context(exposure, tmp_path):
    result = exposure("--references", tmp_path)
    assert_told(result, tmp_path, "no context", "references make", out=tmp_path / "out")


def copied_rules(frame, folder: Path) -> Path:
    """The rules of the frame's references, and none of the files."""
    shutil.copytree(frame.references / "mappings", folder / "mappings")
    return folder


def test_reference_file_that_is_not_there(exposure, frame, tmp_path):
    root = copied_rules(frame, tmp_path / "rules")
    assert_told(exposure("--references", root), "no file for mask", out=tmp_path / "out")


def test_reference_type_that_the_context_lacks(exposure, frame, tmp_path):
    root = copied_rules(frame, tmp_path / "rules")
    for path in (root / "mappings").rglob("*.imap"):
        changed = path.read_text().replace("'mask'", "'masque'")
        path.write_text(changed.replace(checksum(path.read_text()), checksum(changed)))
    assert_told(exposure("--references", root), "no mask reference", out=tmp_path / "out")


def test_rules_that_somebody_changed(exposure, frame, tmp_path):
    root = copied_rules(frame, tmp_path / "rules")
    for path in (root / "mappings").rglob("*.imap"):
        path.write_text(path.read_text().replace("'mask'", "'masque'"))
    assert_told(exposure("--references", root), "sha1sum", out=tmp_path / "out")


def reference(folder: Path, model: str, detector: str, shape: tuple[int, ...]) -> Path:
    from roman_datamodels import datamodels

    made = getattr(datamodels, model).create_fake_data(shape=shape)
    made.meta.instrument.detector = detector
    path = folder / f"{model}.asdf"
    made.to_asdf(path)
    return path


@pytest.mark.parametrize(
    ("model", "detector", "shape", "phrase"),
    [
        ("MaskRefModel", "WFI02", (4096, 4096), "WFI02"),
        ("MaskRefModel", "WFI01", (64, 64), "(64, 64)"),
        ("GainRefModel", "WFI01", (4096, 4096), "is a gain reference"),
    ],
)
def test_wrong_reference(exposure, frame, tmp_path, model, detector, shape, phrase):
    path = reference(tmp_path, model, detector, shape)
    file = tmp_path / "mine.toml"
    file.write_text(f'[references]\nmask = "{path.name}"\n')
    result = exposure("--references", frame.references, "--config", file)
    assert_told(result, path.name, phrase, out=tmp_path / "out")


@pytest.mark.parametrize("keep", [200, 100_000])
def test_damaged_reference(exposure, frame, tmp_path, keep):
    path = reference(tmp_path, "MaskRefModel", "WFI01", (4096, 4096))
    path.write_bytes(path.read_bytes()[:keep])
    file = tmp_path / "mine.toml"
    file.write_text(f'[references]\nmask = "{path.name}"\n')
    result = exposure("--references", frame.references, "--config", file)
    assert_told(result, path.name, "corrupt or truncated", out=tmp_path / "out")


# ------------------------------------------------------------------------- bad raw exposures
@pytest.fixture
def calibrate(call, frame, tmp_path):
    """Calibrate a raw exposure, or the frame with other bytes in its header, all the way."""

    def run(*words, raw=None, header=(b"", b"")):
        path = tmp_path / frame.raw.name
        if raw is not None:
            io.write(raw, path)
        else:
            content = frame.raw.read_bytes()
            end = content.index(b"\n...")
            assert header[0] in content[:end]
            path.write_bytes(content[:end].replace(*header) + content[end:])
        options = ("--references", frame.references, "--out", tmp_path / "out")
        return call("-q", "run", "exposure", path, *options, *words)

    return run


def made(folder: Path) -> Image:
    (path,) = folder.glob("*_cal.asdf")
    return io.read(path)


@pytest.mark.parametrize("keep", [0.3, 0.99])
def test_truncated_raw_exposure(call, frame, tmp_path, keep):
    path = tmp_path / frame.raw.name
    content = frame.raw.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    options = ("--references", frame.references, "--out", tmp_path / "out")
    result = call("-q", "run", "exposure", path, *options)
    assert_told(result, path.name, "corrupt or truncated", out=tmp_path / "out")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("data", np.s_[:, :4000]),
        ("data", np.s_[:, 4:-4, 4:-4]),
        ("data", np.s_[:-1]),
        ("amp33", np.s_[:-1]),
        ("amp33", np.s_[:, :, :100]),
    ],
)
def test_wrong_shape(calibrate, frame, tmp_path, name, part):
    raw = io.read(frame.raw)
    result = calibrate(raw=replace(raw, **{name: getattr(raw, name)[part]}))
    assert_told(result, frame.raw.name, "shape", out=tmp_path / "out")


@pytest.mark.parametrize(
    "keyword",
    ["read_pattern", "frame_time", "end_time", "optical_element", "visit_id", "ra_ref", "v3_ref"],
)
def test_missing_keyword(calibrate, frame, tmp_path, keyword):
    old = f" {keyword}:".encode()
    result = calibrate(header=(old, old[:-2] + b"_:"))
    assert_told(result, frame.raw.name, keyword, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("old", "new", "phrases"),
    [
        (b"WFI_IMAGE", b"WFI_IMAGS", ["no route", "WFI_IMAGE"]),
        (b"detector: WFI01", b"detector: WFI99", ["WFI99"]),
        (b"optical_element: F158", b"optical_element: F999", ["F999"]),
        (b"frame_time: 3", b"frame_time: x", ["frame_time"]),
    ],
)
def test_unknown_values(calibrate, tmp_path, old, new, phrases):
    assert_told(calibrate(header=(old, new)), *phrases, out=tmp_path / "out")


def test_grism_frame_with_the_distortion_of_an_imaging_filter(calibrate, frame, tmp_path):
    import asdf

    (path,) = frame.references.rglob("*_distortion_*.asdf")
    with asdf.open(path, memmap=False, lazy_load=False) as file:
        file["roman"]["meta"]["instrument"]["optical_element"] = "F158"
        path = tmp_path / path.name
        file.write_to(path)
    raw = io.read(frame.raw)
    about = {"exposure": {"type": "WFI_SPECTRAL"}, "instrument": {"optical_element": "GRISM"}}
    raw = replace(raw, meta=updated(raw.meta, **about))
    result = calibrate("--set", f"references.distortion={path}", raw=raw)
    assert_told(result, path.name, "F158", "GRISM", out=tmp_path / "out")


def spoilt(frame, folder: Path, kind: str, rows: slice) -> Path:
    """A reference of the frame with NaN in some rows."""
    import asdf

    (path,) = frame.references.rglob(f"*_wfi_{kind}_*.asdf")
    with asdf.open(path, memmap=False, lazy_load=False) as file:
        name = {"linearity": "coeffs", "dark": "dark_slope"}.get(kind, "data")
        values = np.array(file["roman"][name])
        values[..., rows, :] = np.nan
        file["roman"][name] = values
        file.write_to(folder / path.name)
    return folder / path.name


@pytest.mark.parametrize("kind", ["saturation", "linearity", "gain", "readnoise", "dark", "flat"])
def test_reference_of_nothing_but_nan(calibrate, frame, tmp_path, kind):
    path = spoilt(frame, tmp_path, kind, slice(None))
    result = calibrate("--set", f"references.{kind}={path}")
    assert_told(result, path.name, "NaN everywhere", out=tmp_path / "out")


def test_references_with_some_nan_flag_pixels(calibrate, frame, tmp_path):
    kinds = ("saturation", "linearity", "gain", "readnoise", "dark", "flat")
    words = []
    for number, kind in enumerate(kinds):
        path = spoilt(frame, tmp_path, kind, slice(100 + 10 * number, 105 + 10 * number))
        words += ["--set", f"references.{kind}={path}"]
    result = calibrate(*words)
    assert result.exit_code == 0, result.stderr
    image = made(tmp_path / "out")
    for number, kind in enumerate(kinds):
        first = 100 + 10 * number - (0 if kind == "flat" else 4)
        rows = slice(first, first + 5)
        told = (image.dq[rows] != 0) | np.isnan(image.data[rows])
        assert told.all(), kind
    assert (image.dq[300:] & dq.DO_NOT_USE == 0).mean() > 0.98


# ------------------------------------------------------------------- too little to align by
def test_no_stars(calibrate, frame, tmp_path):
    raw = io.read(frame.raw)
    rng = np.random.default_rng(4)
    data = np.array(raw.data)
    for i in range(1, len(data)):  # the first resultant again, with the sky and noise
        data[i] = data[0] + rng.poisson(10 * i, data[0].shape).astype(np.uint16)
    result = calibrate(raw=replace(raw, data=data))
    assert result.exit_code == 0, result.stderr
    assert_not_aligned(tmp_path / "out")


def test_reference_catalog_without_stars(calibrate, frame, tmp_path):
    from pyarrow import parquet

    table = parquet.read_table(frame.references / "astrometry.parquet")
    path = tmp_path / "empty.parquet"
    parquet.write_table(table.slice(0, 0), path)
    result = calibrate("--set", f"references.astrometry={path}")
    assert result.exit_code == 0, result.stderr
    assert_not_aligned(tmp_path / "out")


def assert_not_aligned(folder: Path) -> None:
    image = made(folder)
    assert image.meta["cal_step"]["tweakreg"] == "FAILED"
    assert image.meta["wcs_fit_results"]["status"] == "FAILED"
    assert "too few stars" in image.meta["wcs_fit_results"]["reason"]
    assert image.wcs is not None


def test_a_detector_that_fails_keeps_no_other_from_its_alignment(call, frame, tmp_path):
    other = tmp_path / frame.raw.name.replace("wfi01", "wfi02")
    other.write_bytes(frame.raw.read_bytes().replace(b"WFI01", b"WFI02")[:1_000_000])
    options = ("--references", frame.references, "--out", tmp_path / "out")
    result = call("-q", "run", "exposure", other, frame.raw, *options)
    assert_told(result, "WFI02")
    image = made(tmp_path / "out")
    assert image.meta["cal_step"]["tweakreg"] == "COMPLETE"
    assert image.meta["wcs_fit_results"]["n_detector"] == 1


# ------------------------------------------------------------------------------------- output
@contextlib.contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system in memory."""
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if not ROOT or subprocess.run(words, capture_output=True).returncode:
        pytest.skip("mounting a file system takes more rights than there are")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_disk_too_small_is_said_before_the_work(call, images, tmp_path):
    with mounted(tmp_path / "disk", "size=2m") as disk:
        result = call("-q", "run", "toy", *images, "--out", disk)
        assert_told(result, disk, "are needed", "free some space")
        assert list(disk.iterdir()) == []


def test_disk_too_small_by_the_books(toy, images, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(9, 8, 1))
    assert_told(toy(*images), "are needed", tmp_path / "out", out=tmp_path / "out")


def test_disk_that_fills_up(call, images, tmp_path, monkeypatch):
    monkeypatch.setattr(runner, "check_space", lambda folder, needed: None)
    with mounted(tmp_path / "disk", "size=24k") as disk:
        result = call("-q", "run", "toy", images[0], "--until", "scale", "--out", disk)
        assert_told(result, disk, "no space left", "free some space", out=disk)


def test_file_size_limit(aqueduct, images, tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, 16_000))

    out = tmp_path / "out"
    words = ("-q", "run", "toy", images[0], "--until", "scale", "--out", out)
    assert_told(aqueduct(*words, preexec_fn=limit), "no space left", out=out)
    assert aqueduct(*words).returncode == 0
    assert len(products(out)) == 1


def test_file_in_the_place_of_the_folder(toy, images, tmp_path):
    (tmp_path / "out").write_text("a file")
    assert_told(toy(images[0]), tmp_path / "out", "can't be written to", "--out")
    assert (tmp_path / "out").read_text() == "a file"


def test_read_only_disk(call, images, tmp_path):
    with mounted(tmp_path / "disk", "size=2m,ro") as disk:
        assert_told(call("-q", "run", "toy", images[0], "--out", disk / "out"), disk, "Read-only")


@pytest.mark.skipif(ROOT, reason="permissions don't bind root")
def test_folder_without_permission(call, images, tmp_path):
    (tmp_path / "locked").mkdir(mode=0o555)
    out = tmp_path / "locked" / "out"
    assert_told(call("-q", "run", "toy", images[0], "--out", out), out, "Permission denied")


def test_the_command_by_itself_prints_no_traceback(aqueduct, images, tmp_path):
    images[0].write_bytes(images[0].read_bytes()[:3000])
    result = aqueduct("run", "toy", *images[:1], "--out", tmp_path / "out")
    assert_told(result, images[0].name, out=tmp_path / "out")
    assert toys.VISIT in result.stderr
