"""The bytes of our ASDF files, read by the asdf library, and metadata written anew."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import asdf
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct import io
from aqueduct.core.errors import InternalError
from aqueduct.io import layout
from aqueduct.io.asdf_write import arrays_of
from aqueduct.products import Image
from aqueduct.products.meta import updated


def blocks(path: Path) -> bytes:
    """A file without its tree."""
    content = path.read_bytes()
    return content[content.index(b"\xd3BLK") :]


@given(st.integers(0, 1 << 40))
def test_padding_ends_before_a_page_with_room_for_a_header(size):
    padded = layout.padded(size)
    assert size <= padded < size + layout.PAGE
    assert (padded + layout.HEADER) % layout.PAGE == 0


@given(st.integers(0, 1 << 40), st.integers(0, 1 << 40))
def test_block_header_round_trip(size, offset):
    block = layout.parse_block(layout.block_header(size, layout.padded(size)), offset)
    assert block == layout.Block(offset + layout.HEADER, "", size, size)


@given(st.lists(st.integers(0, 1 << 45)))
def test_index_round_trip(offsets):
    assert layout.parse_index(b"- 7\n" + layout.index_text(offsets)) == offsets


def test_no_block_and_no_index():
    with pytest.raises(ValueError, match="byte 12"):
        layout.parse_block(b"x" * layout.HEADER, 12)
    assert layout.parse_index(b"---\n- 1\n...\n") == []


def test_asdf_reads_every_array_and_each_is_aligned(tmp_path, image):
    path = tmp_path / "x_cal.asdf"
    io.write(image, path)
    with asdf.open(path, validate_checksums=True) as file:
        for name, values in arrays_of(image).items():
            np.testing.assert_array_equal(np.asarray(file["roman"][name]), values)
            assert np.asarray(file["roman"][name]).dtype == values.dtype
    for name, values in arrays_of(io.read(path)).items():
        assert not values.size or values.ctypes.data % layout.PAGE == 0, name


def test_arrays_are_validated_without_being_written_by_asdf(tmp_path, image):
    with pytest.raises(InternalError, match="chisq"):
        io.write(replace(image, chisq=image.chisq[0]), tmp_path / "x_cal.asdf")
    assert not list(tmp_path.iterdir())


def test_nothing_follows_the_last_array_but_the_index(tmp_path, image):
    path = tmp_path / "x_cal.asdf"
    io.write(image, path)
    content = path.read_bytes()
    last = list(arrays_of(image).values())[-1].tobytes()
    assert content[: content.rindex(b"#ASDF BLOCK INDEX")].endswith(last)


def aligned(image: Image) -> Image:
    """With new metadata only."""
    return replace(image, meta=updated(image.meta, own={"note": "x" * 9000}))


def test_a_revision_is_what_writing_gives(tmp_path, image):
    path, other = tmp_path / "x_cal.asdf", tmp_path / "other" / "x_cal.asdf"
    io.write(image, path)
    io.revise(aligned(io.read(path)), path, recipe={"id": "2"})
    io.write(aligned(image), other, recipe={"id": "2"})
    assert blocks(path) == blocks(other)
    assert io.peek(path).recipe == {"id": "2"}
    assert io.read(path).meta["own"] == {"note": "x" * 9000}


def test_a_revision_moves_mapped_arrays_inside_the_kernel(tmp_path, image, monkeypatch):
    path = tmp_path / "x_cal.asdf"
    io.write(image, path)
    moved = []

    def copy(source, target, count, start, place):
        moved.append(count)
        return os.copy_file_range(source, target, count, start, place)

    monkeypatch.setattr(layout, "_COPY_RANGE", copy)
    io.revise(replace(io.read(path), err=image.err * 2), path)
    kept = [values.nbytes for name, values in arrays_of(image).items() if name != "err"]
    assert sum(moved) == sum(kept)
    np.testing.assert_array_equal(io.read(path).err, image.err * 2)
    np.testing.assert_array_equal(io.read(path).data, image.data)


def test_a_revision_where_the_kernel_can_not_copy(tmp_path, image, monkeypatch):
    path = tmp_path / "x_cal.asdf"
    io.write(image, path)
    before = blocks(path)

    def refuse(*arguments):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(layout, "_COPY_RANGE", refuse)
    io.revise(io.read(path), path)
    assert blocks(path) == before


def test_a_revision_does_not_trust_a_file_that_was_replaced(tmp_path, image):
    path = tmp_path / "x_cal.asdf"
    io.write(image, path)
    mine = io.read(path)
    io.write(replace(image, data=image.data + 1), path)
    io.revise(mine, path)
    np.testing.assert_array_equal(io.read(path).data, image.data)


def test_a_part_of_a_mapped_array_is_written_as_such(tmp_path, image):
    path = tmp_path / "x_cal.asdf"
    io.write(image, path)
    mine = io.read(path)
    io.revise(replace(mine, data=mine.data[::-1]), path)
    np.testing.assert_array_equal(io.read(path).data, image.data[::-1])
