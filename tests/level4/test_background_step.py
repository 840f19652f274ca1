import numpy as np
import pytest

from aqueduct.level4.background import BackgroundConfig, background


def test_the_level_under_sources_is_found(raw, scene):
    for before, after in zip(raw.mosaics, scene.mosaics, strict=True):
        level = before.data - after.data
        assert np.nanmedian(level) == pytest.approx(0.3, abs=0.01)
        assert np.nanstd(level) < 0.01


def test_pixels_without_data_stay_so_and_the_input_is_not_touched(raw):
    mosaic = raw.mosaics[0]
    kept = mosaic.data.copy()
    after = background(mosaic, BackgroundConfig(box=100))
    assert np.array_equal(mosaic.data, kept, equal_nan=True)
    assert np.array_equal(np.isnan(after.data), mosaic.weight == 0)
    assert after.data.dtype == np.float32
    assert after.err is mosaic.err
