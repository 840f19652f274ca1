from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core.threads import limited
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.sampling import sample
from aqueduct.simulate.render import draw_stars, stars


def drawn(x: np.ndarray, y: np.ndarray, rate: np.ndarray, epsf: Epsf, side: int) -> np.ndarray:
    image = np.zeros((side, side), np.float32)
    draw_stars(x, y, rate, epsf, image)
    return image


def test_every_pixel_is_a_sample_of_the_epsf_of_the_place(epsf: Epsf) -> None:
    x, y = 1203.37, 941.81
    image = drawn(np.array([x]), np.array([y]), np.array([50.0]), epsf, 2000)
    stamp = epsf.at(x, y)
    for row in range(930, 953, 3):
        for column in range(1190, 1216, 5):
            expected = 50 * sample(stamp, 4, column - x, row - y)
            assert image[row, column] == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert image.sum(dtype=float) == pytest.approx(50, rel=1e-4)


def test_edges_cut_stars_and_nothing_else(epsf: Epsf) -> None:
    x, y, rate = np.array([-3.2, 599.7]), np.array([100.0, 598.1]), np.array([10.0, 20.0])
    small, large = drawn(x, y, rate, epsf, 600), np.zeros((800, 800), np.float32)
    draw_stars(x + 100, y + 100, rate, epsf, large)
    # The ePSF is that of another place, which is 100 pixels away.
    np.testing.assert_allclose(small, large[100:700, 100:700], atol=2e-2)
    assert small.sum() > 5


def test_two_parts_of_a_faint_star_make_the_whole(
    epsf: Epsf, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    at = np.arange(60, 1000, 110.0)
    x, y = (axis.ravel() + rng.uniform(0, 1, axis.size) for axis in np.meshgrid(at, at))
    rate = np.ones(len(x))
    whole = drawn(x, y, rate, epsf, 1024).astype(float)
    monkeypatch.setattr(stars, "CROWDED", 0)
    parts = drawn(x, y, rate, epsf, 1024).astype(float)
    rows, columns = np.mgrid[:1024, :1024]
    for x0, y0 in zip(x, y, strict=True):
        top, left = int(y0) - 50, int(x0) - 50
        cut = np.s_[max(top, 0) : top + 101, max(left, 0) : left + 101]
        distance = np.hypot(columns[cut] - x0, rows[cut] - y0)
        difference = parts[cut] - whole[cut]
        for radius in (1.8, 4.5, 9.1, 46):
            assert abs(difference[distance < radius].sum()) < 1e-4
        near = distance < 9
        shift = (difference * (columns[cut] - x0))[near].sum()
        assert abs(shift) < 2e-4


def test_bright_stars_are_drawn_whole(epsf: Epsf, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, rate = np.array([200.3]), np.array([180.8]), np.array([stars.BRIGHT])
    whole = drawn(x, y, rate, epsf, 400)
    monkeypatch.setattr(stars, "CROWDED", 0)
    np.testing.assert_array_equal(drawn(x, y, rate, epsf, 400), whole)
    assert not np.array_equal(drawn(x, y, rate * 0.5, epsf, 400), whole * np.float32(0.5))


def test_the_same_at_any_number_of_threads(epsf: Epsf, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.uniform(-40, 1240, (2, 500))
    rate = 10 ** rng.uniform(0, 4, 500)
    for crowded in (1000, 10):
        monkeypatch.setattr(stars, "CROWDED", crowded)
        images = []
        for threads in (1, 3):
            with limited(threads):
                images.append(drawn(x, y, rate, epsf, 1200))
        np.testing.assert_array_equal(*images)
