import numpy as np
import pytest
from scipy.ndimage import correlate

from aqueduct.measure.apertures import Field
from aqueduct.measure.sharpness import sharpness, template


def blob(a, b, angle=0.0):
    rows, columns = np.mgrid[:31, :31] - 15
    u = columns * np.cos(angle) + rows * np.sin(angle)
    v = rows * np.cos(angle) - columns * np.sin(angle)
    data = (10 * np.exp(-0.5 * ((u / a) ** 2 + (v / b) ** 2))).astype(np.float32)
    return Field(data, data, np.zeros(data.shape, bool), np.zeros(data.shape, np.int32))


CENTRE = np.array([15.0])


def test_the_template_measures_the_height_of_its_own_gaussian():
    kernel, inside = template(2.0)
    sigma = 2.0 / np.sqrt(8 * np.log(2))
    assert kernel.sum() == pytest.approx(0, abs=1e-12)
    assert inside.sum() == 13
    heights = correlate(blob(sigma, sigma).data.astype(float) + 7, kernel)
    assert heights[15, 15] == pytest.approx(10, rel=1e-6)


def test_sharpness_falls_with_width_and_round_sources_are_round():
    values = [sharpness(blob(s, s), CENTRE, CENTRE, 2.0) for s in (0.4, 0.85, 1.5)]
    assert values[0][0] > values[1][0] > values[2][0]
    assert all(abs(round_[0]) < 1e-9 for _, round_ in values)


def test_roundness_changes_sign_under_a_quarter_turn():
    _, one = sharpness(blob(2.0, 0.7, 0.6), CENTRE, CENTRE, 2.0)
    _, other = sharpness(blob(0.7, 2.0, 0.6), CENTRE, CENTRE, 2.0)
    assert one[0] == pytest.approx(-other[0], abs=0.05)
    assert abs(one[0]) > 0.2


def test_no_position_gives_nan():
    assert np.isnan(sharpness(blob(1, 1), np.array([np.nan]), CENTRE, 2.0)).all()
