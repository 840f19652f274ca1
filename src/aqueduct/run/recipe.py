"""The recipe: what a product was made from, and so what it is.

A recipe is a chain of links, one a step. A link's identifier is a digest of the link
before it, the step's resolved config, the digests of its references, and its source.
The first link stands on the inputs: their recipes, or the sha256 of raw files. Two
products with the same identifier are the same but for their date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from aqueduct.core.config import StepConfig
from aqueduct.core.provenance import digest, source_digest
from aqueduct.core.step import Step


@dataclass(frozen=True)
class Input:
    """An input by name and identity (recipe identifier, or sha256 of a raw file)."""

    name: str
    id: str


@dataclass(frozen=True)
class Link:
    """One step of a recipe."""

    step: str
    id: str
    source: str
    config: dict[str, Any] = field(default_factory=dict)
    references: dict[str, dict[str, str]] = field(default_factory=dict)
    redoable: bool = False


@dataclass(frozen=True)
class Recipe:
    """The whole chain.

    Attributes
    ----------
    inputs : tuple of Input
    links : tuple of Link
    given : dict
        What was known beforehand (sky cell, association, schema generation).
    skipped : tuple of str
        Steps left out on request.
    earlier : Recipe, optional
        For a product revised together with others: its recipe before that.
    """

    inputs: tuple[Input, ...]
    links: tuple[Link, ...] = ()
    given: dict[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    earlier: Recipe | None = None

    @property
    def id(self) -> str:
        """Identity of the product."""
        return self.links[-1].id if self.links else self.start

    @property
    def start(self) -> str:
        """Identity before the first step."""
        inputs = [[entry.name, entry.id] for entry in self.inputs]
        return digest([inputs, self.given, self.skipped])

    def extended(
        self, step: Step, config: StepConfig, references: dict[str, dict[str, str]]
    ) -> Recipe:
        """The recipe after one more step."""
        values = config.model_dump(mode="json")
        return self.linked(step.name, step.function, values, references, step.redoable)

    def linked(
        self,
        name: str,
        function: Callable[..., Any],
        values: dict[str, Any],
        references: dict[str, dict[str, str]] | None = None,
        redoable: bool = False,
    ) -> Recipe:
        """The recipe after one more function, with its parameters as plain values."""
        source = source_digest(function)
        used = {kind: entry["sha256"] for kind, entry in (references or {}).items()}
        identity = digest([self.id, name, values, source, used])
        link = Link(name, identity, source, values, references or {}, redoable)
        return replace(self, links=(*self.links, link))

    def first(self, count: int) -> Recipe:
        """The recipe after its first ``count`` links."""
        return replace(self, links=self.links[:count])

    def revising(self, earlier: Recipe) -> Recipe:
        """Make it the recipe of a product that had another before."""
        return replace(self, earlier=earlier)

    def shared_with(self, other: Recipe) -> int:
        """How many leading links are the same in both."""
        if self.start != other.start:
            return 0
        count = 0
        for mine, theirs in zip(self.links, other.links, strict=False):
            if mine.id != theirs.id:
                break
            count += 1
        return count

    def to_dict(self) -> dict[str, Any]:
        """Plain values, to be written in the product."""
        return {
            "id": self.id,
            "inputs": [{"name": entry.name, "id": entry.id} for entry in self.inputs],
            "given": self.given,
            "skipped": list(self.skipped),
            "steps": [
                {
                    "step": link.step,
                    "id": link.id,
                    "source": link.source,
                    "config": link.config,
                    "references": link.references,
                    "redoable": link.redoable,
                }
                for link in self.links
            ],
            **({"earlier": self.earlier.to_dict()} if self.earlier else {}),
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Recipe:
        """Read what :meth:`to_dict` wrote."""
        return cls(
            inputs=tuple(Input(entry["name"], entry["id"]) for entry in values["inputs"]),
            links=tuple(Link(**entry) for entry in values["steps"]),
            given=dict(values["given"]),
            skipped=tuple(values["skipped"]),
            earlier=cls.from_dict(values["earlier"]) if "earlier" in values else None,
        )


def restart(target: Recipe, found: Recipe) -> int:
    """After how many of ``target``'s steps a product with recipe ``found`` can take over.

    A product that ends where both still agree is taken as it is. One that went further,
    or was revised since, is of use from its first redoable step on.
    """
    shared = target.shared_with(found.earlier or found)
    links = found.links if found.earlier is None else (*found.earlier.links, *found.links)
    if shared == len(links):
        return shared
    tail = len(links)
    while tail > 0 and links[tail - 1].redoable:
        tail -= 1
    return tail if tail <= shared else 0
