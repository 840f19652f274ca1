"""A pipeline of quick steps on small Level 2 files, in a file outside the package.

``make`` takes each image by itself, ``align`` revises all of them in place, ``stack`` adds
them up. The steps are the runner's four shapes but for ``block``, which needs whole frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import Field

from aqueduct import io
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import InputError
from aqueduct.core.step import Fold, step
from aqueduct.products import Image, Segmentation
from aqueduct.products.meta import updated
from aqueduct.run import Pipeline, Source, Stage, Unit

HERE = Path(__file__).resolve()
VISIT = "0000101001001001001"
REGION = "POLYGON ICRS  10.1 0.1 10.1 0.2 10.0 0.2 10.0 0.1"


class ScaleConfig(StepConfig):
    factor: float = Field(2.0, gt=0, description="Multiplier")


@step(shape="frame", cal_step="dark")
def scale(image: Image, config: ScaleConfig) -> Image:
    """Multiply; bad pixels of value 666 can't be."""
    if np.any(image.data == 666):
        raise InputError("holds the number of the beast", where=image.meta["filename"])
    return replace(image, data=image.data * np.float32(config.factor))


class SpeckleConfig(StepConfig):
    amount: float = Field(1.0, ge=0, description="Standard deviation, DN/s")


@step(shape="frame", cal_step="flat_field")
def speckle(image: Image, rng: np.random.Generator, config: SpeckleConfig) -> Image:
    """Add noise."""
    noise = rng.normal(0, config.amount, image.data.shape)
    return replace(image, data=image.data + noise.astype(np.float32))


class LabelConfig(StepConfig):
    threshold: float = Field(0.0, description="DN/s")


@step(shape="frame", cal_step="source_catalog", redoable=True)
def label(image: Image, config: LabelConfig) -> Segmentation:
    """Label bright pixels."""
    return _segmentation(image, image.data > config.threshold)


class LevelConfig(StepConfig):
    plus: float = Field(0.0, description="Added to the level, DN/s")


@step(shape="group", cal_step="tweakreg", redoable=True)
def level(images: list[Image], config: LevelConfig) -> list[Image]:
    """Note the mean of all members in each."""
    mean = float(np.mean([image.data.mean(dtype=float) for image in images])) + config.plus
    return [replace(image, meta=updated(image.meta, toy={"level": mean})) for image in images]


class AddConfig(StepConfig):
    """None."""


class Sum:
    """Adds images up."""

    def __init__(self) -> None:
        self.total: Image | None = None

    def add(self, member: Image) -> None:
        old = self.total
        self.total = member if old is None else replace(old, data=old.data + member.data)

    def finish(self) -> Segmentation:
        assert self.total is not None
        return _segmentation(self.total, np.maximum(self.total.data, 0))


@step(shape="fold")
def add(config: AddConfig) -> Fold[Image, Segmentation]:
    """Add all members up."""
    return Sum()


def _segmentation(image: Image, values: np.ndarray) -> Segmentation:
    apart = ("background", "cal_logs", "cal_step", "outlier_detection", "statistics", "toy", "wcs")
    meta = {key: value for key, value in image.meta.items() if key not in apart}
    return Segmentation(values.astype(np.uint32), meta, "image")


MAKE = Stage("make", "image", tuple(f"{HERE}:{name}" for name in ("scale", "speckle", "label")))
ALIGN = Stage("align", "visit", (f"{HERE}:level",), missing="proceed")
STACK = Stage("stack", "visit", (f"{HERE}:add",))


def plan(sources: Sequence[Source], out: Path) -> list[Unit]:
    make = [_make(source.path, out) for source in sources]
    images = tuple(path for unit in make for path in unit.outputs[Image])
    stack = {Segmentation: (out / "stack_segm.asdf",)}
    return [
        *make,
        Unit(ALIGN.name, "all", images, {Image: images}),
        Unit(STACK.name, "all", images, stack),
    ]


def _make(path: Path, out: Path) -> Unit:
    root = path.name.rpartition("_")[0]
    outputs = {Image: (out / f"{root}_cal.asdf",), Segmentation: (out / f"{root}_segm.asdf",)}
    return Unit(MAKE.name, root, (path,), outputs)


PIPELINE = Pipeline("toy", "Quick steps", (Image,), (MAKE, ALIGN, STACK), plan)


def write_images(folder: Path, count: int = 3, size: int = 40) -> list[Path]:
    """Small Level 2 images of one visit, as another program wrote them."""
    from roman_datamodels import datamodels

    folder.mkdir(parents=True, exist_ok=True)
    template = folder / "template.asdf"
    datamodels.ImageModel.create_fake_data(shape=(size, size)).to_asdf(template)
    image = io.read(template)
    assert isinstance(image, Image)
    paths = []
    for number in range(1, count + 1):
        meta = updated(
            image.meta,
            instrument={"optical_element": "F158", "detector": "WFI01"},
            observation={"visit_id": VISIT, "program": 1, "exposure": number},
            wcsinfo={"s_region": REGION},
        )
        data = np.random.default_rng(number).normal(size=(size, size)).astype(np.float32)
        paths.append(folder / f"r{VISIT}_{number:04d}_wfi01_f158_cal.asdf")
        io.write(replace(image, data=data, meta=meta), paths[-1])
    template.unlink()
    return paths
