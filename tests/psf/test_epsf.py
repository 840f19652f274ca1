from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aqueduct.core.errors import ConfigError, ReferenceError
from aqueduct.core.threads import limited
from aqueduct.products.references import EpsfReference
from aqueduct.psf.blur import Jitter
from aqueduct.psf.epsf import Epsf, normalised
from aqueduct.psf.sampling import sample

OVERSAMPLE = 4
WIDTH = 0.75
"""RMS of the Gaussian test PSF, pixels: close to that of F158 with its pixel."""
GRID = np.array([0.0, 2043.5, 4087.0])


def gaussian(width: float, size: int = 81, oversample: int = OVERSAMPLE) -> np.ndarray:
    at = (np.arange(size) - size // 2) / oversample
    one = np.exp(-0.5 * (at / width) ** 2)
    return one[:, None] * one


def gaussian_epsf(widths: np.ndarray | None = None) -> Epsf:
    widths = np.full(9, WIDTH) if widths is None else widths
    y, x = (axis.ravel() for axis in np.meshgrid(GRID, GRID, indexing="ij"))
    stamps = np.stack([gaussian(width) for width in widths])
    return Epsf(normalised(stamps, OVERSAMPLE), OVERSAMPLE, x, y)


def exact(dx: float, dy: float) -> float:
    """Density of the Gaussian: the share of a pixel that is already within the PSF."""
    return np.exp(-0.5 * (dx**2 + dy**2) / WIDTH**2) / (2 * np.pi * WIDTH**2)


def test_stamps_sum_to_the_square_of_the_oversampling() -> None:
    assert gaussian_epsf().psf.sum(axis=(1, 2)) == pytest.approx(16, rel=1e-6)


@settings(deadline=None)
@given(st.floats(-3, 3), st.floats(-3, 3))
def test_sample_is_the_density(dx: float, dy: float) -> None:
    stamp = gaussian_epsf().at(2043.5, 2043.5)
    assert sample(stamp, OVERSAMPLE, dx, dy) == pytest.approx(exact(dx, dy), abs=3e-4 * exact(0, 0))


def test_nothing_beyond_the_stamp() -> None:
    stamp = gaussian_epsf().at(0, 0)
    assert sample(stamp, OVERSAMPLE, 10.5, 0.0) == 0.0
    assert sample(stamp, OVERSAMPLE, 0.0, -10.5) == 0.0


def test_between_positions_the_stamp_is_bilinear() -> None:
    model = gaussian_epsf(np.linspace(0.6, 1.0, 9))
    low, high = model.psf[0], model.psf[1]
    np.testing.assert_allclose(
        model.at(2043.5 / 4, 0.0), 0.75 * low + 0.25 * high, rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(model.at(-500.0, -500.0), low, rtol=1e-6)
    np.testing.assert_allclose(model.at(4087.0, 2043.5), model.psf[5], rtol=1e-6)


def test_order_of_positions_does_not_matter() -> None:
    model = gaussian_epsf(np.linspace(0.6, 1.0, 9))
    mixed = np.random.default_rng(3).permutation(9)
    other = Epsf(model.psf[mixed], OVERSAMPLE, model.pixel_x[mixed], model.pixel_y[mixed])
    np.testing.assert_array_equal(model.at(700.0, 3100.0), other.at(700.0, 3100.0))


def test_render_is_the_sum_of_samples() -> None:
    model = gaussian_epsf(np.linspace(0.6, 1.0, 9))
    rng = np.random.default_rng(1)
    x, y, flux = rng.uniform(-3, 63, 30), rng.uniform(-3, 43, 30), rng.uniform(1, 9, 30)
    image = np.zeros((40, 60), np.float32)
    model.render(x, y, flux, image)
    naive = np.zeros(image.shape)
    for k in range(30):
        stamp = model.at(x[k], y[k])
        for row, column in np.ndindex(image.shape):
            naive[row, column] += flux[k] * sample(stamp, OVERSAMPLE, column - x[k], row - y[k])
    np.testing.assert_allclose(image, naive, atol=2e-6 * naive.max())


def test_render_keeps_flux_and_place() -> None:
    image = np.zeros((61, 61), np.float32)
    gaussian_epsf().render(np.array([30.27]), np.array([29.61]), np.array([5.0]), image)
    y, x = np.indices(image.shape)
    assert image.sum(dtype=np.float64) == pytest.approx(5.0, rel=1e-4)
    assert np.average(x, weights=image.astype(float)) == pytest.approx(30.27, abs=3e-4)
    assert np.average(y, weights=image.astype(float)) == pytest.approx(29.61, abs=3e-4)


def test_render_does_not_depend_on_threads() -> None:
    model, rng = gaussian_epsf(), np.random.default_rng(2)
    stars = (rng.uniform(0, 50, 200), rng.uniform(0, 900, 200), rng.uniform(1, 9, 200))
    one, many = np.zeros((900, 50), np.float32), np.zeros((900, 50), np.float32)
    with limited(1):
        model.render(*stars, one)
    with limited(4):
        model.render(*stars, many)
    np.testing.assert_array_equal(one, many)


def reference(stamp: np.ndarray, types: tuple[str, ...] = ()) -> EpsfReference:
    y, x = (axis.ravel() for axis in np.meshgrid(GRID, GRID, indexing="ij"))
    planes = max(len(types), 1)
    psf = np.broadcast_to(stamp.astype(np.float32), (1, planes, 9, *stamp.shape)).copy()
    psf *= np.arange(1, planes + 1, dtype=np.float32)[:, None, None, None]
    return EpsfReference(
        psf=psf, oversample=OVERSAMPLE, pixel_x=x, pixel_y=y, spectral_type=types, name="e.asdf"
    )


def test_reference_with_the_pixel_in_it_is_taken_as_it_is() -> None:
    stamp = gaussian(WIDTH)
    made = Epsf.from_reference(reference(stamp * 16 / stamp.sum()))
    np.testing.assert_allclose(made.psf, gaussian_epsf().psf, atol=1e-6)


def test_reference_of_the_old_format_is_convolved_with_the_pixel() -> None:
    stamp = gaussian(WIDTH)
    made = Epsf.from_reference(reference(stamp / stamp.sum())).at(0, 0) / 16
    x = (np.arange(81) - 40) / OVERSAMPLE
    # A box of 4 samples with halved ends: variance 2 (1/4 + 4/8) = 1.5 samples^2.
    assert (made.sum(axis=0) * x**2).sum() == pytest.approx(WIDTH**2 + 1.5 / 16, rel=1e-4)


def test_spectral_type_unknown() -> None:
    with pytest.raises(ReferenceError, match="K5V"):
        Epsf.from_reference(reference(gaussian(WIDTH), ("A0V", "G2V")), "K5V")


def test_positions_must_form_a_grid() -> None:
    good = reference(gaussian(WIDTH) * 16)
    broken = EpsfReference(
        psf=good.psf,
        oversample=OVERSAMPLE,
        pixel_x=good.pixel_x + np.arange(9),
        pixel_y=good.pixel_y,
        name="e.asdf",
    )
    with pytest.raises(ReferenceError, match="grid"):
        Epsf.from_reference(broken)


def test_defocus_unknown() -> None:
    with pytest.raises(ReferenceError, match="defocus 1"):
        Epsf.from_reference(reference(gaussian(WIDTH)), defocus=1)


def test_many_stamps_are_those_of_each() -> None:
    model, rng = gaussian_epsf(np.linspace(0.6, 1.0, 9)), np.random.default_rng(4)
    x, y = rng.uniform(-100, 4200, (2, 5))
    many = model.at_many(x, y)
    for k in range(5):
        np.testing.assert_array_equal(many[k], model.at(x[k], y[k]))


@pytest.mark.parametrize("size", [5, 8, 25])
def test_stamps_are_cut_from_the_rendered_image(size: int) -> None:
    model, rng = gaussian_epsf(np.linspace(0.6, 1.0, 9)), np.random.default_rng(5)
    x, y = rng.uniform(15, 45, (2, 200))
    stamps, row, column = model.stamps(x, y, size)
    assert stamps.shape == (200, size, size)
    assert np.abs(column + size // 2 - x).max() <= 0.5
    for k in range(0, 200, 17):
        image = np.zeros((60, 60), np.float32)
        model.render(x[k : k + 1], y[k : k + 1], np.ones(1), image)
        part = image[row[k] : row[k] + size, column[k] : column[k] + size]
        np.testing.assert_allclose(stamps[k], part, rtol=1e-5, atol=1e-8)


def test_stamps_do_not_depend_on_threads() -> None:
    model, rng = gaussian_epsf(), np.random.default_rng(6)
    x, y = rng.uniform(0, 4087, (2, 400))
    with limited(1):
        one = model.stamps(x, y, 9)[0]
    with limited(4):
        many = model.stamps(x, y, 9)[0]
    np.testing.assert_array_equal(one, many)


def test_local_has_the_jitter_wanted() -> None:
    model = replace(gaussian_epsf(), jitter=Jitter(8, 8))
    wider = model.local(300.0, 400.0, jitter=Jitter(40, 8, 90))
    x = (np.arange(81) - 40) / OVERSAMPLE
    variance = [(wider.psf[0].sum(axis=axis) * x**2).sum() / 16 for axis in (0, 1)]
    added = (40**2 - 8**2) / 110**2
    assert variance == pytest.approx([WIDTH**2 + added, WIDTH**2], rel=1e-4)
    assert wider.jitter == Jitter(40, 8, 90)


def test_local_refuses_what_it_cannot_give() -> None:
    model = gaussian_epsf()
    with pytest.raises(ConfigError, match="one spectrum"):
        model.local(0, 0, spectrum="G2V")
    with pytest.raises(ConfigError, match="not known"):
        model.local(0, 0, jitter=10.0)
    with pytest.raises(ConfigError, match="more jitter"):
        replace(model, jitter=Jitter(8, 8)).local(0, 0, jitter=5.0)
