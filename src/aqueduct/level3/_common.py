"""What the steps of this level share: a config field type, a file's name, a constant."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AfterValidator

from aqueduct.core import dq
from aqueduct.products import Image

MAD_TO_SIGMA: Final = 1.482602218505602
"""Standard deviation of a normal distribution over its median absolute deviation."""


def _known(names: str) -> str:
    dq.parse(names)
    return names


FlagNames = Annotated[str, AfterValidator(_known)]
"""DQ flags joined by ``+``."""


def file_name(image: Image) -> str:
    """The file an image came from, for messages; empty if it came from none."""
    return str(image.meta.get("filename", ""))
