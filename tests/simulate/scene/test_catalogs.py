from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.table import MaskedColumn, Table

from aqueduct.core.errors import InputError
from aqueduct.simulate.scene import (
    GALAXY,
    STAR,
    SceneConfig,
    Sinusoid,
    draw_scene,
    scene_from_table,
    scene_table,
)
from aqueduct.simulate.scene.scene import COLUMNS


def table(**columns: object) -> Table:
    return Table({"ra": [10.0, 10.1], "dec": [-5.0, -5.1], **columns})


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("F158", [1e-9, 2e-9]),
        ("F158", [1.0, 2.0] * units.Unit("nmgy")),
        ("flux_f158", [3631.0, 7262.0] * units.nJy),
        ("flux_f158", [3.631, 7.262] * units.uJy),
        ("F158", [3.631e-29, 7.262e-29] * units.Unit("erg / (s cm2 Hz)")),
    ],
)
def test_any_unit_of_flux(name: str, column: object) -> None:
    scene = scene_from_table(table(**{name: column}))
    np.testing.assert_allclose(scene.flux["F158"], [3631.0, 7262.0], rtol=1e-6)


def test_magnitudes() -> None:
    for column in ([23.9, 31.4] * units.ABmag, [23.9, 31.4] * units.mag, [23.9, 31.4]):
        scene = scene_from_table(table(mag_f129=column))
        np.testing.assert_allclose(scene.flux["F129"], [1000.0, 1.0])


def test_the_official_simulator_s_catalog() -> None:
    official = table(
        type=["PSF", "SER"],
        n=[-1.0, 2.5],
        half_light_radius=np.array([0.0, 0.4]) * units.pix,
        pa=[0.0, 300.0],
        ba=np.array([1.0, 0.5]) * units.deg,
        F158=[1e-9, 1e-9],
    )
    scene = scene_from_table(official)
    np.testing.assert_array_equal(scene.kind, [STAR, GALAXY])
    assert (scene.sersic[1], scene.radius[1], scene.axis_ratio[1]) == (2.5, 0.4, 0.5)
    assert scene.position_angle[1] == 300.0 and np.isnan(scene.sersic[0])
    assert scene.flux["F158"][0] == pytest.approx(3631.0)


def test_units_are_converted_and_masked_motions_rest() -> None:
    scene = scene_from_table(
        table(
            F158=[1e-9, 1e-9],
            hlr=[0.0, 1 / 60] * units.arcmin,
            n=[0.0, 1.0],
            q=[0.0, 0.5],
            pa=[0.0, np.pi / 2] * units.rad,
            pm_dec=MaskedColumn([0.1, 5.0], mask=[False, True], unit="arcsec / yr"),
        )
    )
    assert scene.radius[1] == pytest.approx(1.0)
    assert scene.position_angle[1] == pytest.approx(90.0)
    np.testing.assert_allclose(scene.pmdec, [100.0, 0.0])
    np.testing.assert_array_equal(scene.kind, [STAR, GALAXY])


def test_a_scene_comes_back_from_its_table() -> None:
    config = SceneConfig(model="universe", universe={"variables": {"stars": 1.0}})
    scene = draw_scene(config, 200.0, -30.0, 0.8, np.random.default_rng(5))
    again = scene_from_table(scene_table(scene))
    for name in COLUMNS:
        np.testing.assert_allclose(getattr(again, name), getattr(scene, name), rtol=1e-12)
    for element, values in scene.flux.items():
        np.testing.assert_allclose(again.flux[element], values, rtol=1e-12)
    assert again.light_curves == scene.light_curves
    assert again.epoch == scene.epoch


def test_spectra_come_back_from_a_table() -> None:
    scene = draw_scene(
        SceneConfig(model="universe", universe={"spectra": True, "agn": {"limits": (15.0, 27.0)}}),
        200.0,
        -30.0,
        0.8,
        np.random.default_rng(5),
    )
    again = scene_from_table(scene_table(scene))
    for element in ("F087", "F213"):
        expected = scene.rates("WFI04", element)
        np.testing.assert_allclose(again.rates("WFI04", element), expected, rtol=1e-6)


def test_light_curves_survive_as_keywords() -> None:
    given = table(F158=[1e-9, 1e-9], light_curve=[0, -1])
    curve = Sinusoid(amplitude=0.5, period=3.0)
    given.meta["light_curves"] = [curve.model_dump()]
    assert scene_from_table(given).light_curves == (curve,)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "no flux"),
        ({"flux_f158": [1.0, 2.0]}, "has no unit"),
        ({"F158": [1.0, -2.0]}, "'F158', row 1: -2.0"),
        ({"F158": [1.0, np.nan]}, "'F158', row 1"),
        ({"F158": [1.0, 2.0] * units.arcsec}, "arcsec: not a flux"),
        ({"F999": [1.0, 2.0]}, "'F999': no such filter"),
        ({"F158": [1.0, 2.0], "type": ["PSF", "XYZ"]}, "'type', row 1: no kind 'XYZ'"),
        ({"F158": [1.0, 2.0], "type": ["PSF", "SER"]}, "'sersic', row 1"),
        ({"F158": [1.0, 2.0], "id": [1.0, 1.5]}, "'id', row 1"),
        ({"F158": [1.0, 2.0], "pmra": [1.0, 2.0] * units.arcsec}, "'pmra' in arcsec"),
        ({"F158": [1.0, 2.0], "template": ["star-G2", "star-G9"]}, "'template', row 1"),
    ],
)
def test_errors_name_column_and_row(columns: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        scene_from_table(table(**columns))


def test_a_table_without_places() -> None:
    with pytest.raises(InputError, match="no column 'dec'"):
        scene_from_table(Table({"ra": [1.0], "F158": [1.0]}))
