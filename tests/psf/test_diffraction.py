from __future__ import annotations

import galsim
import numpy as np
import pytest
from scipy.special import j1

from aqueduct.psf.diffraction import ARCSEC, gauss_nodes, intensity
from aqueduct.psf.pupil import Pupil, aberrations, pupil, wavefront

ONE = np.ones(1)


def disk(points: int, radius: float, finer: int = 1) -> Pupil:
    """A round pupil of cells that average ``finer`` points each way."""
    fine = (np.arange(points * finer) - (points * finer - 1) / 2) * (2.2 * radius / points / finer)
    inside = (np.hypot(*np.meshgrid(fine, fine)) < radius).astype(np.float32)
    cells = inside.reshape(points, finer, points, finer).mean(axis=(1, 3))
    return Pupil(cells, 2.2 * radius / points, 2.2 * radius / points / finer)


def airy(theta: np.ndarray, radius: float, wavelength: float) -> np.ndarray:
    """Light per steradian of a disk, as a share of all."""
    v = 2 * np.pi * radius * theta / (wavelength * 1e-6)
    v[v == 0] = 1e-9
    return np.pi * radius**2 / (wavelength * 1e-6) ** 2 * (2 * j1(v) / v) ** 2


def test_a_disk_makes_the_airy_pattern() -> None:
    step, size = 0.01, 121
    seen = intensity(
        disk(512, 1.2, 4), np.zeros((512, 512), np.float32), 1.3 * ONE, ONE, step, size
    )
    y, x = (np.indices(seen.shape) - size // 2) * step * ARCSEC
    truth = airy(np.hypot(x, y), 1.2, 1.3) * (step * ARCSEC) ** 2
    np.testing.assert_allclose(seen, truth, atol=3e-4 * truth.max())


def test_all_the_light_is_somewhere() -> None:
    # A period of the pattern holds it all: lambda over the step of a pupil that is not averaged.
    cells = disk(64, 1.2)
    step = 1.3e-6 / (64 * 2 * cells.step) / ARCSEC
    plane = np.random.default_rng(1).normal(0, 0.1, (64, 64)).astype(np.float32)
    seen = intensity(cells, plane, 1.3 * ONE, ONE, step, 128)
    assert seen.sum() == pytest.approx(1, rel=1e-5)


def test_a_tilt_moves_the_star() -> None:
    cells, angle = disk(128, 1.2), 0.2
    plane = np.broadcast_to(cells.axis * (angle * ARCSEC * 1e6), (128, 128)).astype(np.float32)
    seen = intensity(cells, plane, 1.3 * ONE, ONE, 0.02, 51)
    assert np.unravel_index(seen.argmax(), seen.shape) == (25, 25 - 10)


def test_gauss_nodes_integrate_polynomials() -> None:
    x = np.linspace(1.3, 1.8, 200)
    weight = np.exp(-((x - 1.6) ** 2) * 30) + 0.1
    nodes, shares = gauss_nodes(x, weight, 4)
    assert np.all(np.diff(nodes) > 0)
    for power in range(8):
        truth = np.average(x**power, weights=weight)
        assert (shares * nodes**power).sum() == pytest.approx(truth, rel=1e-12)


def test_as_many_nodes_as_samples() -> None:
    nodes, shares = gauss_nodes(np.array([1.0, 2.0]), np.array([1.0, 3.0]), 2)
    np.testing.assert_allclose(nodes, [1, 2])
    np.testing.assert_allclose(shares, [0.25, 0.75])


@pytest.mark.parametrize(
    ("sca", "band", "wavelength", "place"),
    [(1, "H158", 1.58, (100.0, 3000.0)), (3, "F184", 1.8, (2043.5, 2043.5))],
)
def test_light_is_that_of_galsim_with_its_own_aperture(
    sca: int, band: str, wavelength: float, place: tuple[float, float]
) -> None:
    optics = galsim.roman.getPSF(
        sca, band, SCA_pos=galsim.PositionD(*place) + galsim.PositionD(0.5, 0.5),
        wavelength=wavelength * 1000, gsparams=galsim.GSParams(folding_threshold=2e-3),
    )  # fmt: skip
    aperture = optics._aper
    cells = Pupil(
        aperture.illuminated.astype(np.float32),
        aperture.pupil_plane_scale,
        aperture.pupil_plane_scale,
    )
    # GalSim's own samples, which it does not interpolate; its axis is half a cell aside.
    step = wavelength * 1e-6 / (aperture.npix * aperture.pupil_plane_scale) / ARCSEC
    drawn = optics.drawImage(nx=81, ny=81, scale=step, method="no_pixel").array
    terms = aberrations(f"WFI{sca:02d}", *place)
    seen = intensity(
        cells, wavefront(cells.axis - cells.step / 2, terms), wavelength * ONE, ONE, step, 81
    )
    np.testing.assert_allclose(seen, drawn, atol=2e-6 * drawn.max())


def test_coarse_cells_make_the_same_light() -> None:
    seen = []
    for binning in (2, 8):
        cells = pupil("WFI05", "F129", binning)
        plane = wavefront(cells.axis, aberrations("WFI05", 700.0, 3000.0))
        seen.append(intensity(cells, plane, 1.3 * ONE, ONE, 0.05, 101))
    np.testing.assert_allclose(seen[0], seen[1], atol=2e-5 * seen[0].max())
