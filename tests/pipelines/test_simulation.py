"""The parts of a simulation around the physics: sources, streams, files, resumption.

Sky cells are cut to a corner and the ePSF is a Gaussian, so that each product takes a moment.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aqueduct import io
from aqueduct.core.errors import ConfigError
from aqueduct.geometry import skycells
from aqueduct.io.table import read_table
from aqueduct.pipelines import programs, simulation
from aqueduct.pipelines.programs import SCENE, STARS, Sky, program_of, truth_file
from aqueduct.pipelines.simulation import coadd_meta, simulate_l2, simulate_l3
from aqueduct.products import Mosaic
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.simulate import ProgramConfig


def gaussian_epsf() -> Epsf:
    at = (np.arange(161) - 80) / 4
    one = np.exp(-0.5 * (at / 0.75) ** 2)
    return Epsf(normalised((one[:, None] * one)[None], 4), 4, np.zeros(1), np.zeros(1))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    def cell(name: str) -> skycells.SkyCell:
        whole = skycells.cell(name)
        x, y = whole.plane.to_pixel(270.0, 66.0)
        moved = {"x0": whole.x0 - float(x) + 100, "y0": whole.y0 - float(y) + 100}
        return replace(whole, pixels=200, **moved)

    monkeypatch.setattr(simulation, "cell", cell)
    monkeypatch.setattr(simulation, "true_epsf", lambda *args: gaussian_epsf())


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    from astropy.table import Table

    path = tmp_path / "sources.ecsv"
    table = Table({"ra": [270.0, 270.001], "dec": [66.0, 66.0005], "F158": [5000.0, 800.0]})
    table["F158"].unit = "nJy"
    table.write(path, format="ascii.ecsv")
    return path


class Counted:
    """Hears what became of each product."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def planned(self, units, expected) -> None:
        self.units = len(units)

    def progress(self, unit, outcome, text, part) -> None:
        if outcome is not None:
            self.seen.append(outcome.status)


def test_coadd_of_a_catalog_is_written_once_and_resumed(small, catalog, tmp_path) -> None:
    listener = Counted()
    given = {"preset": "demo", "elements": ["F158"], "catalog": catalog, "out": tmp_path / "l3"}
    (path,) = simulate_l3(**given, watcher=listener)
    mosaic = io.read(path)
    assert isinstance(mosaic, Mosaic) and path.name.endswith("_f158_coadd.asdf")
    assert mosaic.meta["resample"]["pointings"] == 2
    truth, about = read_table(truth_file(path))
    assert truth["id"].tolist() == [0, 1]
    np.testing.assert_allclose(truth["flux"], [5000, 800], rtol=1e-6)
    assert about["recipe"]["given"]["seed"] == 1
    row, column = round(truth["y"][0]), round(truth["x"][0])
    assert mosaic.data[row, column] > 20 * mosaic.err[row, column]
    assert (tmp_path / "l3" / SCENE).exists() and (tmp_path / "l3" / STARS).exists()

    before = path.stat().st_mtime_ns
    simulate_l3(**given, watcher=listener)
    assert path.stat().st_mtime_ns == before
    simulate_l3(**given, seed=2, watcher=listener)
    assert path.stat().st_mtime_ns != before
    assert listener.seen == ["made", "kept", "made"]


def test_written_scene_is_a_catalog(small, catalog, tmp_path) -> None:
    simulate_l3(preset="demo", elements=["F158"], catalog=catalog, out=tmp_path / "a")
    again = Sky.of(program_of("demo"), 1, tmp_path / "a" / SCENE)
    np.testing.assert_array_equal(again.scene.ra, [270.0, 270.001])
    np.testing.assert_allclose(again.scene.flux["F158"], [5000.0, 800.0])


def test_metadata_of_a_coadd_follow_from_its_exposures() -> None:
    sky = Sky.of(ProgramConfig(dithers=((0, 0), (5, 5)), scene={"stars": 0, "galaxies": 0}), 1)
    target = skycells.cell("270p65x50y50")
    meta = coadd_meta(sky.observations(), target, 8.0)
    assert meta["wcsinfo"]["skycell_name"] == target.name
    assert len(meta["individual_image_meta"]["basic"]) == 2
    assert meta["coadd_info"]["time_first"].isot == "2027-06-01T00:00:00.000"


def test_leaving_out_an_exposure_changes_no_other() -> None:
    both = Sky.of(program_of("demo"), 3)
    one = Sky.of(program_of("demo", elements=["F158"]), 3)
    first, other = both.observations()[0], one.observations()[0]
    assert first.true_pointing == other.true_pointing
    draws = [sky.exposure_rng("l2", first).random() for sky in (both, one)]
    assert draws[0] == draws[1] != both.exposure_rng("l1", first).random()
    np.testing.assert_array_equal(both.scene.ra, one.scene.ra)


def test_truth_has_a_name_of_its_own_for_each_level() -> None:
    names = [f"r1_0001_wfi01_f158_{suffix}.asdf" for suffix in ("uncal", "cal")]
    assert [truth_file(Path(name)).name for name in names] == [
        "r1_0001_wfi01_f158_truth.parquet",
        "r1_0001_wfi01_f158_cal_truth.parquet",
    ]


def test_programs_that_can_not_be_used(tmp_path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("radius = -1\n")
    with pytest.raises(ConfigError, match="radius"):
        program_of(file=file)
    file.write_text("radius = \n")
    with pytest.raises(ConfigError, match="TOML"):
        program_of(file=file)
    with pytest.raises(ConfigError, match="neither"):
        program_of()


@pytest.mark.parametrize("simulate", [simulate_l2, simulate_l3])
def test_no_images_of_spectra(simulate, tmp_path) -> None:
    with pytest.raises(ConfigError, match="GRISM, PRISM"):
        simulate(preset="demo", elements=["GRISM", "F158", "PRISM"], out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_exposures_are_seen_with_an_epsf_for_each_filter_or_wavelength(monkeypatch) -> None:
    made = []

    def optical_epsf(detector, element, **given):
        made.append(given)
        return gaussian_epsf()

    monkeypatch.setattr(programs, "optical_epsf", optical_epsf)
    taken = Sky.of(program_of("demo", elements=["F062", "F213", "PRISM"]), 1).observations()[::2]
    for fine, observation in zip((8, 4), taken, strict=False):
        assert isinstance(programs.seen_with(observation, 7.77), Epsf)
        assert made[-1]["oversample"] == fine and made[-1]["size"] == 90 * fine + 1
    for wave in (1.0, 1.2, 1.0):
        programs.seen_with(taken[2], 7.77)(wave)
    assert [given["spectrum"] for given in made[2:]] == [1.0, 1.2]


def test_persistence_sees_the_earlier_exposures_of_the_detector(monkeypatch) -> None:
    program = program_of("demo").model_copy(update={"persistence": 1})
    sky = Sky.of(program, 1)
    seen = []

    def expose(scene, observation, *rest):
        seen.append(observation.exposure)
        return np.zeros(1), {}, {}

    monkeypatch.setattr(simulation, "expose", expose)
    monkeypatch.setattr(simulation, "fluence", lambda *args: np.ones(1, np.float32))
    monkeypatch.setattr(simulation, "detector_truth", lambda *args: None)
    monkeypatch.setattr(simulation, "seen_with", lambda *args: None)
    taken = sky.observations()
    assert simulation._earlier(sky, taken[0]) == []
    (left,) = simulation._earlier(sky, taken[2])
    assert seen == [2] and left.seconds == pytest.approx(program.gap)


def test_streams_are_apart() -> None:
    assert len(set(programs.STREAMS.values())) == len(programs.STREAMS)
