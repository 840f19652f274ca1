"""``aqueduct psf``."""

from __future__ import annotations

import pytest
import typer
from astropy.io import fits
from typer.testing import CliRunner

from aqueduct.cli import psf
from aqueduct.core.errors import ConfigError
from aqueduct.psf import OpticalModel, image


@pytest.fixture
def psf_verb():
    """Run ``aqueduct psf`` with some words; errors are raised."""
    app = typer.Typer()
    app.add_typer(psf.app, name="psf")

    def run(*words):
        command = ["psf", *(str(word) for word in words)]
        return CliRunner().invoke(app, command, catch_exceptions=False)

    return run


def test_image_is_written_with_what_is_in_it(psf_verb, tmp_path):
    path = tmp_path / "psf.fits"
    result = psf_verb("image", "--filter", "F129", "--x", 10, "--y", 20, "--size", 15,
                      "--dx", 0.25, "--spectrum", "M5V", "--jitter", 12, "--out", path)  # fmt: skip
    values, header = fits.getdata(path, header=True)
    truth = image(
        OpticalModel("WFI01", "F129"), 10, 20, size=15, centre=(0.25, 0), spectrum="M5V", jitter=12
    )
    assert values == pytest.approx(truth.values)
    assert header["STAR_X"] == 7.25
    assert header["CONTENTS"] == "optics, jitter, charge diffusion, pixel"
    assert result.stdout.startswith(str(path))


def test_wavelength_in_place_of_a_spectral_type(psf_verb, tmp_path):
    path = tmp_path / "psf.fits"
    psf_verb("image", "--size", 15, "--spectrum", "1.6", "--out", path)
    truth = image(OpticalModel("WFI01", "F158"), 2043.5, 2043.5, size=15, spectrum=1.6)
    assert fits.getdata(path) == pytest.approx(truth.values)


def test_energy_rises_with_the_radius(psf_verb):
    lines = psf_verb("energy", "--filter", "F184", "--radii", "0.1,0.5,2").stdout.splitlines()
    shares = [float(line.split()[1]) for line in lines if line[0].isdigit()]
    assert len(shares) == 3
    assert 0.2 < shares[0] < shares[1] < shares[2] < 1


def test_radii_must_be_numbers(psf_verb):
    with pytest.raises(ConfigError, match="'wide' is no number"):
        psf_verb("energy", "--radii", "wide")


def test_kernel_says_what_it_leaves(psf_verb, tmp_path):
    path = tmp_path / "kernel.fits"
    result = psf_verb("kernel", "--from", "F158", "--to", "F213", "--size", 41, "--out", path)
    assert "noise times 0." in result.stdout
    assert fits.getdata(path).sum() == pytest.approx(1, abs=0.03)


def test_table_is_beside_the_published_one(psf_verb):
    lines = psf_verb("table", "--filter", "F184").stdout.splitlines()
    assert lines[0].split()[:3] == ["detector", "filter", "fwhm"]
    ours, theirs = lines[1].split()[2].split("/")
    assert float(ours) == pytest.approx(float(theirs), rel=0.01)
    assert [line.split()[0] for line in lines[1:]] == ["WFI01", "WFI18"]


def test_reference_is_made_and_read(psf_verb, tmp_path, monkeypatch):
    from functools import partial

    import aqueduct.psf

    small = partial(aqueduct.psf.epsf_reference, size=121, defocus=(0,), grid=(2043.5,))
    monkeypatch.setattr(aqueduct.psf, "epsf_reference", small)
    words = ("--detector", "WFI02", "--filter", "F213", "--out", tmp_path)
    assert ".pmap" in psf_verb("reference", *words).stdout
    (path,) = tmp_path.rglob("*epsf*.asdf")
    lines = psf_verb("energy", "--reference", path, "--radii", "0.5").stdout.splitlines()
    assert 0.7 < float(lines[-1].split()[1]) < 0.9
