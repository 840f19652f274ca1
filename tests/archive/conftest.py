"""Small official products to be indexed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.time import Time, TimeDelta
from roman_datamodels import datamodels

from aqueduct import io
from aqueduct.geometry import TangentPlane, s_region
from aqueduct.products.meta import updated

SIDE = 0.125
"""Degrees on a side of the footprints made here."""

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> object:
    path = tmp_path_factory.mktemp("template") / "image.asdf"
    datamodels.ImageModel.create_fake_data(shape=(8, 8)).to_asdf(path)
    return io.read(path)


@pytest.fixture
def make(template: object, tmp_path: Path) -> Make:
    """Write a Level 2 image at a position; its footprint is a square of SIDE degrees."""

    def write(
        name: str,
        ra: float = 10.0,
        dec: float = 0.0,
        *,
        element: str = "F158",
        detector: str = "WFI01",
        start: str = "2027-01-01T00:00:00",
        recipe: dict[str, object] | None = None,
    ) -> Path:
        half = np.array([-1, -1, 1, 1]) * SIDE / 2, np.array([-1, 1, 1, -1]) * SIDE / 2
        corners = TangentPlane(ra, dec).to_sky(*half)
        begin = Time(start)
        meta = updated(
            template.meta,
            instrument={"optical_element": element, "detector": detector},
            observation={"visit_id": "0000101001001001001", "exposure": 1},
            exposure={"start_time": begin, "end_time": begin + TimeDelta(60, format="sec")},
            wcsinfo={"s_region": s_region(*corners), "ra_ref": ra, "dec_ref": dec},
        )
        path = tmp_path / name
        io.write(replace(template, meta=meta), path, recipe=recipe)
        return path

    return write
