from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.geometry.siaf import aperture
from aqueduct.instrument.filters import njy_per_electron
from aqueduct.instrument.noise import IPC
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.psf.optical import optical_epsf
from aqueduct.simulate.detector import DetectorTruth, Pink
from aqueduct.simulate.references import (
    ReferenceConfig,
    aperture_corrections,
    conversion,
    dark,
    dark_decay,
    detector_references,
    distortion,
    epsf_reference,
    flat,
    gain,
    integral_nonlinearity,
    ipc,
    linearity,
    mask,
    photom,
    read_noise,
    reference_pixels,
    saturation,
    true_flat,
)
from aqueduct.simulate.references.errors import estimated, smooth
from aqueduct.simulate.references.pixels import coupled
from aqueduct.simulate.render import background_rate, pixel_area

CONFIG = ReferenceConfig()
SCIENCE = (slice(4, -4), slice(4, -4))


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def strip(detector: DetectorTruth) -> DetectorTruth:
    """The first 200 rows."""
    maps = {
        name: value[:200]
        for name, value in vars(detector).items()
        if getattr(value, "shape", ()) == (4096, 4096)
    }
    return replace(detector, **maps)


def neighbours(charge: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """A naive capacitance: each pixel gives its shares away."""
    seen = np.zeros(charge.shape)
    rows, columns = charge.shape
    for (i, j), share in np.ndenumerate(kernel):
        for row in range(rows):
            for column in range(columns):
                to = (row + i - 1, column + j - 1)
                if 0 <= to[0] < rows and 0 <= to[1] < columns:
                    seen[to] += share * charge[row, column]
    return seen


def test_capacitance_gives_shares_away(detector: DetectorTruth) -> None:
    charge = rng().random((6, 7)).astype(np.float32)
    uneven = replace(detector, ipc=IPC * [[1, 2, 3]])
    np.testing.assert_allclose(coupled(uneven, charge), neighbours(charge, uneven.ipc), rtol=1e-5)


def test_an_estimate_has_the_error_it_is_told() -> None:
    value = np.full((600, 700), 3.0, np.float32)
    relative = estimated(value, 0.01, rng(), 0.3) / 3 - 1
    assert relative.std() == pytest.approx(0.01, rel=0.01)
    # White noise has no covariance between neighbours: what is left is the smooth part.
    beside = (relative[:, 1:] * relative[:, :-1]).mean()
    assert beside == pytest.approx(0.3 * 1e-4, rel=0.05)


def test_a_smooth_error_reaches_all_of_the_frame() -> None:
    surfaces = np.stack([smooth((40, 60), rng(k)) for k in range(400)])
    np.testing.assert_allclose(surfaces.mean(axis=(1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(surfaces.std(axis=(1, 2)), 1, atol=1e-5)
    assert surfaces.var(axis=0).min() > 0.3
    assert np.diff(surfaces, axis=2).std() < 0.2


def test_some_bad_pixels_are_missed_and_none_invented(strip: DetectorTruth) -> None:
    found = mask(strip, ReferenceConfig(missed=0.1), rng()).dq
    bad = (strip.dq != 0) & (strip.dq != dq.REFERENCE_PIXEL)
    assert (found[bad] == 0).mean() == pytest.approx(0.1, rel=0.15)
    kept = found != 0
    assert (found[kept] == strip.dq[kept]).all()
    assert (found[:4] == dq.REFERENCE_PIXEL).all()


def test_saturation_lies_below_the_full_well(strip: DetectorTruth) -> None:
    found = saturation(strip, CONFIG, rng())
    ratio = found.data / strip.full_well
    assert ratio.mean() == pytest.approx(0.98, abs=1e-4)
    assert ratio.std() == pytest.approx(0.98 * CONFIG.saturation, rel=0.01)
    assert (found.dq[:4] == dq.NO_SAT_CHECK).all() and (found.dq[SCIENCE[0], 4:-4] == 0)[:-4].all()


def test_read_noise_is_that_of_differences_of_reads(strip: DetectorTruth) -> None:
    """Against the scatter of simulated reads: white noise and 1/f noise within each."""
    noisy = replace(strip, pink=Pink(common=1.0, own=0.5, wander=5.0))
    found = read_noise(noisy, CONFIG, rng()).data
    expected = np.sqrt(noisy.read_noise**2 + 1.25)
    assert (found / expected).mean() == pytest.approx(1.0, abs=1e-4)
    pairs = rng(2).standard_normal((2, 2000, 2700)) * 5.0
    measured = (pairs[0] - pairs[1]).std(axis=1) / np.sqrt(2)
    assert (found / expected).std() == pytest.approx((measured / 5.0).std(), rel=0.05)


def test_gain_is_one_value_a_channel(strip: DetectorTruth) -> None:
    drawn = [gain(strip, CONFIG, rng(k)).data / strip.gain for k in range(60)]
    first = drawn[0].reshape(200, 32, 128)
    assert (first.max(axis=(0, 2)) - first.min(axis=(0, 2)) < 1e-6).all()
    channels = np.stack([one[0, ::128] for one in drawn]).astype(float)
    assert channels.mean(axis=1).std() == pytest.approx(CONFIG.gain, rel=0.3)
    noise = np.sqrt(2 / (128 * 4096 * CONFIG.gain_pairs))
    assert channels.std(axis=1).mean() == pytest.approx(noise, rel=0.1)


def test_dark_has_the_error_it_states(strip: DetectorTruth) -> None:
    found = dark(strip, CONFIG, rng())
    expected = coupled(strip, strip.dark) / strip.gain
    pull = (found.dark_slope - expected) / found.dark_slope_error
    assert pull.mean() == pytest.approx(0.0, abs=0.01)
    assert pull.std() == pytest.approx(1.0, abs=0.01)
    assert set(np.unique(found.dq)) <= {0, dq.WARM, dq.HOT, dq.HOT | dq.WARM}


def test_error_of_a_dark_is_that_of_slopes_through_reads(strip: DetectorTruth) -> None:
    """Fit lines through simulated reads of one pixel."""
    one = {"dark": 0.05, "read_noise": 5.0, "gain": 1.8}
    flat_maps = {name: np.full((3, 3), value, np.float32) for name, value in one.items()}
    small = replace(strip, **flat_maps, dq=np.zeros((3, 3), np.uint32), ipc=np.pad([[1.0]], 1))
    stated = dark(small, ReferenceConfig(darks=1), rng()).dark_slope_error[1, 1]
    times = np.linspace(170 / 55, 170, 55)
    charge = rng(3).poisson(0.05 * 170 / 55, (20_000, 55)).cumsum(axis=1) / 1.8
    reads = charge + 5.0 * rng(4).standard_normal(charge.shape)
    slopes = np.polyfit(times, reads.T, 1)[0]
    assert stated == pytest.approx(slopes.std(), rel=0.03)


def test_decay_and_capacitance_are_near_the_truth(strip: DetectorTruth) -> None:
    drawn = [dark_decay(strip, CONFIG, rng(k)) for k in range(200)]
    ratio = np.array([(one.amplitude, one.time_constant) for one in drawn])
    ratio /= (strip.decay, strip.decay_time)
    np.testing.assert_allclose(ratio.std(axis=0), CONFIG.decay, rtol=0.2)
    kernels = np.stack([ipc(strip, CONFIG, rng(k)).data for k in range(200)])
    np.testing.assert_allclose(kernels.sum(axis=(1, 2)), 1, rtol=1e-6)
    np.testing.assert_allclose(kernels.mean(axis=0), strip.ipc, atol=5e-5)
    assert kernels.std(axis=0).mean() == pytest.approx(CONFIG.ipc, rel=0.3)


def test_linearity_inverts_the_truth(strip: DetectorTruth) -> None:
    forth, back = linearity(strip, ReferenceConfig(linearity=0.0), rng())

    def applied(coeffs: np.ndarray, value: np.ndarray) -> np.ndarray:
        return sum(c.astype(float) * value**k for k, c in enumerate(coeffs))

    s = strip.nonlinearity.astype(float)
    for level in (5_000.0, 30_000.0, 60_000.0):
        seen = level - s * level**2
        np.testing.assert_allclose(applied(forth.coeffs, seen), level, atol=0.05)
        np.testing.assert_allclose(applied(back.coeffs, np.full_like(s, level)), seen, atol=0.01)
    assert (forth.coeffs[1, :4] == 1).all() and (forth.coeffs[2:, :4] == 0).all()


def test_linearity_errs_pixel_by_pixel_and_smoothly(strip: DetectorTruth) -> None:
    _, back = linearity(strip, CONFIG, rng())
    inside = (slice(4, None), slice(4, -4))
    error = -back.coeffs[2][inside] / strip.nonlinearity[inside] - 1
    assert error.std() == pytest.approx(CONFIG.linearity, rel=0.02)
    beside = (error[:, 1:] * error[:, :-1]).mean() / error.var()
    assert beside == pytest.approx(CONFIG.lamp, rel=0.15)


def test_integral_nonlinearity_errs_on_a_scale_of_codes(strip: DetectorTruth) -> None:
    found = integral_nonlinearity(strip, CONFIG, rng())
    assert (found.value == np.arange(65536)).all()
    error = found.correction - strip.inl
    assert error.std() == pytest.approx(CONFIG.integral, rel=0.02)

    def correlation(lag: int) -> float:
        return (error[:, lag:] * error[:, :-lag]).mean() / error.var()

    assert correlation(8) > 0.9 and abs(correlation(400)) < 0.05


def test_calibration_recovers_the_sky_exactly(detector: DetectorTruth) -> None:
    """With the true flat, DN/s times photmjsr is the surface brightness."""
    uniform = background_rate("F158", "WFI01", 2.0)
    charge = np.zeros((4096, 4096), np.float32)
    charge[SCIENCE] = uniform * detector.response[SCIENCE]
    rate = coupled(detector, charge) / detector.gain
    brightness = rate[SCIENCE] / true_flat(detector) * conversion(detector, "F158")
    area = pixel_area("WFI01")
    expected = uniform * njy_per_electron("WFI01", "F158") * 1e-15 / area
    np.testing.assert_allclose(brightness, expected, rtol=1e-4)


def test_flat_has_the_error_it_states(detector: DetectorTruth) -> None:
    found = flat(detector, CONFIG, rng())
    good = found.dq == 0
    ratio = found.data[good] / true_flat(detector)[good] - 1
    assert ratio.std() == pytest.approx(CONFIG.flat, rel=0.01)
    alone = flat(detector, ReferenceConfig(illumination=0.0), rng())
    pull = (alone.data - true_flat(detector))[good] / alone.err[good]
    assert pull.std() == pytest.approx(1.0, abs=0.01)
    dead = detector.response[SCIENCE] == 0
    assert (found.dq[dead] == dq.NO_FLAT_FIELD).all() and (found.data[dead] == 1).all()
    assert found.data[good].min() > 0


def test_zero_points_do_not_depend_on_what_else_is_asked(strip: DetectorTruth) -> None:
    whole = replace(strip, gain=np.broadcast_to(strip.gain[:1], (4096, 4096)))
    one = photom(whole, ("F158",), CONFIG, rng()).table
    both = photom(whole, ("F129", "F158"), CONFIG, rng()).table
    assert one["F158"]["photmjsr"] == both["F158"]["photmjsr"]
    error = [
        photom(whole, ("F158",), CONFIG, rng(k)).table["F158"]["photmjsr"]
        / conversion(whole, "F158")
        - 1
        for k in range(25)
    ]
    assert np.std(error) == pytest.approx(CONFIG.photom, rel=0.4)


def test_distortion_errs_by_milliarcseconds(strip: DetectorTruth) -> None:
    x, y = np.meshgrid(*[np.linspace(0, 4087, 25)] * 2)
    true = np.array(aperture("WFI01").to_v2v3(x, y))
    config = ReferenceConfig(distortion=0.0, distortion_residual=2.0)
    drawn = [distortion(strip, config, rng(k)).transform for k in range(25)]
    error = np.array([one(x, y) for one in drawn]) - true
    assert np.sqrt((error**2).mean()) * 1000 == pytest.approx(2.0, rel=0.25)
    back = drawn[0].inverse(*drawn[0](x, y))
    np.testing.assert_allclose(back, [x, y], atol=5e-5)


def test_linear_errors_of_the_distortion(strip: DetectorTruth) -> None:
    config = ReferenceConfig(distortion=1e-5, distortion_residual=0.0)
    corners = np.array([[0.0, 4087.0], [0.0, 4087.0]])
    lengths = []
    for k in range(60):
        v2, v3 = distortion(strip, config, rng(k)).transform(*corners)
        t2, t3 = aperture("WFI01").to_v2v3(*corners)
        lengths.append(np.hypot(*np.diff([v2, v3])[:, 0]) / np.hypot(*np.diff([t2, t3])[:, 0]))
    # Along the diagonal, (a + b + c + d) / 2 of four elements of equal variance.
    assert np.std(lengths) == pytest.approx(1e-5, rel=0.25)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stamps of 10 pixels, at one place."""
    middle = partial(optical_epsf, size=41, grid=(2043.5,))
    monkeypatch.setattr("aqueduct.simulate.references.optics.optical_epsf", middle)


@pytest.mark.usefixtures("small")
def test_epsf_has_the_capacitance_and_errors_of_the_optics() -> None:
    exact = ReferenceConfig(jitter=0.0, defocus=0.0, aberrations=0.0)
    options = {"size": 41, "grid": (2043.5,), "wavelengths": 4, "jitter": 8.0}
    reference = epsf_reference("WFI01", "F158", 8.0, exact, rng())
    expected = optical_epsf("WFI01", "F158", ipc=True, spectrum="G2V", **options)
    np.testing.assert_array_equal(reference.psf[0, 1], expected.psf)
    plain = optical_epsf("WFI01", "F158", ipc=False, spectrum="G2V", **options)
    assert expected.psf.max() < 0.95 * plain.psf.max()
    drawn = epsf_reference("WFI01", "F158", 8.0, CONFIG, rng())
    assert drawn.jitter != 8.0
    change = np.abs(drawn.psf - reference.psf).max() / reference.psf.max()
    assert 1e-4 < change < 0.05
    again = epsf_reference("WFI01", "F158", 8.0, CONFIG, rng())
    np.testing.assert_array_equal(drawn.psf, again.psf)


@pytest.mark.usefixtures("small")
def test_cool_stars_are_wider() -> None:
    reference = epsf_reference("WFI01", "F146", 8.0, CONFIG, rng())
    assert reference.spectral_type == ("A0V", "G2V", "M5V")
    radii = [
        aperture_corrections({"F146": Epsf.from_reference(reference, spectral_type=kind)}).table[
            "F146"
        ]["ee_radii"][45]
        for kind in reference.spectral_type
    ]
    assert radii[0] < radii[1] < radii[2]


def test_encircled_energy_of_a_gaussian() -> None:
    at = (np.arange(161) - 80) / 4
    one = np.exp(-0.5 * (at / 0.75) ** 2)
    model = Epsf(normalised((one[:, None] * one)[None], 4), 4, np.zeros(1), np.zeros(1))
    table = aperture_corrections({"F158": model}).table["F158"]
    expected = 0.75 * np.sqrt(-2 * np.log(1 - table["ee_fractions"]))
    np.testing.assert_allclose(table["ee_radii"], expected, atol=0.02)
    np.testing.assert_allclose(table["ap_corrections"] * table["ee_fractions"], 1)


def test_reference_amplifier_takes_the_common_noise_out() -> None:
    """Apply the weights as official tools do: irfft(alpha rfft(amplifier))."""
    pink = Pink(common=1.0, own=0.2, amplifier=3.0)
    alpha = reference_pixels(pink, CONFIG, rng()).alpha[0]
    k = np.arange(1, 2049)

    def series(size: float, seed: int) -> np.ndarray:
        spectrum = np.zeros(2049, complex)
        parts = rng(seed).standard_normal((2, 2048)) / np.sqrt(2 * k * (1 / k).sum())
        spectrum[1:] = size * (parts[0] + 1j * parts[1]) / np.sqrt(2) * 4096 / np.sqrt(2)
        return np.repeat(np.fft.irfft(spectrum, 4096), 140)

    common = series(1.0, 2)
    amplifier = common + series(0.2, 3) + 3.0 * rng(4).standard_normal(len(common))
    correction = np.fft.irfft(alpha * np.fft.rfft(amplifier), len(common))
    assert common.std() == pytest.approx(1.0, rel=0.2)
    left = (common - correction).std() / common.std()
    whole = (common - amplifier).std() / common.std()
    assert left < 0.35 < 3 < whole
    for scale in (0.8, 1.2):
        assert (common - scale * correction).std() > (common - correction).std()
    offset = np.fft.irfft(alpha * np.fft.rfft(np.full(len(common), 0.5)), len(common))
    np.testing.assert_allclose(offset, 0.5, rtol=0.06)
    nothing = reference_pixels(pink._replace(common=0.0), CONFIG, rng())
    assert not nothing.alpha.any() and not nothing.gamma.any()


def test_each_reference_has_a_stream_of_its_own(strip: DetectorTruth) -> None:
    first = {one.reftype: one for one in detector_references(strip, CONFIG, rng())}
    other = ReferenceConfig(missed=0.5, linearity=0.05)
    second = {one.reftype: one for one in detector_references(strip, other, rng())}
    assert len(first) == 11
    np.testing.assert_array_equal(first["dark"].dark_slope, second["dark"].dark_slope)
    np.testing.assert_array_equal(first["gain"].data, second["gain"].data)
    assert (first["mask"].dq != second["mask"].dq).any()
