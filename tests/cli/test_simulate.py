from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.io.table import write_table
from aqueduct.pipelines import injection, recovery, simulation


@pytest.mark.parametrize("level", ["l1", "l2", "l3"])
def test_options_reach_the_simulation(call, monkeypatch, tmp_path, level) -> None:
    heard = {}

    def fake(**given):
        heard.update(given)
        return [tmp_path / "made.asdf"]

    monkeypatch.setattr(simulation, f"simulate_{level}", fake)
    options = ["--preset", "demo", "--detector", "wfi02,WFI03", "--filter", "f158", "--seed", "7"]
    more = ["--ma-table", "4", "--rad", "2.2.0", "--catalog", tmp_path / "a.ecsv"]
    result = call("simulate", level, *options, *more, "--out", tmp_path)
    assert result.exit_code == 0 and result.stdout.strip() == str(tmp_path / "made.asdf")
    assert heard["detectors"] == ["WFI02", "WFI03"] and heard["elements"] == ["F158"]
    assert (heard["seed"], heard["ma_table"], heard["rad"]) == (7, 4, "2.2.0")
    assert heard["catalog"].name == "a.ecsv"
    assert heard.get("coadd", False) is False


@pytest.mark.parametrize("level", ["l1", "l2", "l3"])
def test_one_description_is_needed(call, tmp_path, level) -> None:
    for words in ([], ["--preset", "demo", "--config", "b"]):
        result = call("simulate", level, "--out", tmp_path, *words)
        assert result.exit_code == 2
        assert "either --preset or --config" in result.stderr


def test_grid_and_magnitudes_reach_the_injection(call, monkeypatch, tmp_path) -> None:
    heard = {}

    def fake(**given):
        heard.update(given)
        return []

    monkeypatch.setattr(injection, "inject", fake)
    words = ["x_cal.asdf", "--grid", "80", "--magnitudes", "22,27.5", "--gain", "1.8"]
    assert call("simulate", "inject", *words, "--out", tmp_path).exit_code == 0
    assert heard["grid"] == injection.Grid(80, 22, 27.5) and heard["gain"] == 1.8
    result = call("simulate", "inject", "x", "--grid", "80", "--magnitudes", "2", "--out", tmp_path)
    assert result.exit_code == 2 and "pair of magnitudes" in result.stderr


def test_injection_of_nothing_is_refused(call, tmp_path) -> None:
    result = call("simulate", "inject", tmp_path / "x.asdf", "--out", tmp_path / "out")
    assert result.exit_code == 2 and "one of a catalog" in result.stderr


def test_recovery_prints_a_line_for_each_bin(call, monkeypatch, tmp_path) -> None:
    from aqueduct.pipelines.compare import Measured

    ra, flux = 10 + np.arange(40) / 3600, np.full(40, 1000.0)
    catalog = Measured(ra[:30], np.zeros(30), 1.01 * flux[:30], 10 + flux[:30] / 100)
    monkeypatch.setattr(recovery, "measured_in", lambda path, columns: catalog)
    truth = {"ra": ra, "dec": np.zeros(40), "flux": flux, "saturated": np.zeros(40, bool)}
    write_table(truth, tmp_path / "t.parquet", {}, {})
    result = call("simulate", "recovery", "x.parquet", "--truth", tmp_path / "t.parquet")
    header, row = result.stdout.splitlines()
    assert header.split()[:3] == ["magnitude", "injected", "recovered"]
    assert row.split()[:5] == ["23.75", "40", "30", "0.750", "0.0100"]


def test_measured_in_refuses_what_is_no_catalog(image) -> None:
    with pytest.raises(InputError, match="no catalog"):
        recovery.measured_in(image())
