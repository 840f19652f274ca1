from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.errors import ConfigError
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.optical import optical_epsf

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
