"""What a product is and what made it, without reading its arrays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aqueduct.core.errors import InputError
from aqueduct.core.step import Product
from aqueduct.io.association import read_association
from aqueduct.io.formats import FORMATS, tag_name
from aqueduct.io.tree import ABSENT, DAMAGED
from aqueduct.products import Association
from aqueduct.products.meta import Meta

OWN = "aqueduct"
"""Key under ``roman.meta`` for what official schemas have no place for."""

WCS_KEYS = ("wcs_l2", "wcs_l1")
"""Keys under ``roman`` for a WCS that is no array's."""

_END = (b"\n...\n", b"\n...\r\n")
_END_LENGTH = len(b"\n...")
_LONGEST = 1 << 26


@dataclass(frozen=True)
class Header:
    """The header of a product file.

    Attributes
    ----------
    product : type
        What :func:`aqueduct.io.read` gives.
    model : str
        ``meta.model_type``, such as ``ImageModel``.
    tag : str
        The file's RAD tag; empty for Parquet.
    meta : dict
        Metadata, without the WCS.
    recipe : dict or None
        The recipe recorded by Aqueduct; None in other files.
    """

    product: type[Product]
    model: str
    tag: str
    meta: Meta
    recipe: dict[str, Any] | None


def peek(path: str | Path) -> Header:
    """Read the header of an official file.

    Raises
    ------
    InputError
        If the file is absent, damaged or not a product.
    """
    path = Path(path)
    if path.suffix == ".json":
        read_association(path)
        return Header(Association, "Association", "", {}, None)
    if path.suffix == ".parquet":
        from aqueduct.io.parquet import peek_catalog

        return peek_catalog(path)
    if path.suffix == ".fits":
        from aqueduct.io.fits import peek_fits

        return peek_fits(path)
    return header_of(_yaml(path), path)


def header_of(text: bytes, path: Path) -> Header:
    """The header in the YAML text of the ASDF file ``path``."""
    tag, tree = _roman(text, path)
    form = FORMATS.get(tag_name(tag))
    meta = tree.get("meta")
    if form is None or not isinstance(meta, dict):
        raise InputError(
            f"holds {tag_name(tag) or 'no product'}, not one of {', '.join(FORMATS)}",
            where=str(path),
            hint="reference files are inspected with `aqueduct references list`",
        )
    meta.pop("wcs", None)
    recipe = (meta.pop(OWN, None) or {}).get("recipe")
    return Header(form.product, form.model, tag, meta, recipe)


def _roman(text: bytes, path: Path) -> tuple[str, dict[str, Any]]:
    """Tag and tree of the ``roman`` key, from the YAML text alone."""
    with _corrupt(path):
        loader, node = _roman_node(text, path)
        return node.tag, loader.construct_mapping(node, deep=True)


def array_nodes(text: bytes, path: Path) -> dict[str, dict[str, Any]]:
    """What the YAML text says of the arrays right under ``roman``: source, type and shape."""
    with _corrupt(path):
        loader, node = _roman_node(text, path)
        return {
            key.value: loader.construct_mapping(value, deep=True)
            for key, value in node.value
            if "core/ndarray" in value.tag
        }


def _roman_node(text: bytes, path: Path) -> tuple[Any, Any]:
    """A loader, and its node of the ``roman`` key."""
    import yaml

    loader = _loader()(text)
    for key, node in loader.get_single_node().value:
        if key.value == "roman" and isinstance(node, yaml.MappingNode):
            return loader, node
    raise InputError("not a file from Roman", where=str(path))


@contextmanager
def _corrupt(path: Path) -> Iterator[None]:
    """Turn what the YAML reader raises on a damaged text into an InputError."""
    import yaml

    try:
        yield
    except (yaml.YAMLError, AttributeError, ValueError) as error:
        raise InputError(f"corrupt header: {error}", where=str(path), hint=DAMAGED) from error


def _yaml(path: Path) -> bytes:
    """The text before the first block of an ASDF file."""
    try:
        with path.open("rb") as stream:
            text = stream.read(5)
            if text != b"#ASDF":
                raise InputError(
                    "not an ASDF file", where=str(path), hint="products are .asdf or .parquet files"
                )
            while len(text) < _LONGEST and (chunk := stream.read(1 << 16)):
                start = max(len(text) - 8, 0)
                text += chunk
                if (end := end_of_tree(text, start)) is not None:
                    return text[:end]
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), hint=ABSENT) from error
    except OSError as error:
        raise InputError(
            f"can't be read: {error.strerror}", where=str(path), hint=ABSENT
        ) from error
    raise InputError("truncated in its header", where=str(path), hint=DAMAGED)


def end_of_tree(text: bytes, start: int = 0) -> int | None:
    """Where the YAML text at the beginning of a file ends, if that is in ``text``."""
    ends = [place for mark in _END if (place := text.find(mark, start)) >= 0]
    return min(ends) + _END_LENGTH if ends else None


def _loader() -> Any:
    """A YAML loader that knows times, passes over tags it does not know and skips arrays."""
    import yaml
    from astropy.time import Time

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        pass

    def construct(loader: Any, suffix: str, node: Any) -> Any:
        if "core/ndarray" in suffix:
            return None
        if isinstance(node, yaml.MappingNode):
            value = loader.construct_mapping(node, deep=True)
        elif isinstance(node, yaml.SequenceNode):
            return loader.construct_sequence(node, deep=True)
        else:
            value = loader.construct_scalar(node)
        if "time/time-" not in suffix:
            return value
        if isinstance(value, dict) and isinstance(value.get("value"), list | None):
            return None  # a column of times: an array like any other
        if isinstance(value, dict):
            return Time(value["value"], format=value.get("format"), scale=value.get("scale", "utc"))
        return Time(value)

    Loader.add_multi_constructor("", construct)
    # Bare dates are strings in RAD; YAML 1.1 would make them datetime objects.
    Loader.add_constructor("tag:yaml.org,2002:timestamp", Loader.construct_yaml_str)
    return Loader
