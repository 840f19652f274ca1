from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from aqueduct.core.errors import InputError
from aqueduct.io.table import write_table
from aqueduct.pipelines.scene_files import scene_from_file
from aqueduct.simulate.scene import GALAXY, SceneConfig, draw_scene, scene_table


@pytest.mark.parametrize("name", ["scene.parquet", "scene.ecsv"])
def test_a_scene_comes_back_from_a_file_astropy_wrote(tmp_path: Path, name: str) -> None:
    rng = np.random.default_rng(1)
    scene = draw_scene(SceneConfig(model="universe"), 200.0, -30.0, 0.8, rng)
    scene_table(scene).write(tmp_path / name)
    again = scene_from_file(tmp_path / name)
    np.testing.assert_array_equal(again.kind, scene.kind)
    np.testing.assert_allclose(again.bulge_radius, scene.bulge_radius, rtol=1e-12)
    np.testing.assert_allclose(again.flux["F062"], scene.flux["F062"], rtol=1e-12)


def test_our_own_parquet_has_units_and_keywords(tmp_path: Path) -> None:
    columns = {
        "ra": np.array([1.0]),
        "dec": np.array([2.0]),
        "radius": np.array([0.5]),
        "sersic": np.array([1.0]),
        "axis_ratio": np.array([0.5]),
        "position_angle": np.array([0.5]),
        "flux_f158": np.array([3.0]),
    }
    units = {"flux_f158": "uJy", "radius": "arcmin", "position_angle": "rad"}
    write_table(columns, tmp_path / "own.parquet", units, {"epoch": 2020.5})
    scene = scene_from_file(tmp_path / "own.parquet")
    assert scene.kind[0] == GALAXY and scene.epoch == 2020.5
    assert scene.flux["F158"][0] == pytest.approx(3000.0)
    assert scene.radius[0] == pytest.approx(30.0)
    assert scene.position_angle[0] == pytest.approx(np.degrees(0.5))


def test_nulls_are_masked(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"ra": [1.0, 2.0], "dec": [1.0, 2.0], "F158": [1e-9, None]})
    pyarrow.parquet.write_table(table, tmp_path / "null.parquet")
    with pytest.raises(InputError, match="'F158', row 1"):
        scene_from_file(tmp_path / "null.parquet")


def test_errors_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "bad.parquet").write_text("nothing of the kind")
    with pytest.raises(InputError, match=r"bad\.parquet: is no readable table"):
        scene_from_file(tmp_path / "bad.parquet")
    Table({"ra": [1.0], "F158": [1.0]}).write(tmp_path / "few.ecsv")
    with pytest.raises(InputError, match=r"few\.ecsv: the table has no column 'dec'"):
        scene_from_file(tmp_path / "few.ecsv")
