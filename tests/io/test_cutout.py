"""Parts of images by byte ranges, from disk and from a web server."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from aqueduct import io
from aqueduct.core.errors import InputError
from aqueduct.io import Index
from aqueduct.products import Image, Window
from aqueduct.products.image import PLANES

PART = Window(10, 20, 16, 24)


@pytest.fixture
def path(tmp_path, image) -> Path:
    io.write(image, tmp_path / "x_cal.asdf")
    return tmp_path / "x_cal.asdf"


@pytest.fixture
def serve(tmp_path):
    """Serve the folder; the ranges asked for are noted."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        ranges = True

        def do_GET(self):
            content = (tmp_path / self.path[1:]).read_bytes()
            asked.append(self.headers["Range"])
            start, stop = re.fullmatch(r"bytes=(\d*)-(\d+)", asked[-1]).groups()
            part = content[int(start) : int(stop) + 1] if start else content[-int(stop) :]
            self.send_response(206 if self.ranges else 200)
            self.send_header("Content-Length", str(len(part)))
            self.end_headers()
            self.wfile.write(part)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked, Handler
    server.shutdown()
    server.server_close()


def same(cut, image, names=("data", "err", "dq")):
    part = cut.window.within(Window(0, 0, *image.data.shape))
    assert list(cut.planes) == list(names)
    for name in names:
        expected = getattr(image, name)[part]
        assert cut.planes[name].dtype == expected.dtype
        np.testing.assert_array_equal(cut.planes[name], expected)


@pytest.mark.parametrize("gap", [0, 1 << 16])
@pytest.mark.parametrize(
    "where", [PART, Window(90, -3, 20, 10), Window(0, 0, 96, 120), Window(95, 119, 1, 1)]
)
def test_the_part_and_its_sky(path, image, where, gap):
    cut = io.cutout(path, where, gap=gap)
    same(cut, image)
    row, column = cut.window.row, cut.window.column
    np.testing.assert_allclose(
        cut.wcs(2.0, 3.0, with_bounding_box=False),
        image.wcs(column + 2.0, row + 3.0, with_bounding_box=False),
        rtol=0,
        atol=1e-13,
    )
    assert cut.meta["wcsinfo"]["s_region"] != image.meta["wcsinfo"].get("s_region")


def test_a_direction_is_in_the_middle(path, image):
    cut = io.cutout(path, (*image.wcs(50.2, 40.4), 9))
    assert cut.window == Window(36, 46, 9, 9)
    same(cut, image)


def test_few_bytes_or_few_requests(path):
    known = io.index(path)
    few_bytes = io.cutout(path, PART, ["data"], index=known, gap=0)
    assert (few_bytes.requests, few_bytes.moved) == (PART.height, PART.height * PART.width * 4)
    few_requests = io.cutout(path, PART, ["data"], index=known)
    assert few_requests.requests == 1
    assert few_requests.moved == ((PART.height - 1) * 120 + PART.width) * 4


def test_an_index_can_be_kept(path, image):
    known = Index.from_dict(json.loads(json.dumps(io.index(path).to_dict())))
    assert known == io.index(path)
    same(io.cutout(path, PART, index=known), image)


def test_over_http_only_ranges_move(path, image, serve):
    address, asked, _ = serve
    cut = io.cutout(f"{address}/{path.name}", PART, gap=0)
    same(cut, image)
    assert cut.requests == len(asked)
    assert cut.moved < path.stat().st_size / 3


def test_any_store_that_fsspec_knows(path, image):
    import fsspec

    with fsspec.open("memory://bucket/x_cal.asdf", "wb") as stream:
        stream.write(path.read_bytes())
    same(io.cutout("memory://bucket/x_cal.asdf", PART), image)


def test_compressed_files_are_read_whole(tmp_path, image):
    from roman_datamodels import datamodels

    io.write(image, tmp_path / "plain_cal.asdf")
    for kind in ("lz4", "zlib", "bzp2"):
        path = tmp_path / f"{kind}_cal.asdf"
        with datamodels.open(tmp_path / "plain_cal.asdf") as model:
            model.to_asdf(path, all_array_compression=kind)
        assert io.index(path).planes["data"].compression == kind
        same(io.cutout(path, PART), image)


def test_a_file_that_asdf_wrote_uncompressed(tmp_path, image):
    from roman_datamodels import datamodels

    io.write(image, tmp_path / "plain_cal.asdf")
    path = tmp_path / "own_cal.asdf"
    with datamodels.open(tmp_path / "plain_cal.asdf") as model:
        model.to_asdf(path, all_array_compression=None)
    same(io.cutout(path, PART), image)


def test_a_long_header(tmp_path, image):
    from dataclasses import replace

    long = replace(image, meta={**image.meta, "own": {"text": "x" * 300_000}})
    io.write(long, tmp_path / "x_cal.asdf")
    cut = io.cutout(tmp_path / "x_cal.asdf", PART)
    same(cut, image)
    assert len(cut.meta["own"]["text"]) == 300_000


def test_layers_of_a_cube_are_cut_alike(path, image):
    known = io.index(path)
    cut = io.cutout(path, Window(30, 0, 40, 1), ["border_ref_pix_left"], index=known)
    expected = image.extras["border_ref_pix_left"][:, 30:70, 0:1]
    np.testing.assert_array_equal(cut.planes["border_ref_pix_left"], expected)


def test_every_plane_makes_an_image(tmp_path, path, image):
    cut = io.cutout(path, PART, tuple(PLANES))
    io.write(cut.image(), tmp_path / "part_cal.asdf")
    part = io.read(tmp_path / "part_cal.asdf")
    assert isinstance(part, Image)
    np.testing.assert_array_equal(part.chisq, image.chisq[10:26, 20:44])
    np.testing.assert_allclose(part.wcs(0, 0), image.wcs(20, 10), rtol=0, atol=1e-13)
    with pytest.raises(InputError, match="chisq"):
        io.cutout(path, PART).image()


def test_what_can_not_be_cut(tmp_path, path, serve):
    address, _, handler = serve
    for where in (Window(200, 0, 5, 5), (10.0, -60.0, 5)):
        with pytest.raises(InputError, match="off the image"):
            io.cutout(path, where)
    with pytest.raises(InputError, match="no plane flux"):
        io.cutout(path, PART, ["flux"])
    with pytest.raises(InputError, match="differ in size"):
        io.cutout(path, PART, ["data", "amp33"])
    with pytest.raises(InputError, match="no such file"):
        io.cutout(tmp_path / "absent.asdf", PART)
    with pytest.raises(InputError, match=r"can't be (read|opened)"):
        io.cutout("http://127.0.0.1:9/x.asdf", PART)
    (tmp_path / "text.asdf").write_text("hello")
    with pytest.raises(InputError, match="not an ASDF file"):
        io.cutout(tmp_path / "text.asdf", PART)
    handler.ranges = False
    with pytest.raises(InputError, match="whole file"):
        io.cutout(f"{address}/{path.name}", PART)


@pytest.mark.parametrize("keep", [100, 20_000, -30])
def test_a_truncated_file_is_told(tmp_path, path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="truncated"):
        io.cutout(path, PART)
