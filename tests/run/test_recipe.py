"""Recipes: identity, what can be taken over, and the round trip through a file."""

from __future__ import annotations

import json
from dataclasses import replace

from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.step import Step, step
from aqueduct.products import Image
from aqueduct.run.recipe import Input, Recipe, restart


class Config(StepConfig):
    value: float = Field(1.0, description="Any")


@step(shape="frame")
def early(image: Image, config: Config) -> Image:
    """Change the arrays."""
    return image


@step(shape="frame", redoable=True)
def late(image: Image, config: Config) -> Image:
    """Change what no earlier step reads."""
    return image


@step(shape="frame", redoable=True)
def last(image: Image, config: Config) -> Image:
    """Change what no earlier step reads."""
    return image


def chain(*values: float, sha: str = "a", dark: str = "d") -> Recipe:
    recipe = Recipe((Input("raw.asdf", sha),), given={"rad": "2.1.0"})
    steps: list[Step] = [early, late, last]
    for made, value in zip(steps, values, strict=False):
        used = {"dark": {"name": "dark.asdf", "sha256": dark}} if made is early else {}
        recipe = recipe.extended(made, Config(value=value), used)
    return recipe


def test_same_ingredients_same_identity() -> None:
    assert chain(1, 2, 3).id == chain(1, 2, 3).id


def test_every_ingredient_counts() -> None:
    whole = chain(1, 2, 3)
    others = [
        chain(9, 2, 3),
        chain(1, 2, 9),
        chain(1, 2),
        chain(1, 2, 3, sha="b"),
        chain(1, 2, 3, dark="e"),
    ]
    assert len({whole.id, *(other.id for other in others)}) == 6


def test_a_reference_renamed_is_the_same() -> None:
    used = {"dark": {"name": "other.asdf", "sha256": "d"}}
    renamed = Recipe((Input("raw.asdf", "a"),), given={"rad": "2.1.0"})
    assert renamed.extended(early, Config(value=1), used).id == chain(1).id


def test_round_trip() -> None:
    recipe = chain(1, 2).revising(chain(1))
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_checkpoint_is_taken_over() -> None:
    assert restart(chain(1, 2, 3), chain(1)) == 1
    assert restart(chain(1, 2, 3), chain(1, 2)) == 2


def test_nothing_in_common() -> None:
    assert restart(chain(1, 2, 3), chain(1, 2, 3, sha="b")) == 0
    assert restart(chain(1, 2, 3), chain(9, 2, 3)) == 0


def test_finished_product_restarts_at_its_redoable_tail() -> None:
    assert restart(chain(1, 2, 9), chain(1, 2, 3)) == 1


def test_revised_product_restarts_there_too() -> None:
    revision = Recipe((Input("cal.asdf", chain(1, 2).id),), given={"rad": "2.1.0"})
    revised = revision.extended(last, Config(), {}).revising(chain(1, 2))
    assert restart(chain(1, 9), revised) == 1


def test_an_irreversible_revision_is_of_no_use() -> None:
    revision = Recipe((Input("cal.asdf", chain(1, 2).id),), given={"rad": "2.1.0"})
    revised = revision.extended(early, Config(), {}).revising(chain(1, 2))
    assert restart(chain(1, 9), revised) == 0


def test_skipping_changes_identity() -> None:
    assert replace(chain(), skipped=("refpix",)).id != chain().id
