from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from pydantic import ValidationError

from aqueduct.simulate.signatures import Band, Frame
from aqueduct.simulate.signatures.guide_window import GuideWindowConfig, guide_window


def test_the_box_holds_short_exposures(frame_of: Callable[..., Frame]) -> None:
    config = GuideWindowConfig(x=20, y=10, size=16, exposure=0.5, columns=3.0)
    frame = frame_of((40, 60), rate=40.0)
    act = guide_window(frame, config, np.random.default_rng(1))
    band = Band(0, np.full((40, 44, 60), 1e4, np.float32))
    act.apply(band)
    box = band.signal[10:26, :, 20:36]
    assert box.mean() == pytest.approx(20.0, rel=0.01)
    assert box.var() == pytest.approx(20.0, rel=0.05)
    columns = band.signal[:10, :, 20:36] - 1e4
    assert (columns == columns[:1, :, :1]).all()
    assert columns.std() == pytest.approx(3.0, rel=0.35)
    assert (band.signal[:, :, :20] == 1e4).all() and (band.signal[:, :, 36:] == 1e4).all()
    part = Band(5, np.full((10, 44, 60), 1e4, np.float32))
    act.apply(part)
    np.testing.assert_array_equal(part.signal, band.signal[5:15])


def test_metadata() -> None:
    meta = GuideWindowConfig(x=100, y=200).meta()
    assert meta == {
        "window_xstart": 100,
        "window_ystart": 200,
        "window_xstop": 116,
        "window_ystop": 216,
    }
    assert GuideWindowConfig().meta() == {}
    for place in ({"x": 4090, "y": 5}, {"x": 10}):
        with pytest.raises(ValidationError, match="within the frame"):
            GuideWindowConfig(**place)
