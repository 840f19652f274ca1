from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from asdf.exceptions import ValidationError

from aqueduct.core.errors import ConfigError, InputError
from aqueduct.geometry.tangent import separation
from aqueduct.instrument import njy_per_electron
from aqueduct.instrument.dispersers import trace
from aqueduct.instrument.filters import effective_area
from aqueduct.instrument.spectrum import Spectrum, electron_rate
from aqueduct.instrument.zodiacal import zodiacal
from aqueduct.products import Raw
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.dispersion import DispersionConfig, margin, path
from aqueduct.simulate.level1 import (
    Level1Config,
    Truth,
    _background,
    _described,
    _full,
    _full_near,
    expose,
    fluence,
    level1,
    true_map,
)
from aqueduct.simulate.observation import Observation, metadata
from aqueduct.simulate.program import ProgramConfig, observations, preset, presets
from aqueduct.simulate.render import background_rate
from aqueduct.simulate.scene import STAR, Scene, draw_scene
from aqueduct.simulate.signatures import ReadoutConfig, SignaturesConfig

CONFIG = ProgramConfig(
    aperture="WFI01_FULL", filters=("F158",), ma_table=3, scene={"stars": 1.0, "galaxies": 0.2}
)
SCIENCE = (slice(4, -4), slice(4, -4))
RNG = np.random.default_rng


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
    assert {"demo", "high-latitude"} <= set(presets())
    with pytest.raises(ConfigError, match="demo"):
        preset("deno")
    with pytest.raises(InputError, match="WFI19"):
        ProgramConfig(detectors=("WFI19",))


def few_stars(observation: Observation, **columns: object) -> Scene:
    """Two stars near the middle of the detector, of 1000 and 2000 electron/s."""
    sky, _ = true_map(observation, Level1Config())
    ra, dec = sky.to_sky(np.array([1000.2, 2000.0]), np.array([3000.0, 1500.4]))
    flux = np.array([1000.0, 2000.0]) * njy_per_electron("WFI01", "F158")
    return Scene(ra, dec, np.full(2, STAR, np.uint8), {"F158": flux}, **columns)


def test_truth_of_an_exposure(detector: DetectorTruth) -> None:
    observation = observations(CONFIG, np.random.default_rng(5))[0]
    scene = few_stars(observation, id=np.array([70, 71]))
    config = Level1Config(zodiacal=0.0)
    rate, truth, _ = expose(scene, observation, detector, gaussian_epsf(), config)
    np.testing.assert_allclose(truth["x"], [1000.2, 2000.0], atol=1e-4)
    np.testing.assert_allclose(truth["y"], [3000.0, 1500.4], atol=1e-4)
    np.testing.assert_allclose(truth["rate"], [1000.0, 2000.0], rtol=1e-6)
    np.testing.assert_allclose(truth["expected"], truth["rate"] * 18 * 3.16247, rtol=1e-6)
    np.testing.assert_array_equal(truth["id"], [70, 71])
    thermal = background_rate("F158", "WFI01", 0.0)
    light = rate[SCIENCE] - detector.dark[SCIENCE] - thermal * detector.response[SCIENCE]
    box = (slice(2980, 3020), slice(980, 1020))
    weight = detector.response[SCIENCE][box].mean()
    assert light[box].sum() / weight == pytest.approx(1000, rel=0.03)
    full = fluence(rate, detector, observation)
    assert full.max() < 60_000 * 2 and np.median(full) == pytest.approx(4.0, rel=0.5)


def test_moving_sources_leave_trails(detector: DetectorTruth) -> None:
    observation = observations(CONFIG, np.random.default_rng(5))[0]
    speed = 0.11 * 20 / (18 * 3.16247) * 3600  # 20 pixels in the exposure
    reference = observation.start_time.utc.mjd + 0.5 * 18 * 3.16247 / 86400
    still = few_stars(observation)
    moving = replace(still, rate_ra=np.array([0.0, speed]), reference_time=reference)
    epsf, config = gaussian_epsf(), Level1Config()
    images = [expose(one, observation, detector, epsf, config) for one in (still, moving)]
    (plain, _, _), (trail, truth, _) = images
    assert truth["x"][1] == pytest.approx(2000.0, abs=0.1)
    near = (slice(1470, 1540), slice(1970, 2040))
    assert trail[near].sum() == pytest.approx(plain[near].sum(), rel=0.02)
    lit = np.argwhere((trail - plain)[near] > 20)
    length = np.hypot(*np.ptp(lit, axis=0))
    assert 18 < length < 32
    away = (slice(2990, 3010), slice(990, 1010))
    np.testing.assert_allclose(trail[away], plain[away], rtol=1e-6)


@pytest.mark.parametrize("element", ["GRISM", "PRISM"])
def test_an_exposure_of_spectra(element: str, detector: DetectorTruth) -> None:
    observation = observations(CONFIG.model_copy(update={"filters": (element,)}), RNG(5))[0]
    about = metadata(observation, 8.0)["exposure"]
    assert about["type"] == "WFI_SPECTRAL" and about["frame_time"] == 5.14116
    sky, _ = true_map(observation, Level1Config())
    first, last = trace(element).to_offset(effective_area("WFI01", element)[0][[0, -1]])
    # On the detector, above it with its spectrum on it, and too far above.
    y = np.array([2000.4, 4087.0 - first - 50, 4087.0 + margin(element) + 5])
    ra, dec = sky.to_sky(np.full(3, 1000.2), y)
    scene = Scene(ra, dec, np.full(3, STAR, np.uint8), {"F158": np.full(3, 1e7)})
    config = Level1Config(zodiacal=0.0)
    rate, truth, _ = expose(scene, observation, detector, lambda _: gaussian_epsf(), config)
    np.testing.assert_array_equal(truth["source"], [0, 1])
    np.testing.assert_allclose(truth["y"], y[:2], atol=1e-3)
    # Flat in f_nu: what a flat spectrum of the same rate has.
    np.testing.assert_allclose(truth["flux"], 1e7, rtol=1e-5)
    near = (slice(int(2000 + first) - 20, int(2000 + last) + 20), slice(980, 1020))
    response = detector.response[SCIENCE]
    light = (rate - detector.dark)[SCIENCE][near]
    expected = electron_rate(Spectrum.flat(1e7), "WFI01", element)
    assert light.sum() / response[near].mean() == pytest.approx(expected, rel=0.02)
    assert (rate - detector.dark)[SCIENCE][4030:, 1000].mean() > 1


def test_an_epsf_must_suit_the_element(detector: DetectorTruth) -> None:
    config = CONFIG.model_copy(update={"filters": ("F158", "PRISM")})
    image, spectra = observations(config, RNG(5))
    for taken, epsf in ((image, lambda _: gaussian_epsf()), (spectra, gaussian_epsf())):
        with pytest.raises(InputError, match=f"does not suit {taken.optical_element}"):
            expose(few_stars(image), taken, detector, epsf, Level1Config())


def test_spectroscopy_takes_longer() -> None:
    config = CONFIG.model_copy(update={"filters": ("GRISM", "F158"), "gap": 10.0})
    first, second = observations(config, RNG(5))
    wait = (second.start_time - first.start_time).to_value("s")
    assert wait == pytest.approx(18 * 5.14116 + 10)
    assert second.table.frame_time == 3.16247


def test_a_full_pixel_on_a_trace_is_found() -> None:
    full = np.zeros((4096, 4096), bool)
    full[1000 + 4, 200 + 4] = True
    observation = observations(CONFIG.model_copy(update={"filters": ("PRISM",)}), RNG(5))[0]
    first, last = path("PRISM", DispersionConfig())[1][[0, -1]]
    y = 1000 - np.array([first - 3, first + 3, last - 3, last + 3])
    found = _full(full, np.full(4, 200.6), y, observation, Level1Config())
    np.testing.assert_array_equal(found, [False, True, True, False])


def test_the_sky_is_as_bright_as_configured() -> None:
    observation = observations(CONFIG, RNG(5))[0]
    target = observation.true_pointing.ra, observation.true_pointing.dec
    given = Level1Config(zodiacal="date", stray_light=0.0)
    level = zodiacal(*target, observation.start_time, "F158")
    assert given.level(*target, observation.start_time, "F158") == level
    expected = background_rate("F158", "WFI01", level, 0.0)
    np.testing.assert_array_equal(_background(observation, given), expected)
    with pytest.raises(ConfigError, match="no date"):
        given.level(*target, None, "F158")


def test_saturation_is_looked_for_about_a_source() -> None:
    full = np.zeros((4096, 4096), bool)
    full[104, 205] = True
    x, y = np.array([200.4, 202.6, 201.0]), np.array([100.9, 100.0, 98.4])
    np.testing.assert_array_equal(_full_near(full, x, y), [True, False, False])


def test_metadata_of_the_readout() -> None:
    observation = observations(CONFIG, np.random.default_rng(1))[0]
    config = Level1Config(
        truncate=3,
        readout=ReadoutConfig(reference_read=True),
        signatures=SignaturesConfig(guide_window={"x": 100, "y": 300}),
    )
    meta = _described(metadata(observation, 8.0), config)
    assert meta["exposure"]["truncated"]
    assert meta["instrument"]["data_encoding_offset"] == 4000
    assert meta["guide_star"]["window_xstop"] == 116
    plain = _described(metadata(observation, 8.0), Level1Config())
    assert not plain["exposure"]["truncated"] and plain["guide_star"]["window_xstart"] < 0


@pytest.mark.long
def test_an_exposure_with_everything_is_valid(detector: DetectorTruth) -> None:
    from roman_datamodels import datamodels

    from aqueduct.level2.dq_init import decoded

    observation = observations(CONFIG, np.random.default_rng(1))[0]
    config = Level1Config(
        truncate=4,
        zodiacal="date",
        readout=ReadoutConfig(reference_read=True),
        signatures=SignaturesConfig(guide_window={"x": 100, "y": 300}),
    )
    scene, rng = few_stars(observation), np.random.default_rng(2)
    raw, truth = level1(scene, observation, detector, gaussian_epsf(), config, rng)
    assert raw.data.shape[0] == len(raw.exposure.read_pattern) == 4
    assert raw.meta["exposure"]["exposure_time"] == pytest.approx(17 * 3.16247)
    arrays = {
        "data": raw.data[:, :8, :8],
        "amp33": raw.amp33[:, :8, :8],
        "reference_read": raw.reference_read[:8, :8],
        "reference_amp33": raw.reference_amp33[:8, :8],
    }
    datamodels.ScienceRawModel.create_from_model({"meta": raw.meta, **arrays}).validate()
    start = decoded(raw)[0][SCIENCE]
    assert np.median(start - detector.pedestal[SCIENCE]) == pytest.approx(-20, abs=30)
    assert len(np.unique(truth["seed"])) == 1
