"""What a product is and what made it, without reading its arrays."""

from __future__ import annotations

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

_END = (b"\n...\n", b"\n...\r\n")
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
    tag, tree = _roman(path)
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


def _roman(path: Path) -> tuple[str, dict[str, Any]]:
    """Tag and tree of the ``roman`` key, from the YAML text alone."""
    import yaml

    text = _yaml(path)
    try:
        loader = _loader()(text)
        root = loader.get_single_node()
        for key, node in root.value:
            if key.value == "roman" and isinstance(node, yaml.MappingNode):
                return node.tag, loader.construct_mapping(node, deep=True)
    except (yaml.YAMLError, AttributeError, ValueError) as error:
        raise InputError(f"corrupt header: {error}", where=str(path), hint=DAMAGED) from error
    raise InputError("not a file from Roman", where=str(path))


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
                for mark in _END:
                    if (end := text.find(mark, start)) >= 0:
                        return text[: end + 1]
    except FileNotFoundError as error:
        raise InputError("no such file", where=str(path), hint=ABSENT) from error
    except OSError as error:
        raise InputError(
            f"can't be read: {error.strerror}", where=str(path), hint=ABSENT
        ) from error
    raise InputError("truncated in its header", where=str(path), hint=DAMAGED)


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
