"""An example of what every step of every pipeline is handed, from the steps before it.

The pipelines are walked through once, in memory and step by step. A new step has an
example as soon as the world has its references and a value for those fields of its config
that can't be varied by their type alone.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache, lru_cache, reduce
from typing import Any

import frame_world
import numpy as np
import sky_world
from astropy.time import Time

import aqueduct.pipelines
from aqueduct.core.config import StepConfig
from aqueduct.core.step import Step
from aqueduct.core.threads import limited
from aqueduct.instrument.readout import read_times
from aqueduct.pipelines.catalog import CATALOG
from aqueduct.pipelines.exposure import EXPOSURE
from aqueduct.pipelines.mosaic import MOSAIC
from aqueduct.products import Catalog, Image, Mosaic, Raw, SkyCell, Window
from aqueduct.products.meta import updated
from aqueduct.products.references import FileReference, cut
from aqueduct.run import Pipeline
from aqueduct.run.pipeline import Edits, edited, requested

AREA = frame_world.AREA
OFFERED: dict[str, Pipeline] = {
    value.name: value
    for found in pkgutil.iter_modules(aqueduct.pipelines.__path__)
    for value in vars(importlib.import_module(f"aqueduct.pipelines.{found.name}")).values()
    if isinstance(value, Pipeline)
}
BESIDE: dict[str, tuple[Edits, ...]] = {
    EXPOSURE.name: (
        Edits(before={"ramp_fit": "aqueduct.level2.jump:jump"}),
        Edits(before={"ramp_fit": "aqueduct.level2.snowballs:snowballs"}),
    ),
}
"""How a user puts in the steps that no pipeline has."""


def _with_everything(pipeline: Pipeline) -> Pipeline:
    """``pipeline`` with every step that a user may ask for."""
    asked = requested(pipeline, {entry.reftype for entry in pipeline.on_request})
    return replace(reduce(edited, BESIDE.get(pipeline.name, ()), asked), name=f"{pipeline.name}+")


PIPELINES: tuple[Pipeline, ...] = (
    *OFFERED.values(),
    *(made for made in map(_with_everything, OFFERED.values())
      if made.stages != OFFERED[made.name[:-1]].stages),
)  # fmt: skip
"""As they are, and where that differs, with everything a user may ask for."""

STEPS: dict[str, Step] = {name: step for each in PIPELINES for name, step in each.steps().items()}

VALUES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("source_catalog", "spectral_type"): ("M5V",),
    ("background", "contrast"): (1.0,),
    ("background", "prominence"): (0.0,),
    ("source_catalog", "box"): (60,),
    ("skymatch", "bad"): ("DO_NOT_USE+JUMP_DET", "0"),
    ("outlier_detection", "bad"): ("DO_NOT_USE+JUMP_DET", "0"),
    ("resample", "bad"): ("DO_NOT_USE+JUMP_DET", "0"),
    ("background", "fwhm"): ((0.3,),),
    ("detection", "fwhm"): ((0.16,),),
    ("user_mask", "flags"): (("OUTLIER",),),
}
"""Other values of fields, tried before those that follow from their types."""

BASES: dict[tuple[str, str], dict[str, Any]] = {
    ("background", "contrast"): {"prominence": 0.0},
    ("tweakreg", "on_failure"): {"minimum_matches": 10_000},
    ("set_pointing", "on_missing"): {"tolerance": 0.0},
}
"""What else must be set for a field to matter."""


def _without_errors(product: Any) -> Any:
    """A catalog of which every other position has no error."""
    if not isinstance(product, Catalog):
        return product
    errors = product["x_psf_err"].copy()
    errors[::2] = np.nan
    return replace(product, columns={**product.columns, "x_psf_err": errors})


def _of_wfi18(product: Any) -> Any:
    """A raw frame as WFI18 would give it, with a transient in its first resultant."""
    if not isinstance(product, Raw):
        return product
    when = read_times("WFI18", 3.16, slice(0, 4096), slice(0, 1))
    data = product.data.copy()
    data[0] += np.rint(60 * np.exp(-when / 0.2)).astype(np.uint16)
    return replace(product, data=data, meta=updated(product.meta, instrument={"detector": "WFI18"}))


CHANGES: dict[tuple[str, str], Callable[[Any], Any]] = {
    ("wfi18_transient", "mask_rows"): _of_wfi18,
    ("wfi18_transient", "baseline"): _of_wfi18,
    ("wfi18_transient", "clip"): _of_wfi18,
    ("tweakreg", "centroid_error"): _without_errors,
}
"""What products must be like for a field to matter."""

Bag = dict[type, list[Any]]


@dataclass(frozen=True)
class Example:
    """What a step is handed, but for its config.

    Attributes
    ----------
    products : dict
        By parameter name. Of a block step, the part in ``AREA``.
    references : dict
        By parameter name; of a block step, not yet cut.
    members : list
        What a fold is fed.
    frame : Raw, optional
        The whole frame that ``prepare`` looks at.
    """

    products: dict[str, Any]
    references: dict[str, FileReference]
    members: tuple[Any, ...] = ()
    frame: Raw | None = None

    def changed(self, change: Any) -> Example:
        """The same with ``change`` applied to every product."""
        return replace(
            self,
            products={name: _each(value, change) for name, value in self.products.items()},
            members=tuple(map(change, self.members)),
        )

    @property
    def given(self) -> list[Any]:
        """All products, in a row."""
        return [*flat(list(self.products.values())), *self.members]


def _each(value: Any, change: Any) -> Any:
    return [change(one) for one in value] if isinstance(value, list) else change(value)


def flat(values: Any) -> list[Any]:
    """Products out of nested lists and tuples."""
    if not isinstance(values, (list, tuple)):
        return [values]
    return [one for value in values for one in flat(value)]


@lru_cache
def references() -> dict[type[FileReference], FileReference]:
    return {**frame_world.references(), **sky_world.references()}


def example(name: str) -> Example:
    """The example of a step.

    Raises
    ------
    LookupError
        If the world lacks something it needs.
    """
    for pipeline in PIPELINES:
        steps = list(pipeline.steps().values())
        names = [step.name for step in steps]
        if name in names:
            place = names.index(name)
            return _example(steps[place], bag_before(pipeline.name, place))
    raise LookupError(f"no pipeline has a step {name}")


def _example(step: Step, bag: Bag) -> Example:
    lacking = {entry.kind for entry in step.references} - set(references())
    wanted = {entry.kind for entry in step.products} | ({step.member} - {None})
    if lacking := lacking | (wanted - set(bag)):
        raise LookupError(
            f"step {step.name} needs {', '.join(kind.__name__ for kind in lacking)}: "
            "add an example to tests/contracts/frame_world.py or sky_world.py"
        )
    chosen = {
        entry.name: list(bag[entry.kind]) if entry.many else bag[entry.kind][0]
        for entry in step.products
    }
    frame = None
    if step.shape == "block":
        frame = frame_world.frame()
        chosen = {name: part(value, AREA) for name, value in chosen.items()}
    return Example(
        chosen,
        {entry.name: references()[entry.kind] for entry in step.references},
        tuple(bag[step.member]) if step.member is not None else (),
        frame,
    )


@cache
def bag_before(pipeline: str, place: int) -> Bag:
    """Products in hand before the step at ``place``."""
    steps = list({each.name: each for each in PIPELINES}[pipeline].steps().values())
    if place == 0:
        return _start(pipeline.rstrip("+"))
    last = steps[place - 1]
    bag = dict(bag_before(pipeline, place - 1))
    made = advance(last, bag)
    if Image in made and last.shape == "block" and steps[place].shape != "block":
        # A corner of a detector shows no sky: go on with images that do.
        made = {Image: list(sky_world.images()[:2])}
    return {**bag, **made}


def _start(pipeline: str) -> Bag:
    if pipeline == EXPOSURE.name:
        return {Raw: [frame_world.frame()]}
    if pipeline == MOSAIC.name:
        return {Image: _calibrated("F158"), SkyCell: [sky_world.cell()]}
    if pipeline == CATALOG.name:
        return {Mosaic: [_coadd(element) for element in sky_world.FILTERS]}
    raise LookupError(f"add what pipeline {pipeline} begins with to tests/contracts/world.py")


def _calibrated(element: str) -> list[Image]:
    bag: Bag = {Image: list(sky_world.images(element))}
    for name in ("assign_wcs", "photom"):
        bag |= advance(STEPS[name], bag)
    return bag[Image]


def _coadd(element: str) -> Mosaic:
    bag: Bag = {Image: _calibrated(element), SkyCell: [sky_world.cell()]}
    for step in MOSAIC.steps().values():
        bag |= advance(step, bag)
    coadd = bag[Mosaic][0]
    # As the runner names and dates what it writes.
    named = {"filename": f"r0_{element.lower()}_coadd.asdf", "file_date": Time("2027-03-03")}
    return replace(coadd, meta=updated(coadd.meta, **named, unknown=frame_world.UNKNOWN))


def advance(step: Step, bag: Bag) -> Bag:
    """What a step with its default config makes of a bag, member by member."""
    alone = step.shape == "frame" and not any(entry.many for entry in step.products)
    if not alone:
        made = call(step, _example(step, bag))
    else:
        count = len(bag[step.products[0].kind])
        turns = [{kind: values[number : number + 1] or values for kind, values in bag.items()}
                 for number in range(count)]  # fmt: skip
        made = tuple(zip(*(call(step, _example(step, turn)) for turn in turns), strict=True))
    return {entry.kind: flat(value) for entry, value in zip(step.gives, made, strict=True)}


def call(
    step: Step, given: Example, config: StepConfig | None = None, threads: int = 2
) -> tuple[Any, ...]:
    """Run a step on its example; one entry for each type it gives."""
    config = config or step.config()
    with limited(threads):
        if step.shape == "block":
            return (block(step, given, config, AREA),)
        arguments = {**given.products, **given.references, "config": config}
        if step.uses_rng:
            arguments["rng"] = np.random.default_rng(1)
        result = step.function(**arguments)
        if step.shape == "fold":
            for member in given.members:
                result.add(member)
            return (result.finish(),)
        return result if len(step.gives) > 1 else (result,)


def block(step: Step, given: Example, config: StepConfig, window: Window, state: Any = None) -> Any:
    """The step's result for a window of ``AREA``, handed over with its halo."""
    cover = window.grown(step.halo(config)).overlap(AREA)
    arguments: dict[str, Any] = {
        name: cut(reference, cover) for name, reference in given.references.items()
    }
    if step.prepare is not None:
        arguments["state"] = prepared(step, given, config) if state is None else state
    products = {name: part(value, cover) for name, value in given.products.items()}
    return part(step.function(**products, **arguments, config=config), window)


def prepared(step: Step, given: Example, config: StepConfig, frame: Any = None) -> Any:
    assert step.prepare is not None
    return step.prepare(frame or given.frame, config, **given.references)


def part(product: Any, window: Window) -> Any:
    """The part of a frame, or of a part of one, in ``window``."""
    if isinstance(product, Raw) and product.window != Window():
        rows, columns = window.within(product.window)
        return replace(
            product,
            data=product.data[:, rows, columns],
            resultantdq=product.resultantdq[:, rows, columns],
            reference_read=product.reference_read[rows, columns],
            window=window,
        )
    return product.cut(window)


def windows(height: int, width: int) -> Iterator[Window]:
    """``AREA`` in windows of at most this size."""
    for row in range(AREA.row, AREA.row + AREA.height, height):
        for column in range(AREA.column, AREA.column + AREA.width, width):
            yield Window(row, column, height, width).overlap(AREA)


def fingerprint(value: Any, path: str = "") -> dict[str, Any]:
    """Everything a value holds, by path: equal if and only if all of it is.

    Arrays are compared bit by bit, but for what kind of NaN a NaN is.
    """
    if is_dataclass(value) and not isinstance(value, type):
        entries = {entry.name: getattr(value, entry.name) for entry in fields(value)}
    elif isinstance(value, dict):
        entries = value
    elif isinstance(value, (list, tuple)):
        entries = dict(enumerate(value))
    else:
        return {path: _leaf(value)}
    found: dict[str, Any] = {path: type(value).__name__}
    for key, entry in entries.items():
        found |= fingerprint(entry, f"{path}.{key}")
    return found


def _leaf(value: Any) -> Any:
    from hashlib import blake2b

    if isinstance(value, np.ndarray):
        plain = np.ascontiguousarray(value)
        if plain.dtype.kind == "f" and np.isnan(plain).any():
            plain = np.where(np.isnan(plain), plain.dtype.type(np.nan), plain)
        return (str(plain.dtype), plain.shape, blake2b(plain.data).hexdigest())
    if hasattr(value, "available_frames"):
        return _wcs(value)
    if hasattr(value, "colnames"):
        return str({name: list(value[name]) for name in value.colnames})
    if hasattr(value, "jd1"):
        return (value.jd1, value.jd2)
    return value if not isinstance(value, float) or value == value else "nan"


def _wcs(wcs: Any) -> Any:
    x, y = np.meshgrid(np.linspace(0, 300, 5), np.linspace(0, 300, 5))
    sky = wcs(x, y, with_bounding_box=False)
    return (wcs.name, tuple(wcs.available_frames), str(wcs.bounding_box), *map(_leaf, sky))
