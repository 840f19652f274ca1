from __future__ import annotations

import numpy as np
import pytest
from asdf.exceptions import ValidationError

from aqueduct.core import dq
from aqueduct.core.errors import ConfigError, InputError
from aqueduct.geometry.tangent import separation
from aqueduct.instrument import njy_per_electron
from aqueduct.instrument.filters import background
from aqueduct.products import Raw
from aqueduct.products.references import DarkReference, LinearityReference, MaskReference
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.level1 import Level1Config, Truth, collected, level1, true_map
from aqueduct.simulate.observation import metadata
from aqueduct.simulate.program import ProgramConfig, observations, preset, presets
from aqueduct.simulate.references import (
    ReferenceConfig,
    aperture_corrections,
    conversion,
    detector_references,
    flat,
    linearity,
    photom,
    saturation,
    true_flat,
)
from aqueduct.simulate.render import background_rate, pixel_area
from aqueduct.simulate.scene import draw_scene

CONFIG = ProgramConfig(
    aperture="WFI01_FULL", filters=("F158",), ma_table=3, scene={"stars": 1.0, "galaxies": 0.2}
)
SCIENCE = (slice(4, -4), slice(4, -4))


def gaussian_epsf() -> Epsf:
    at = (np.arange(161) - 80) / 4
    one = np.exp(-0.5 * (at / 0.75) ** 2)
    stamp = normalised((one[:, None] * one)[None], 4)
    return Epsf(stamp, 4, np.array([2043.5]), np.array([2043.5]))


@pytest.fixture(scope="module")
def taken(detector: DetectorTruth) -> tuple[Raw, Truth]:
    rng = np.random.default_rng(3)
    observation = observations(CONFIG, rng)[0]
    scene = draw_scene(CONFIG.scene, CONFIG.ra, CONFIG.dec, CONFIG.radius, rng)
    return level1(scene, observation, detector, gaussian_epsf(), CONFIG.level1, rng)


def test_metadata_satisfy_the_official_schema() -> None:
    from roman_datamodels import datamodels

    meta = metadata(observations(CONFIG, np.random.default_rng(1))[0], 8.0)
    fake = datamodels.ScienceRawModel.create_fake_data(shape=(5, 8, 8))
    assert set(fake.meta.keys()) == set(meta)
    arrays = {"data": np.zeros((5, 8, 8), np.uint16), "amp33": np.zeros((5, 8, 8), np.uint16)}
    model = datamodels.ScienceRawModel.create_from_model({"meta": meta, **arrays})
    assert model.meta.filename == meta["filename"]
    model.validate()
    model.meta.exposure.frame_time = "soon"
    with pytest.raises(ValidationError):
        model.validate()


@pytest.mark.long
def test_metadata_describe_the_exposure(taken: tuple[Raw, Truth]) -> None:
    raw, _ = taken
    assert raw.exposure.read_pattern == (
        (1,),
        (2, 3),
        (4, 5, 6, 7, 8, 9),
        tuple(range(10, 18)),
        (18,),
    )
    assert raw.meta["filename"] == "r0000101001001001001_0001_wfi01_f158_uncal.asdf"
    assert len(raw.meta["observation"]["observation_id"]) == 28
    length = raw.meta["exposure"]["end_time"] - raw.meta["exposure"]["start_time"]
    assert length.to_value("s") == pytest.approx(raw.meta["exposure"]["exposure_time"])
    assert raw.data.shape == (5, 4096, 4096) and raw.data.dtype == np.uint16
    assert raw.amp33.shape == (5, 4096, 128)


@pytest.mark.long
def test_stars_are_where_the_truth_says(taken: tuple[Raw, Truth], detector: DetectorTruth) -> None:
    raw, truth = taken
    step = (raw.data[-1].astype(float) - raw.data[0])[SCIENCE] * detector.gain[SCIENCE]
    order = np.argsort(truth["rate"] * (truth["kind"] == 0))
    inside = [
        k for k in order[::-1][5:40] if 20 < truth["x"][k] < 4060 and 20 < truth["y"][k] < 4060
    ]
    seconds = raw.exposure.frame_time * 17
    pulls = []
    for k in inside:
        rows, columns = (
            slice(round(truth[axis][k]) - 4, round(truth[axis][k]) + 5) for axis in "yx"
        )
        around = (slice(rows.start - 6, rows.stop + 6), slice(columns.start - 6, columns.stop + 6))
        excess = step[rows, columns].sum() - np.median(step[around]) * 81
        pulls.append(excess / (truth["rate"][k] * seconds))
    assert np.median(pulls) == pytest.approx(1.0, abs=0.05)


@pytest.mark.long
def test_reference_pixels_collect_nothing(taken: tuple[Raw, Truth]) -> None:
    raw, _ = taken
    change = raw.data[-1, :4].astype(float) - raw.data[0, :4]
    assert abs(np.median(change)) < 5
    science = raw.data[-1, 100:104].astype(float) - raw.data[0, 100:104]
    assert np.median(science - change) > 8


def test_the_true_pointing_differs_from_the_recorded_one() -> None:
    config = preset("demo")
    drawn = [observations(config, np.random.default_rng(k))[0] for k in range(60)]
    off = [
        separation(o.pointing.ra, o.pointing.dec, o.true_pointing.ra, o.true_pointing.dec) * 3600
        for o in drawn
    ]
    assert np.sqrt(np.mean(np.square(off)) / 2) == pytest.approx(0.3, rel=0.25)
    roll = [(o.true_pointing.pa - o.pointing.pa) * 3600 for o in drawn]
    assert np.std(roll) == pytest.approx(5.0, rel=0.3)
    sky, meta = true_map(drawn[0], Level1Config())
    ra, dec = sky.to_pixel(meta["wcsinfo"]["ra_ref"], meta["wcsinfo"]["dec_ref"])
    assert np.hypot(ra - 2043.5, dec - 2043.5) * 0.11 == pytest.approx(off[0], rel=0.02)


def test_detectors_of_an_exposure_share_the_pointing_error() -> None:
    taken = observations(preset("high-latitude"), np.random.default_rng(1))
    assert len(taken) == 18 * 4 * 3
    assert len({o.name.file("uncal") for o in taken}) == len(taken)
    assert len({o.true_pointing for o in taken}) == 12


def test_presets() -> None:
    assert presets() == ("demo", "high-latitude")
    with pytest.raises(ConfigError, match="demo"):
        preset("deno")
    with pytest.raises(InputError, match="WFI19"):
        ProgramConfig(detectors=("WFI19",))


def test_calibration_recovers_the_sky_exactly(detector: DetectorTruth) -> None:
    """With the true flat, DN/s times photmjsr is the surface brightness."""
    uniform = background_rate("F158", "WFI01", 2.0)
    rate = (collected(uniform, detector) - detector.dark) / detector.gain
    good = detector.response[SCIENCE] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        brightness = rate[SCIENCE] / true_flat(detector) * conversion(detector, "F158")
    area = pixel_area("WFI01")
    light, thermal = background("F158")
    per_electron = njy_per_electron("WFI01", "F158") * 1e-15 / area.mean()
    expected = per_electron * (2 * light + thermal * area.mean() / area)
    np.testing.assert_allclose(brightness[good], expected[good], rtol=1e-4)


def test_linearity_inverts_the_truth(detector: DetectorTruth) -> None:
    rows = {k: v[:40] if isinstance(v, np.ndarray) else v for k, v in vars(detector).items()}
    strip = DetectorTruth(**rows)
    exact = ReferenceConfig(linearity=0.0)
    forth, back = linearity(strip, exact, np.random.default_rng(1))

    def applied(coeffs: np.ndarray, value: np.ndarray) -> np.ndarray:
        return sum(c.astype(float) * value**k for k, c in enumerate(coeffs))

    s = strip.nonlinearity.astype(float)
    for level in (5_000.0, 30_000.0, 60_000.0):
        seen = level - s * level**2
        np.testing.assert_allclose(applied(forth.coeffs, seen), level, atol=0.05)
        np.testing.assert_allclose(applied(back.coeffs, np.full_like(s, level)), seen, atol=0.01)
    assert (forth.coeffs[1, :4] == 1).all() and (forth.coeffs[2:, :4] == 0).all()


def test_references_are_near_the_truth_but_not_it(detector: DetectorTruth) -> None:
    config, rng = ReferenceConfig(), np.random.default_rng(2)
    made = {type(one): one for one in detector_references(detector, config, rng)}
    assert len(made) == 10
    mask, dark = made[MaskReference], made[DarkReference]
    bad = (detector.dq != 0) & (detector.dq != dq.REFERENCE_PIXEL)
    assert (mask.dq[bad] == 0).mean() == pytest.approx(config.missed, rel=0.1)
    good = detector.dq == 0
    pull = (dark.dark_slope - detector.dark / detector.gain)[good] / dark.dark_slope_error[good]
    assert pull.std() == pytest.approx(1.0, abs=0.01)
    assert made[LinearityReference].coeffs.shape[1:] == (4096, 4096)
    full = saturation(detector, config, rng)
    assert (full.data / detector.full_well).mean() == pytest.approx(0.98, abs=1e-3)
    estimated = flat(detector, config, rng)
    lit = estimated.dq == 0
    ratio = estimated.data[lit] / true_flat(detector)[lit]
    assert ratio.std() == pytest.approx(config.flat, rel=0.02)
    assert (true_flat(detector)[~lit] == 0).all()
    table = photom(detector, ("F158",), config, rng).table["F158"]
    assert table["photmjsr"] != conversion(detector, "F158")
    assert table["photmjsr"] == pytest.approx(conversion(detector, "F158"), rel=0.01)


def test_encircled_energy_of_a_gaussian() -> None:
    table = aperture_corrections({"F158": gaussian_epsf()}).table["F158"]
    expected = 0.75 * np.sqrt(-2 * np.log(1 - table["ee_fractions"]))
    np.testing.assert_allclose(table["ee_radii"], expected, atol=0.02)
    np.testing.assert_allclose(table["ap_corrections"] * table["ee_fractions"], 1)


def test_maps_of_a_detector(detector: DetectorTruth) -> None:
    inside = detector.response[SCIENCE]
    assert np.median(inside) == pytest.approx(1.0, abs=0.02)
    assert (detector.response[:4] == 0).all() and (detector.dark[:, -4:] == 0).all()
    assert (detector.dq[:4] == dq.REFERENCE_PIXEL).all()
    assert np.median(detector.dark[SCIENCE]) == pytest.approx(0.019, rel=0.02)
    hot = (detector.dq & dq.HOT) != 0
    assert hot[SCIENCE].mean() == pytest.approx(2e-3, rel=0.05)
    assert detector.dark[hot].min() >= 1
    assert len(np.unique(detector.gain[2000])) == 32
