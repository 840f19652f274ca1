"""Base of every step's configuration, and help for mistyped names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict


class StepConfig(BaseModel):
    """Parameters of one step: frozen, validated, no unknown keys, no NaN or infinity."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """A phrase naming what ``name`` was probably meant to be."""
    choices = list(known)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(sorted(choices))}"
