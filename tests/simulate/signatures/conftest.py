from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from aqueduct.instrument import MATable, ma_table
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.signatures import Frame

Uniform = Callable[..., DetectorTruth]


def _uniform(shape: tuple[int, int], **given: object) -> DetectorTruth:
    values = {
        "gain": 1.8,
        "response": 1.0,
        "dark": 0.0,
        "read_noise": 7.0,
        "nonlinearity": 0.0,
        "full_well": 60_000.0,
        "pedestal": 5000.0,
    }
    planes = {k: np.full(shape, given.pop(k, v), np.float32) for k, v in values.items()}
    name = given.pop("detector", "WFI01")
    flags = given.pop("dq", np.zeros(shape, np.uint32))
    return DetectorTruth(name, **planes, dq=flags, **given)


@pytest.fixture(scope="session")
def uniform() -> Uniform:
    """Makes a detector whose pixels are all alike; linear and quiet unless asked otherwise."""
    return _uniform


@pytest.fixture(scope="session")
def frame_of() -> Callable[..., Frame]:
    """Makes a frame of a uniform detector about to be read out."""

    def make(
        shape: tuple[int, int],
        rate: float = 0.0,
        table: MATable | None = None,
        earlier: tuple = (),
        **given: object,
    ) -> Frame:
        table = table or ma_table(4)
        reads = np.arange(1, table.reads + 1)
        plane = np.full(shape, rate, np.float32)
        return Frame(plane, _uniform(shape, **given), table, reads, earlier)

    return make
