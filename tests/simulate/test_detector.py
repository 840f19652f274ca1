from __future__ import annotations

import numpy as np
import pytest

from aqueduct.core import dq
from aqueduct.instrument import detector_noise
from aqueduct.instrument.noise import IPC, persistence
from aqueduct.simulate.detector import DetectorTruth

SCIENCE = (slice(4, -4), slice(4, -4))


def test_maps_of_a_detector(detector: DetectorTruth) -> None:
    inside = detector.response[SCIENCE]
    assert np.median(inside) == pytest.approx(1.0, abs=0.02)
    assert (detector.response[:4] == 0).all() and (detector.dark[:, -4:] == 0).all()
    assert (detector.dq[:4] == dq.REFERENCE_PIXEL).all()
    assert np.median(detector.dark[SCIENCE]) == pytest.approx(0.019, rel=0.02)
    hot = (detector.dq & dq.HOT) != 0
    assert hot[SCIENCE].mean() == pytest.approx(2e-3, rel=0.05)
    assert detector.dark[hot].min() >= 1
    assert len(np.unique(detector.gain[2000])) == 32


def test_noise_of_a_read_is_shared_out(detector: DetectorTruth) -> None:
    noise, known = detector.pink, detector_noise("WFI01")
    within = np.median(detector.read_noise) ** 2 + noise.common**2 + noise.own**2
    assert np.sqrt(within) * 1.8 == pytest.approx(known.read, rel=2e-3)
    assert 0.5 < noise.pixel < 0.7
    assert len(noise.coupling) == 33


def test_what_else_is_known_of_a_detector(detector: DetectorTruth) -> None:
    np.testing.assert_array_equal(detector.ipc, IPC)
    assert detector.persistence == persistence("WFI01")
    assert detector.transient is None
    assert detector.inl.shape == (32, 65536) and detector.inl.dtype == np.float32
    spots = detector.telegraph.pixel
    assert len(spots) / 4088**2 == pytest.approx(5e-4, rel=0.05)
    assert (detector.dq.flat[spots] == dq.parse("TELEGRAPH")).all()
