"""Associations: which exposures make a co-add, as the official JSON lays it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aqueduct.core.step import Product


@dataclass(frozen=True)
class Association(Product):
    """Members of one co-added product on one sky cell.

    Attributes
    ----------
    product : str
        Root of the product's file name, without suffix.
    members : tuple of str
        File names of the Level 2 members, relative to the association file.
    target : str
        Sky cell name.
    skycell_wcs_info : dict
        The cell's grid, with the official keys.
    header : dict
        All other keys, kept as found.
    """

    product: str
    members: tuple[str, ...]
    target: str
    skycell_wcs_info: dict[str, Any]
    header: dict[str, Any] = field(default_factory=dict)
