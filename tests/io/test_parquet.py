from __future__ import annotations

import numpy as np
import pytest

from aqueduct import io
from aqueduct.core.errors import InputError, InternalError
from aqueduct.io.formats import full_tag
from aqueduct.io.tree import plain
from aqueduct.products import Catalog
from aqueduct.products.columns import columns

KINDS = {
    "image": ("image_source_catalog", "ImageSourceCatalogModel"),
    "mosaic": ("mosaic_source_catalog", "MosaicSourceCatalogModel"),
    "multiband": ("multiband_source_catalog", "MultibandSourceCatalogModel"),
}


def official_model(kind: str, generation: str):
    from roman_datamodels import datamodels

    name, model = KINDS[kind]
    return getattr(datamodels, model).create_fake_data(tag=full_tag(name, generation))


def catalog(kind: str, generation: str, path) -> Catalog:
    """A catalog of five sources with every official column."""
    model = official_model(kind, generation)
    declared = columns(kind, ["F158", "F184"] if kind == "multiband" else ())
    values = {column.name: np.arange(5).astype(column.dtype) for column in declared}
    return Catalog(values, plain(model.meta, path), kind)


@pytest.mark.parametrize("generation", ["2.1.0", "2.2.0"])
@pytest.mark.parametrize("kind", KINDS)
def test_round_trip_and_official_layout(tmp_path, kind, generation):
    import pyarrow.parquet

    path = tmp_path / "own_cat.parquet"
    before = catalog(kind, generation, path)
    io.write(before, path, rad=generation, recipe={"id": "1"})
    after = io.read(path)
    assert after.kind == kind
    assert io.peek(path).recipe == {"id": "1"}
    for name, values in before.columns.items():
        np.testing.assert_array_equal(after[name], values)
        assert after[name].dtype == values.dtype
    assert after.meta["observation" if kind == "image" else "coadd_info"] is not None
    times = {"filename", "file_date", "model_type"}
    assert _texts(after.meta, times) == _texts(before.meta, times)

    official_model(kind, generation).to_parquet(tmp_path / "official.parquet")
    theirs = pyarrow.parquet.read_schema(tmp_path / "official.parquet")
    ours = pyarrow.parquet.read_schema(path)
    assert set(theirs.metadata) <= set(ours.metadata)
    shared = set(theirs.names) & set(ours.names)
    assert len(shared) > 20
    for name in shared:
        assert ours.field(name).type == theirs.field(name).type
        assert ours.field(name).metadata[b"unit"] == theirs.field(name).metadata[b"unit"]
    assert ours.field("ra").metadata[b"ucd"].startswith(b"pos.eq.ra")


def _texts(meta, leave_out):
    """Nested metadata as text, times included."""
    if isinstance(meta, dict):
        return {key: _texts(value, ()) for key, value in meta.items() if key not in leave_out}
    return str(meta)


def test_official_file_is_read(tmp_path):
    from astropy.time import Time

    path = tmp_path / "official.parquet"
    official_model("image", "2.1.0").to_parquet(path)
    header = io.peek(path)
    assert header.product is Catalog
    assert header.recipe is None
    assert header.meta["instrument"] == {
        "name": "WFI",
        "detector": "WFI01",
        "optical_element": "F062",
    }
    assert isinstance(header.meta["exposure"]["start_time"], Time)
    assert len(io.read(path)) == 0


def test_wrong_column_type_is_refused(tmp_path):
    path = tmp_path / "own_cat.parquet"
    bad = catalog("mosaic", "2.1.0", path)
    bad.columns["ra"] = bad.columns["ra"].astype(np.float32)
    with pytest.raises(InternalError, match="source_catalog"):
        io.write(bad, path)
    assert not list(tmp_path.iterdir())


def test_damaged_file(tmp_path):
    path = tmp_path / "own_cat.parquet"
    io.write(catalog("mosaic", "2.1.0", path), path)
    path.write_bytes(path.read_bytes()[:-50])
    for read in (io.read, io.peek):
        with pytest.raises(InputError, match="corrupt or truncated"):
            read(path)
