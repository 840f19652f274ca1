from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from aqueduct import io
from aqueduct.core.errors import ConfigError, InputError
from aqueduct.geometry import skycells
from aqueduct.io.table import read_table
from aqueduct.pipelines import injection
from aqueduct.pipelines.injection import Grid, inject
from aqueduct.pipelines.programs import Sky, truth_file
from aqueduct.pipelines.simulation import coadd_meta
from aqueduct.products import Catalog, Raw
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.references import References
from aqueduct.simulate import ProgramConfig
from aqueduct.simulate.level3 import Level3Config, Stack, level3
from aqueduct.simulate.observation import metadata


def gaussian_epsf() -> Epsf:
    at = (np.arange(161) - 80) / 4
    one = np.exp(-0.5 * (at / 0.75) ** 2)
    return Epsf(normalised((one[:, None] * one)[None], 4), 4, np.zeros(1), np.zeros(1))


@pytest.fixture
def coadd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small empty co-add in a file."""
    monkeypatch.setattr(injection, "true_epsf", lambda *args: gaussian_epsf())
    sky = Sky.of(ProgramConfig(scene={"stars": 0, "galaxies": 0}), 1)
    grid = replace(skycells.cell("270p65x50y50"), pixels=200)
    taken = sky.observations()
    stack = Stack.of(grid, "F158", taken[0].table, Level3Config(exposures=4))
    meta = coadd_meta(taken, grid, 8.0)
    rng, time = np.random.default_rng(1), taken[0].start_time
    mosaic, _ = level3(sky.scene, grid, stack, gaussian_epsf(), meta, time, rng)
    path = tmp_path / "r00001_p_full_270p65x50y50_f158_coadd.asdf"
    io.write(mosaic, path)
    return path


def test_pair_differs_by_the_sources(coadd: Path, tmp_path: Path) -> None:
    before = io.read(coadd)
    digest = coadd.read_bytes()
    out = tmp_path / "with"
    (path,) = inject([coadd], grid=Grid(60, 20, 21), out=out)
    after = io.read(path)
    truth, about = read_table(truth_file(path))
    assert path.name == coadd.name and coadd.read_bytes() == digest
    assert len(truth["x"]) == 9 and about["recipe"]["inputs"][0]["name"] == coadd.name
    changed = after.data - before.data
    for x, y in zip(truth["x"], truth["y"], strict=True):
        row, column = round(y), round(x)
        assert changed[row, column] > 10 * before.err[row, column]
        assert after.err[row, column] > before.err[row, column]
    again = path.stat().st_mtime_ns
    inject([coadd], grid=Grid(60, 20, 21), out=out)
    assert path.stat().st_mtime_ns == again
    inject([coadd], grid=Grid(60, 20, 21), seed=2, out=out)
    assert path.stat().st_mtime_ns != again


def test_a_file_is_not_overwritten_by_its_own_injection(coadd: Path) -> None:
    with pytest.raises(InputError, match="overwritten"):
        inject([coadd], grid=Grid(), out=coadd.parent)


def test_one_kind_of_source(coadd: Path, tmp_path: Path) -> None:
    for given in ({}, {"preset": "demo", "grid": Grid()}):
        with pytest.raises(ConfigError, match="one of a catalog"):
            inject([coadd], out=tmp_path / "x", **given)


def test_sources_beside_the_files_are_told(coadd: Path, tmp_path: Path) -> None:
    table = tmp_path / "far.ecsv"
    Table({"ra": [10.0] * u.deg, "dec": [-30.0] * u.deg, "F158": [1e-8]}).write(table)
    with pytest.raises(InputError, match="no source lies on any"):
        inject([coadd], catalog=table, out=tmp_path / "out")


def test_nothing_goes_into_spectra(tmp_path: Path) -> None:
    observation = Sky.of(ProgramConfig(filters=("GRISM",)), 1).observations()[0]
    planes = np.zeros((2, 1, 8, 8), np.uint16)
    raw = Raw(*planes, metadata(observation, 8.0))
    with pytest.raises(InputError, match="spectra of GRISM"):
        injection.Injector(Grid(), 1, References(tmp_path)).into(raw, "x")


def test_nothing_goes_into_a_catalog(tmp_path: Path) -> None:
    injector = injection.Injector(Grid(), 1, References(tmp_path))
    with pytest.raises(InputError, match="into a Catalog"):
        injector.into(Catalog({}, {}, "image"), "x")
