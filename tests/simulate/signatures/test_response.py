from __future__ import annotations

import numpy as np
import pytest

from aqueduct.simulate.signatures import IntraPixelConfig, intra_pixel


def test_mean_over_a_pixel_is_one_and_corners_count_less() -> None:
    x, y = np.random.default_rng(1).uniform(3, 9, (2, 200_000))
    config = IntraPixelConfig(depth=0.2)
    seen = intra_pixel(x, y, np.ones(len(x)), config)
    assert seen.mean() == pytest.approx(1.0, abs=3e-4)
    ends = intra_pixel(np.array([4.0, 4.4999]), np.array([7.0, 6.5001]), np.ones(2), config)
    assert ends[0] - ends[1] == pytest.approx(0.1, abs=1e-3)
    np.testing.assert_array_equal(intra_pixel(x, y, x, IntraPixelConfig()), x)
