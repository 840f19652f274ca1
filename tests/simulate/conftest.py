from __future__ import annotations

import numpy as np
import pytest

from aqueduct.simulate.detector import DetectorConfig, DetectorTruth, draw_detector


@pytest.fixture(scope="session")
def detector() -> DetectorTruth:
    return draw_detector("WFI01", DetectorConfig(), np.random.default_rng(11))
