from __future__ import annotations

import galsim
import numpy as np
import pytest

from aqueduct.core.errors import ConfigError
from aqueduct.psf import blur, optical
from aqueduct.psf.blur import Jitter
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.optical import OpticalModel, optical_epsf
from aqueduct.psf.pupil import Pupil, aberrations, pupil, wavefront

CENTRE = (2043.5,)


@pytest.fixture(scope="module")
def f158() -> Epsf:
    return optical_epsf("WFI01", "F158", grid=CENTRE, wavelengths=1)


@pytest.fixture(scope="module")
def finer() -> Epsf:
    return optical_epsf("WFI01", "F158", grid=CENTRE, wavelengths=1, oversample=8, size=249)


def second_moment(model: Epsf) -> float:
    """Gaussian-weighted <x^2 + y^2>, pixel^2."""
    stamp = model.at(*CENTRE * 2)
    y, x = (np.indices(stamp.shape) - stamp.shape[0] // 2) / model.oversample
    weight = stamp * np.exp(-0.5 * (x**2 + y**2) / 1.5**2)
    return float((weight * (x**2 + y**2)).sum() / weight.sum())


def test_peak_agrees_with_the_technical_information(f158: Epsf) -> None:
    # Share of the light in the pixel under a star (K0V, centre of WFI01): 0.29081.
    assert f158.at(2043.5, 2043.5).max() == pytest.approx(0.29, rel=0.06)


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.375, -0.125), (0.5, 0.5), (0.125, 0.125)])
def test_render_agrees_with_a_finer_drawing(
    f158: Epsf, finer: Epsf, offset: tuple[float, float]
) -> None:
    image = np.zeros((31, 31), np.float32)
    x, y = 15 + offset[0], 15 + offset[1]
    f158.render(np.array([x]), np.array([y]), np.array([1.0]), image)
    rows, columns = (np.rint((np.arange(31) - at) * 8).astype(int) + 124 for at in (y, x))
    inside = (slice(3, 28), slice(3, 28))
    truth = finer.psf[0][np.ix_(rows, columns)][inside]
    seen = image[inside] * truth.sum() / image[inside].sum()
    flux = (seen * truth).sum() / (truth**2).sum()
    assert flux == pytest.approx(1.0, abs=1e-3)
    slope = np.gradient(truth, axis=1)
    shift = ((seen - truth) * slope).sum() / (slope**2).sum()
    assert abs(shift) < 1e-3


def test_jitter_widens_by_its_variance() -> None:
    still = optical_epsf("WFI01", "F158", grid=CENTRE, wavelengths=1, jitter=0.0)
    moving = optical_epsf("WFI01", "F158", grid=CENTRE, wavelengths=1, jitter=20.0)
    peak = still.psf.max() / moving.psf.max()
    assert peak > 1.02
    assert second_moment(moving) > second_moment(still)


def test_capacitance_spreads_the_light(f158: Epsf) -> None:
    spread = optical_epsf("WFI01", "F158", grid=CENTRE, wavelengths=1, ipc=True)
    middle = f158.psf.shape[-1] // 2
    step = f158.oversample
    around = f158.psf[
        0, middle - step : middle + step + 1 : step, middle - step : middle + step + 1 : step
    ]
    share = np.array([[0.21, 1.66, 0.22], [1.88, 91.59, 1.87], [0.21, 1.62, 0.20]]) / 99.46
    assert spread.psf[0, middle, middle] == pytest.approx(
        (around * share[::-1, ::-1]).sum(), rel=1e-3
    )


def test_bluer_light_is_sharper(f158: Epsf) -> None:
    blue = optical_epsf("WFI01", "F087", grid=CENTRE, wavelengths=1)
    assert blue.psf.max() > 1.2 * f158.psf.max()


def test_a_stamp_needs_a_middle() -> None:
    with pytest.raises(ConfigError, match="odd"):
        optical_epsf("WFI01", "F158", size=360)


def drawn(cells: Pupil, terms: np.ndarray, wavelength: float) -> np.ndarray:
    """What GalSim makes of a mask, terms and the factors, finely enough sampled."""
    params = galsim.GSParams(folding_threshold=2e-3)
    nanometres = wavelength * 1000
    aperture = galsim.Aperture(
        diam=2.36, lam=nanometres, pupil_plane_scale=cells.step, oversampling=3, gsparams=params,
        pupil_plane_im=cells.transmission.astype(float),
    )  # fmt: skip
    optics = galsim.OpticalPSF(
        lam=nanometres, diam=2.36, aberrations=terms * 1.293 / wavelength, aper=aperture,
        gsparams=params,
    )  # fmt: skip
    factors = (galsim.Gaussian(sigma=0.008), galsim.Gaussian(sigma=0.011), galsim.Pixel(0.11))
    image = galsim.Convolve([optics, *factors]).drawImage(
        nx=361, ny=361, scale=0.11 / 4, method="no_pixel"
    )
    return np.asarray(image.array)


def test_stamp_is_that_of_galsim(monkeypatch: pytest.MonkeyPatch) -> None:
    detector, wavelength, place = "WFI12", 1.58, (300.0, 3100.0)
    grey = pupil(detector, "F158", 8)
    # GalSim makes each cell of the mask all or nothing, and has its Zernikes half a cell aside.
    cells = Pupil((grey.transmission > 0.5).astype(np.float32), grey.step, grey.step)
    truth = drawn(cells, aberrations(detector, *place), wavelength)
    model = OpticalModel(detector, "F158", spectrum=wavelength)
    x, y = (np.array([at]) for at in place)
    alike = model.stamps(x, y, oversample=4, size=361)[0] / 16
    monkeypatch.setattr(optical, "pupil", lambda *_: cells)
    monkeypatch.setattr(
        optical, "wavefront", lambda at, terms: wavefront(at - grey.step / 2, terms)
    )
    same = model.stamps(x, y, oversample=4, size=361)[0] / 16
    assert np.abs(same - truth).max() < 1e-4 * truth.max()
    assert np.abs(alike - truth).max() < 3e-3 * truth.max()
    radius = np.hypot(*(np.indices(truth.shape) - 180)) * 0.11 / 4
    for reach in (0.2, 0.3, 0.5, 1.0):
        assert (same - truth)[radius < reach].sum() == pytest.approx(0, abs=5e-5)
        assert (alike - truth)[radius < reach].sum() == pytest.approx(0, abs=1e-3)


def test_light_beyond_the_stamp_is_missing_if_asked_for() -> None:
    settings = {"grid": CENTRE, "wavelengths": 3, "size": 121}
    cut = optical_epsf("WFI01", "F158", whole=False, **settings)
    full = optical_epsf("WFI01", "F158", **settings)
    assert full.psf.sum(dtype=float) == pytest.approx(16, rel=1e-6)
    assert 0.9 < cut.psf.sum(dtype=float) / 16 < 0.97


def test_seven_wavelengths_are_enough() -> None:
    seven, many = (
        optical_epsf("WFI01", "F129", grid=CENTRE, wavelengths=n, size=121).psf for n in (7, 30)
    )
    np.testing.assert_allclose(seven, many, atol=1e-4 * many.max())


def test_samples_agree_between_samplings(f158: Epsf, finer: Epsf) -> None:
    np.testing.assert_allclose(
        finer.psf[0, 4:245:2, 4:245:2] / finer.psf.max(),
        f158.psf[0, 120:241, 120:241] / f158.psf.max(),
        atol=2e-6,
    )


def test_what_is_in_it_is_said() -> None:
    plain = OpticalModel("WFI01", "F158")
    assert plain.contents == (blur.OPTICS, blur.JITTER, blur.DIFFUSION, blur.PIXEL)
    bare = OpticalModel("WFI01", "F158", jitter=0.0, diffusion=0.0, pixel=False, ipc=True)
    assert bare.contents == (blur.OPTICS, blur.CAPACITANCE)
    assert optical_epsf("WFI01", "F158", grid=CENTRE, ipc=True).contents[-1] == blur.CAPACITANCE


def test_elongated_jitter_widens_along_its_axis() -> None:
    x, y = np.array([100.0]), np.array([100.0])
    still, moving = (
        OpticalModel("WFI01", "F158", jitter=jitter, spectrum=1.6).stamps(
            x, y, oversample=4, size=121
        )[0]
        for jitter in (0.0, Jitter(30.0, 0.0, 45.0))
    )
    fall = still[60, 60] - moving[60, 60]
    assert fall > 0.01 * still.max()
    y, x = (np.indices(still.shape) - 60) / 4
    weight = x * y * np.exp(-(x**2 + y**2) / 2 / 2**2)
    assert ((moving - still) * weight).sum() > 0.01 * still.max()


def test_defocus_and_zernikes_are_added() -> None:
    x, y = np.array([100.0]), np.array([100.0])
    sharp, soft, same = (
        OpticalModel("WFI01", "F158", spectrum=1.6, **extra).stamps(x, y, oversample=4, size=61)[0]
        for extra in ({}, {"defocus": 0.1}, {"zernikes": {4: 0.1}})
    )
    assert soft.max() < 0.9 * sharp.max()
    np.testing.assert_array_equal(soft, same)


def test_positions_differ() -> None:
    model = optical_epsf("WFI01", "F158", wavelengths=1, size=61)
    assert model.psf.shape == (9, 61, 61)
    assert np.ptp(model.psf.max(axis=(1, 2))) > 0.01 * model.psf.max()
