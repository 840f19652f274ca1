"""CPU seconds of reading and writing one frame's products, in a warm process.

    python benchmarks/io_cost.py x_cal.asdf x_segm.asdf x_cat.parquet

Beside Aqueduct: the asdf library writing the same arrays with the same metadata, and the
bare copy of as many bytes into a file, which is the limit.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asdf
import numpy as np

from aqueduct import io
from aqueduct.io.asdf_write import arrays_of
from aqueduct.products import Catalog
from aqueduct.products.image import PLANES

ROUNDS = 7


def cost(what: str, job: Callable[[], object]) -> float:
    """Print and return the least CPU seconds, system time included, of some rounds."""
    found = []
    for _ in range(ROUNDS):
        start = time.process_time()
        job()
        found.append(time.process_time() - start)
    print(f"  {what:<44}{min(found):7.3f} s  (median {np.median(found):.3f})")
    return min(found)


def in_memory(product: Any) -> Any:
    """The product with its planes in anonymous memory, as a run has them."""
    if isinstance(product, Catalog):
        return product
    names = PLANES if hasattr(product, "err") else ("data",)
    held = {name: np.array(getattr(product, name)) for name in names}
    return replace(product, **held)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    total = 0.0
    with tempfile.TemporaryDirectory(dir=arguments.files[0].parent) as scratch:
        for file in arguments.files:
            out = Path(scratch) / file.name
            recipe = io.peek(file).recipe
            product = in_memory(io.read(file))
            print(f"{file.name}: {file.stat().st_size / 1e6:.1f} MB")
            cost("read", lambda file=file: io.read(file))
            total += cost("write", lambda p=product, o=out, r=recipe: io.write(p, o, recipe=r))
            if isinstance(product, Catalog):
                continue
            cost("read and revise", lambda o=out: io.revise(io.read(o), o))
            arrays = arrays_of(product)
            plain = asdf.AsdfFile({"roman": arrays})
            cost("asdf library, arrays alone", lambda o=out, a=plain: a.write_to(o))
            cost("bare writes of the same bytes", lambda o=out, a=arrays: bare(a, o))
    print(f"one frame's products: {total:.3f} CPU s")


def bare(arrays: dict[str, Any], path: Path) -> None:
    with path.open("wb") as stream:
        for values in arrays.values():
            stream.write(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data)


if __name__ == "__main__":
    main()
