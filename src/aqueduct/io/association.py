"""Associations as the official JSON files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from aqueduct.core.errors import InputError
from aqueduct.io.atomic import write_text
from aqueduct.io.tree import ABSENT
from aqueduct.products import Association

_HEADER: Final[dict[str, Any]] = {
    "asn_type": "image",
    "asn_rule": "DMS_ELPP_Base",
    "version_id": None,
    "code_version": "",
    "degraded_status": "No known degraded exposures in association.",
    "program": "noprogram",
    "constraints": "No constraints",
    "asn_id": "a3001",
    "asn_pool": "none",
}
"""Keys official associations have and their values where nothing else is known."""


def read_association(path: str | Path) -> Association:
    """Read an official association.

    Raises
    ------
    InputError
        If the file is absent, is no JSON, or names no product and members.
    """
    path = Path(path)
    try:
        tree = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't be read: {error}", where=str(path), hint=ABSENT) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"not JSON: {error.msg} at line {error.lineno}, column {error.colno}",
            where=str(path),
            hint="make it again with `aqueduct associate`",
        ) from error
    try:
        return _association(tree)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"no association of one product: {error}",
            where=str(path),
            hint="it needs one product with a name, and members with an expname",
        ) from error


def _association(tree: Mapping[str, Any]) -> Association:
    (product,) = tree["products"]
    cell = tree.get("skycell_wcs_info")
    known = ("products", "target", "skycell_wcs_info")
    header = {key: value for key, value in tree.items() if key not in known}
    return Association(
        product=product["name"],
        members=tuple(member["expname"] for member in product["members"]),
        target=str(tree.get("target", "")),
        skycell_wcs_info=dict(cell) if isinstance(cell, Mapping) else {},
        header=header,
    )


def write_association(association: Association, path: str | Path) -> None:
    """Write an association as official JSON, whole or not at all.

    Raises
    ------
    OutputError
        If the folder can't be written to or the disk is full.
    """
    members = [{"expname": name, "exptype": "science"} for name in association.members]
    tree = {
        **_HEADER,
        **association.header,
        "target": association.target,
        "skycell_wcs_info": association.skycell_wcs_info or "none",
        "products": [{"name": association.product, "members": members}],
    }
    write_text(Path(path), json.dumps(tree, indent=2) + "\n")
