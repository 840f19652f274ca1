"""Areas to flag, from DS9 region files and FITS masks."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from aqueduct.core.errors import ReferenceError
from aqueduct.instrument.detectors import DETECTORS
from aqueduct.products.window import BORDER, FRAME, SCIENCE

_FITS: Final = (".fits", ".fit", ".fits.gz")


def load_regions(path: Path, detector: str = "") -> dict[str, Any]:
    """Fields of a :class:`~aqueduct.products.references.RegionsReference`.

    A DS9 region (``.reg``) with a tag ``{WFI07}`` is for that detector only. A FITS mask is
    4088 x 4088 or 4096 x 4096, not zero where flagged; with the keyword DETECTOR it is for
    that detector only.

    Raises
    ------
    ReferenceError
        If the file can't be read as either.
    """
    if path.name.lower().endswith(_FITS):
        return {"mask": _mask(path, detector)}
    from regions import Regions

    try:
        found = Regions.read(path, format="ds9")
    except Exception as error:  # the parser raises nearly any type
        raise ReferenceError(
            f"no DS9 region file: {error}",
            where=str(path),
            hint="write regions in fk5 or icrs, or in image coordinates; or give a FITS mask",
        ) from error
    return {"regions": tuple((region, _detectors(region)) for region in found)}


def _detectors(region: Any) -> frozenset[str]:
    tags = region.meta.get("tag", ())
    names = [tags] if isinstance(tags, str) else tags
    return frozenset(name for tag in names if (name := tag.strip("{} ").upper()) in DETECTORS)


def _mask(path: Path, detector: str) -> Any:
    from astropy.io import fits

    try:
        with fits.open(path) as file:
            found = next(hdu for hdu in file if hdu.data is not None and hdu.data.ndim == 2)
            values, only = np.asarray(found.data), found.header.get("DETECTOR")
    except (OSError, StopIteration, TypeError, AttributeError) as error:
        raise ReferenceError("no FITS image", where=str(path)) from error
    if values.shape == (FRAME, FRAME):
        values = values[BORDER:-BORDER, BORDER:-BORDER]
    if values.shape != (SCIENCE, SCIENCE):
        raise ReferenceError(
            f"a mask of {values.shape}, not {(SCIENCE, SCIENCE)} or {(FRAME, FRAME)}",
            where=str(path),
        )
    marked = np.nan_to_num(values.astype(np.float32), nan=1.0) != 0
    return marked if only in (None, detector) else np.zeros_like(marked)
