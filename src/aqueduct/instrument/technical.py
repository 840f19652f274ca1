"""Tables of the package ``roman-technical-information``, read once."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table(path: str) -> Any:
    """The ECSV table at ``path`` under the package's data folder, as an astropy Table."""
    from astropy.table import Table

    return Table.read(text(path), format="ascii.ecsv")


def text(path: str) -> str:
    """The text of a file under the package's data folder."""
    return (files("roman_technical_information") / "data" / path).read_text()
