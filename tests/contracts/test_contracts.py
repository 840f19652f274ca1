"""What holds for every step of every pipeline, generated from the pipelines themselves.

A new step is tested as soon as a pipeline names it; where the world of examples lacks what
it needs, the message says what to add.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import chain, takewhile
from pathlib import Path
from typing import Any

import frame_world
import numpy as np
import pytest
import world
from alternatives import other_values, refused
from pydantic import ValidationError
from world import AREA, STEPS, Example, block, call, example, fingerprint, flat, part, windows

from aqueduct.core import dq
from aqueduct.core.config import StepConfig
from aqueduct.core.errors import AqueductError
from aqueduct.core.step import Step, registered
from aqueduct.products import Catalog, Image, Mosaic, Ramp, Raw, Segmentation, Wcs
from aqueduct.products import columns as declared
from aqueduct.products.image import PLANES
from aqueduct.products.references import cut
from aqueduct.products.window import BORDER
from aqueduct.run import Pipeline

BLOCKS = [name for name, step in STEPS.items() if step.shape == "block"]
ON_PICTURES = [
    name
    for name, step in STEPS.items()
    if name not in BLOCKS
    and {Image, Mosaic} & {*(entry.kind for entry in step.products), step.member}
]
FIELDS = [(name, field) for name, step in STEPS.items() for field in step.config.model_fields]
UNITS = re.compile(r"\b(DN|MJy|nJy|arcsec|deg|degrees|pixels?|Pixel|ICRS)\b")
ECHOES = re.compile(r"\.(good_bits|pixfrac|weight_type|background\.method)$")
"""Metadata that repeat a config: they change though the field may do nothing."""

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")
every_step = pytest.mark.parametrize("name", STEPS)


@cache
def outcome(name: str) -> tuple[Any, ...]:
    """What the step makes of its example with its default config."""
    return call(STEPS[name], example(name))


def pairs(step: Step, given: Example, made: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    """Products in, each with the product out that has the same pixels."""
    pixels = (Raw, Ramp, Image)
    for entry, value in zip(step.gives, made, strict=True):
        if not issubclass(entry.kind, pixels) or step.shape == "fold":
            continue
        before = [one for one in given.given if isinstance(one, pixels)]
        yield from zip(before, flat(value), strict=True)


def test_no_step_is_left_out() -> None:
    for level in ("level1", "level2", "level3", "level4", "level5"):
        package = importlib.util.find_spec(f"aqueduct.{level}")
        for found in pkgutil.iter_modules(package.submodule_search_locations if package else []):
            importlib.import_module(f"aqueduct.{level}.{found.name}")
    assert {step.name for step in registered()} == set(STEPS)


# --- purity, determinism, threads ---------------------------------------------------------


@every_step
def test_inputs_are_left_as_they_are(name: str) -> None:
    step, given = STEPS[name], example(name)
    used = {
        key: cut(reference, AREA) if step.shape == "block" else reference
        for key, reference in given.references.items()
    }
    everything = (given.given, used, given.frame if step.prepare else None)
    before = fingerprint(everything)
    call(step, given)
    assert fingerprint(everything) == before


@every_step
def test_the_same_again_and_on_any_number_of_threads(name: str) -> None:
    expected = fingerprint(outcome(name))
    for threads in (1, 3):
        assert fingerprint(call(STEPS[name], example(name), threads=threads)) == expected


# --- what comes out -----------------------------------------------------------------------


def check(product: Any) -> None:
    """Types and shapes are those that the product declares."""
    CHECKS[type(product)](product)


def check_raw(raw: Raw) -> None:
    assert raw.data.dtype == raw.amp33.dtype == np.uint16
    assert raw.data.shape[1:] == (raw.window.height, raw.window.width)


def check_ramp(ramp: Ramp) -> None:
    types = (ramp.data.dtype, ramp.groupdq.dtype, ramp.pixeldq.dtype)
    assert types == (np.float32, np.uint8, np.uint32)
    assert ramp.data.shape == ramp.groupdq.shape
    assert ramp.data.shape[1:] == ramp.pixeldq.shape == (ramp.window.height, ramp.window.width)


def check_image(image: Image) -> None:
    assert (image.data.dtype, image.dq.dtype) == (np.float32, np.uint32)
    for name in PLANES:
        plane = getattr(image, name)
        assert plane.shape == image.data.shape
        assert plane.dtype in (np.float16, np.float32, np.uint32), f"{name} is {plane.dtype}"


def check_mosaic(mosaic: Mosaic) -> None:
    shape = (mosaic.cell.pixels, mosaic.cell.pixels)
    for name in ("data", "err", "weight", "var_poisson", "var_rnoise"):
        plane = getattr(mosaic, name)
        assert (plane.dtype, plane.shape) == (np.float32, shape), name
    assert (mosaic.context.dtype, mosaic.context.shape[1:]) == (np.uint32, shape)
    assert mosaic.wcs is not None


def check_catalog(catalog: Catalog) -> None:
    bands = world.sky_world.FILTERS if catalog.kind == "multiband" else ()
    expected = declared.columns(catalog.kind, bands, psf="x_psf" in catalog.columns)
    assert list(catalog.columns) == [column.name for column in expected]
    for column in expected:
        values = catalog[column.name]
        assert values.dtype == column.dtype, column.name
        assert values.shape == (len(catalog),), column.name


def check_segmentation(segmentation: Segmentation) -> None:
    assert segmentation.data.dtype == np.uint32
    labels = np.unique(segmentation.data)
    np.testing.assert_array_equal(labels, np.arange(labels[-1] + 1))


def check_wcs(wcs: Wcs) -> None:
    x, y = np.array([[10.0, 30.0], [20.0, 5.0]])
    np.testing.assert_allclose(wcs.wcs_l1(x + BORDER, y + BORDER), wcs.wcs_l2(x, y), rtol=1e-14)


CHECKS: dict[type, Any] = {
    Raw: check_raw,
    Ramp: check_ramp,
    Image: check_image,
    Mosaic: check_mosaic,
    Catalog: check_catalog,
    Segmentation: check_segmentation,
    Wcs: check_wcs,
}


@every_step
def test_products_are_what_the_step_declares(name: str) -> None:
    step, given, made = STEPS[name], example(name), outcome(name)
    for entry, value in zip(step.gives, made, strict=True):
        assert isinstance(value, list) == entry.many
        assert {type(product) for product in flat(value)} == {entry.kind}
    for product in flat(made):
        check(product)
    for before, after in pairs(step, given, made):
        assert before.data.shape[-2:] == after.data.shape[-2:]
        assert before.window == after.window


def lost(old: Any, new: Any, path: str = "meta") -> list[str]:
    """Keys of nested metadata that are gone."""
    if not isinstance(old, dict):
        return []
    if not isinstance(new, dict):
        return [path]
    gone = [f"{path}.{key}" for key in old if key not in new]
    return gone + [
        each for key in old if key in new for each in lost(old[key], new[key], f"{path}.{key}")
    ]


@every_step
def test_what_a_step_does_not_know_is_carried(name: str) -> None:
    step, given, made = STEPS[name], example(name), outcome(name)
    # Several members become one: it has metadata of its own, and so has a WCS file.
    alike = [] if step.shape == "fold" else [one for one in flat(made) if not isinstance(one, Wcs)]
    assert all(product.meta.get("unknown") == frame_world.UNKNOWN for product in alike)
    for before, after in pairs(step, given, made):
        assert lost(before.meta, after.meta) == []
        carried = {key: after.extras.get(key) for key in before.extras}
        assert fingerprint(carried) == fingerprint(before.extras)
        assert getattr(before, "wcs", None) is None or after.wcs is not None


# --- flags and NaN ------------------------------------------------------------------------


@every_step
def test_flags_are_never_cleared(name: str) -> None:
    for before, after in pairs(STEPS[name], example(name), outcome(name)):
        if isinstance(before, Raw):
            if isinstance(after, Ramp):
                assert not np.any(before.resultantdq & ~after.groupdq)
            continue
        old = before.pixeldq if isinstance(before, Ramp) else before.dq
        new = after.pixeldq if isinstance(after, Ramp) else after.dq
        assert not np.any(old & ~new)
        if isinstance(after, Ramp):
            assert not np.any(before.groupdq & ~after.groupdq)
        elif isinstance(before, Ramp):
            told = np.uint8(dq.SATURATED | dq.JUMP_DET)
            union = np.bitwise_or.reduce(before.groupdq, axis=0) & told
            assert not np.any(union & ~new)
            unusable = (before.groupdq & (dq.DO_NOT_USE | dq.SATURATED) != 0).all(axis=0)
            assert np.all(new[unusable] & dq.DO_NOT_USE)


def bad(product: Any) -> np.ndarray:
    """Pixels that say they are bad: NaN, or DO_NOT_USE."""
    flags = product.pixeldq[None] | product.groupdq if isinstance(product, Ramp) else product.dq
    return np.isnan(product.data) | ((flags & dq.DO_NOT_USE) != 0)


def scattered(product: Ramp | Image) -> tuple[np.ndarray, np.ndarray]:
    """Some pixels without any flag, none beside another."""
    flags = product.dq if isinstance(product, Image) else product.pixeldq.copy()
    if isinstance(product, Ramp):
        flags |= np.bitwise_or.reduce(product.groupdq, axis=0)
    free = np.zeros(flags.shape, bool)
    free[6:-6:7, 6:-6:11] = True
    return np.nonzero(free & (flags == 0))


def with_nan(product: Any, plane: str) -> Any:
    """``product`` with NaN in one plane at scattered pixels; of a ramp, in one resultant each."""
    if not isinstance(product, (Ramp, Image)):
        return product
    rows, columns = scattered(product)
    values = getattr(product, plane).copy()
    if isinstance(product, Ramp):
        values[np.arange(rows.size) % len(values), rows, columns] = np.nan
    else:
        values[rows, columns] = np.nan
    return replace(product, **{plane: values})


def planes_carried(step: Step) -> list[str]:
    """Names of the planes that can hold NaN, of a step that hands on what it is handed."""
    taken, given = ({entry.kind for entry in side} for side in (step.products, step.gives))
    if step.shape == "fold" or not taken & {Ramp, Image} or not given & {Ramp, Image}:
        return []
    return ["data"] if Ramp in taken else ["data", "err", "var_poisson", "var_rnoise"]


@pytest.mark.parametrize(
    ("name", "plane"), [(name, each) for name in STEPS for each in planes_carried(STEPS[name])]
)
def test_nan_stays_nan_and_where_it_is(name: str, plane: str) -> None:
    step, given = STEPS[name], example(name)
    changed = given.changed(lambda one: with_nan(one, plane))
    kept, spoilt = (
        pairs(step, *each) for each in ((given, outcome(name)), (changed, call(step, changed)))
    )
    for (before, after), (_, clean) in zip(spoilt, kept, strict=True):
        where = np.isnan(getattr(before, plane))
        out, expected = getattr(after, plane), getattr(clean, plane)
        if where.ndim > out.ndim:
            where = where.any(axis=0)
        assert where.any()
        assert np.all(np.isnan(out[where]) | bad(after)[where])
        if step.shape == "block":
            elsewhere = ~where if where.ndim == 2 else ~where.any(axis=0)
            np.testing.assert_array_equal(out[..., elsewhere], expected[..., elsewhere])


def float_planes(reference: Any) -> list[str]:
    """Names of a reference's arrays of one number, or several, for each pixel."""
    shape = (AREA.height, AREA.width)
    arrays = {key: each for key, each in vars(reference).items() if isinstance(each, np.ndarray)}
    return [
        key for key, each in arrays.items() if each.dtype.kind == "f" and each.shape[-2:] == shape
    ]


@pytest.mark.parametrize("name", [name for name in BLOCKS if planes_carried(STEPS[name])])
def test_nan_in_a_reference_is_told(name: str) -> None:
    """Where NaN in a reference makes a difference, the pixel is NaN or flagged."""
    step, given = STEPS[name], example(name)
    rows, columns = scattered(next(iter(given.products.values())))
    clean = outcome(name)[0]
    for key, reference in given.references.items():
        small = cut(reference, AREA)
        for plane in float_planes(small):
            spoilt = getattr(small, plane).copy()
            spoilt[..., rows, columns] = np.nan
            changed = {**given.references, key: replace(small, **{plane: spoilt})}
            after = call(step, replace(given, references=changed))[0]
            new, old = after.data[..., rows, columns], clean.data[..., rows, columns]
            flags = after.dq if isinstance(after, Image) else after.pixeldq
            told = np.isnan(new) | (flags[rows, columns] != 0) | (new == old)
            assert told.all(), f"NaN in {key}.{plane}"


@pytest.mark.parametrize("value", [np.nan, 6e4, 0.25])
@pytest.mark.parametrize("name", ON_PICTURES)
def test_bad_pixels_are_left_alone(name: str, value: float) -> None:
    """Whatever a pixel that is not to be used holds, nothing else depends on it."""
    step, given = STEPS[name], example(name)
    made = call(step, given.changed(lambda one: poisoned(one, value)))
    for one, other in zip(flat(outcome(name)), flat(made), strict=True):
        assert fingerprint(censored(other)) == fingerprint(censored(one))


def poisoned(product: Any, value: float) -> Any:
    """``product`` with other values in its bad pixels."""
    if not isinstance(product, (Image, Mosaic)):
        return product
    where = bad(product) if isinstance(product, Image) else product.weight == 0
    assert where.any()
    planes = {}
    for name in ("data", "err", "var_poisson", "var_rnoise"):
        planes[name] = getattr(product, name).copy()
        planes[name][where] = value
    return replace(product, **planes)


def censored(product: Any) -> Any:
    """``product`` with zero in its bad pixels."""
    if isinstance(product, Mosaic):
        where = ~(product.weight > 0)
    elif isinstance(product, Image):
        where = bad(product)
    else:
        return product
    planes = {
        name: np.where(where, np.zeros((), getattr(product, name).dtype), getattr(product, name))
        for name in PLANES
        if hasattr(product, name)
    }
    return replace(product, **planes)


# --- blocks -------------------------------------------------------------------------------


def configs_with_halo(step: Step) -> Iterator[StepConfig]:
    """The default, and every other value of a field that asks for a halo."""
    yield step.config()
    for field in step.config.model_fields:
        for _, config in other_values(step.config, field, {}):
            if 0 < step.halo(config) < min(AREA.height, AREA.width) // 2:
                yield config


@pytest.mark.parametrize("size", [(64, 128), (37, 91), (AREA.height, 30)])
@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_are_the_same_as_the_whole(name: str, size: tuple[int, int]) -> None:
    step, given = STEPS[name], example(name)
    for config in configs_with_halo(step):
        state = world.prepared(step, given, config) if step.prepare else None
        whole = block(step, given, config, AREA, state)
        for window in windows(*size):
            made = block(step, given, config, window, state)
            assert fingerprint(made) == fingerprint(part(whole, window)), f"{window} {config}"


@pytest.mark.parametrize("name", [name for name in BLOCKS if STEPS[name].prepare])
def test_a_first_look_is_the_same_at_a_checkpoint(name: str) -> None:
    """A chain cut before the step hands ``prepare`` a ramp instead of the raw frame."""
    step, given = STEPS[name], example(name)
    frame = given.frame
    assert frame is not None
    decoded = frame.data + frame.reference_read.astype(np.float32)
    decoded -= np.float32(frame_world.OFFSET)
    flags = np.broadcast_to(np.uint8(0), decoded.shape)
    amplifier = frame.amp33 + frame.reference_amp33 - np.uint16(frame_world.OFFSET)
    static = np.broadcast_to(np.uint32(0), decoded.shape[1:])
    ramp = Ramp(decoded, flags, static, frame.meta, extras={"amp33": amplifier})
    for config in chain([step.config()], configs_of(step)):
        state = world.prepared(step, given, config)
        again = world.prepared(step, given, config, ramp)
        assert fingerprint(again) == fingerprint(state)


def configs_of(step: Step) -> Iterator[StepConfig]:
    for field in step.config.model_fields:
        yield from (config for _, config in other_values(step.config, field, {}))


# --- configuration ------------------------------------------------------------------------


@every_step
def test_configs_survive_a_round_trip(name: str) -> None:
    kind = STEPS[name].config
    for config in chain([kind()], configs_of(STEPS[name])):
        assert kind(**json.loads(config.model_dump_json())) == config
    with pytest.raises(ValidationError):
        kind(no_such_field=1)
    with pytest.raises(ValidationError):
        kind().no_such_field = 1


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_wrong_values_are_refused(name: str, field: str) -> None:
    for value in refused(STEPS[name].config, field):
        with pytest.raises(ValidationError):
            STEPS[name].config(**{field: value})
            pytest.fail(f"{value!r} is accepted")


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_field_changes_something(name: str, field: str) -> None:
    step, base = STEPS[name], world.BASES.get((name, field), {})
    given = example(name).changed(world.CHANGES.get((name, field), lambda product: product))
    before = attempt(step, given, step.config(**base))
    listed = world.VALUES.get((name, field), ())
    special = [(value, step.config(**{**base, field: value})) for value in listed]
    tried = []
    for value, config in chain(special, other_values(step.config, field, base)):
        if attempt(step, given, config) != before:
            return
        tried.append(value)
    if not tried:
        pytest.fail(f"add another value of {name}.{field} to VALUES in tests/contracts/world.py")
    pytest.fail(f"{name}.{field}: {tried} change nothing")


def attempt(step: Step, given: Example, config: StepConfig) -> Any:
    """What comes of a config, checked; or the error it ends in."""
    try:
        made = call(step, given, config)
    except AqueductError as error:
        return error.what
    for product in flat(made):
        check(product)
    return {path: leaf for path, leaf in fingerprint(made).items() if not ECHOES.search(path)}


# --- doing it again -----------------------------------------------------------------------


def redoable_tail(pipeline: Pipeline) -> list[Step]:
    """The last steps of a pipeline, as far as they may be run again."""
    steps = pipeline.steps().values()
    return list(takewhile(lambda step: step.redoable, reversed(steps)))[::-1]


@pytest.mark.parametrize("left_out", [0, 1])
@pytest.mark.parametrize(
    "pipeline", filter(redoable_tail, world.OFFERED.values()), ids=lambda pipeline: pipeline.name
)
def test_a_redoable_tail_may_be_run_twice(pipeline: Pipeline, left_out: int) -> None:
    """The second time gives the same as the first, with all its steps and without the last."""
    tail = redoable_tail(pipeline)
    start = world.bag_before(pipeline.name, len(pipeline.steps()) - len(tail))
    again = tail[: len(tail) - left_out]
    once, twice = taken(again, start), taken(again, taken(tail, start))
    assert fingerprint(twice) == fingerprint(once)


def taken(steps: list[Step], bag: world.Bag) -> world.Bag:
    """What ``steps`` make of a bag."""
    for step in steps:
        bag = {**bag, **world.advance(step, bag)}
    return bag


# --- words --------------------------------------------------------------------------------


@every_step
def test_one_name_everywhere(name: str) -> None:
    step = STEPS[name]
    assert step.function.__name__ == step.name == name
    assert Path(inspect.getfile(step.function)).stem == name
    assert step.config.__name__ == "".join(map(str.capitalize, name.split("_"))) + "Config"
    assert step.config.__module__ == step.function.__module__


@every_step
def test_a_step_explains_itself(name: str) -> None:
    step = STEPS[name]
    text = inspect.getdoc(step.function) or ""
    assert re.fullmatch(r"[A-Z].*\.", step.summary)
    sections = dict(re.findall(r"^(\w+)\n-+\n((?:.*\n?)*?)(?=^\w+\n-+\n|\Z)", text, re.M))
    listed = re.findall(r"^(\w[\w, ]*?)(?: :|$)", sections.get("Parameters", ""), re.M)
    named = {one.strip() for entry in listed for one in entry.split(",")}
    assert named == set(inspect.signature(step.function).parameters)
    for entry in step.gives:
        assert entry.kind.__name__ in sections.get("Returns", "")
    about = inspect.getdoc(importlib.import_module(step.function.__module__)) or ""
    assert UNITS.search(about + text), "no unit is named"
    assert inspect.getdoc(step.config)


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_every_field_is_described(name: str, field: str) -> None:
    description = STEPS[name].config.model_fields[field].description
    assert description and description[0].isupper() and not description.endswith(".")
