"""The block stream: the same as the whole frame at once, whatever the threads."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import maximum_filter

from aqueduct.core.config import StepConfig
from aqueduct.core.step import step
from aqueduct.core.threads import limited
from aqueduct.products import Image, Ramp, Raw
from aqueduct.products.references import FlatReference, MaskReference
from aqueduct.products.window import BORDER, CHANNEL, FRAME, SCIENCE, WHOLE
from aqueduct.run.blocks import bind, stream

META = {
    "exposure": {
        "type": "WFI_IMAGE",
        "frame_time": 3.0,
        "read_pattern": [[1], [2]],
        "start_time": None,
    },
    "instrument": {"detector": "WFI01", "optical_element": "F158"},
}


class OffsetConfig(StepConfig):
    """None."""


def measure(frame: Raw, config: OffsetConfig, mask: MaskReference) -> NDArray[np.float32]:
    """Mean of the top reference rows of each resultant."""
    return frame.data[:, -4:].mean(axis=(1, 2)).astype(np.float32)


@step(shape="block", prepare=measure)
def offset(raw: Raw, mask: MaskReference, state: NDArray[np.float32], config: OffsetConfig) -> Ramp:
    """Subtract a number found on the whole frame."""
    data = raw.data.astype(np.float32) - state[:, None, None]
    groupdq = np.zeros(data.shape, np.uint8)
    return Ramp(data, groupdq, mask.dq.astype(np.uint32), raw.meta, raw.window)


class SpreadConfig(StepConfig):
    reach: int = Field(2, ge=0, description="Pixels")


def _reach(config: SpreadConfig) -> int:
    return config.reach


@step(shape="block", halo=_reach)
def spread(ramp: Ramp, config: SpreadConfig) -> Ramp:
    """Look at neighbours, across channels and bands."""
    size = 2 * config.reach + 1
    data = np.stack([maximum_filter(plane, size, mode="nearest") for plane in ramp.data])
    return Ramp(data, ramp.groupdq, ramp.pixeldq, ramp.meta, ramp.window)


class RateConfig(StepConfig):
    """None."""


@step(shape="block")
def rate(ramp: Ramp, flat: FlatReference, config: RateConfig) -> Image:
    """Make an image."""
    data = (ramp.data[1] - ramp.data[0]) * flat.data
    half = np.full(data.shape, 0.5, np.float32)
    y, x = np.nonzero(ramp.pixeldq % 100_003 == 0)
    places = (np.ones_like(y), y + ramp.window.row - BORDER, x + ramp.window.column - BORDER)
    return Image(
        data,
        ramp.pixeldq,
        *(half,) * 5,
        meta=ramp.meta,
        window=ramp.window,
        jumps=np.stack(places, axis=1).astype(np.int16),
    )


@pytest.fixture(scope="module")
def frame() -> Raw:
    rng = np.random.default_rng(1)
    data = rng.integers(0, 1000, (2, FRAME, FRAME), dtype=np.uint16)
    return Raw(data, np.zeros((2, FRAME, 128), np.uint16), META)


@pytest.fixture(scope="module")
def expected(frame: Raw) -> NDArray[np.float32]:
    means = frame.data[:, -4:].mean(axis=(1, 2)).astype(np.float32)
    wide = [
        maximum_filter(plane.astype(np.float32) - mean, 5, mode="nearest")
        for plane, mean in zip(frame.data, means, strict=True)
    ]
    return (2 * (wide[1] - wide[0]))[4:-4, 4:-4]


def chain(frame: Raw) -> list:
    mask = MaskReference(dq=np.arange(FRAME * FRAME, dtype=np.uint32).reshape(FRAME, FRAME))
    two = np.full((SCIENCE, SCIENCE), 2, np.float32)
    flat = FlatReference(data=two, err=two, dq=two.astype(np.uint32))
    return [
        bind(offset, OffsetConfig(), {"mask": mask}, frame),
        bind(spread, SpreadConfig(), {}, frame),
        bind(rate, RateConfig(), {"flat": flat}, frame),
    ]


@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_equal_whole(frame: Raw, expected: NDArray[np.float32], threads: int) -> None:
    heard: list[float] = []
    with limited(threads):
        image = stream(frame, chain(frame), heard.append)
    assert isinstance(image, Image)
    np.testing.assert_array_equal(image.data, expected)
    np.testing.assert_array_equal(
        image.dq, np.arange(FRAME * FRAME, dtype=np.uint32).reshape(FRAME, FRAME)[4:-4, 4:-4]
    )
    assert image.err.dtype == np.float16
    y, x = np.nonzero(image.dq % 100_003 == 0)
    np.testing.assert_array_equal(image.jumps, np.stack([np.ones_like(y), y, x], axis=1))
    assert max(heard) == 1.0
    assert len(heard) == FRAME // CHANNEL


def test_a_chain_may_end_in_a_ramp_and_go_on(frame: Raw, expected: NDArray[np.float32]) -> None:
    first, second, third = chain(frame)
    ramp = stream(frame, [first, second], lambda fraction: None)
    assert isinstance(ramp, Ramp)
    assert ramp.window == WHOLE
    image = stream(ramp, [third], lambda fraction: None)
    np.testing.assert_array_equal(image.data, expected)
