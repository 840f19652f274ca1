"""Bytes and requests of a cutout over HTTP: Aqueduct, the asdf library, the whole file.

    python benchmarks/range_read.py x_cal.asdf [official_cal.asdf ...]

A server on this machine counts what it is asked for and what it sends. The asdf library
reads through a seekable file over HTTP ranges that fetches what it is asked for and no
more, but at least 8 kB, as buffered readers do.
"""

from __future__ import annotations

import argparse
import io as streams
import re
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import asdf
import numpy as np

from aqueduct import io
from aqueduct.products import Window

SIZES = (64, 256, 1024)
PLANES = ("data", "err", "dq")


class Counter(BaseHTTPRequestHandler):
    requests = moved = 0
    protocol_version = "HTTP/1.1"
    file: Path

    def do_GET(self) -> None:
        size = self.file.stat().st_size
        first, last = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers["Range"]).groups()
        start = int(first) if first else size - int(last)
        stop = min(int(last) + 1, size) if first and last else size
        with self.file.open("rb") as stream:
            stream.seek(start)
            part = stream.read(stop - start)
        Counter.requests += 1
        Counter.moved += len(part)
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *arguments: object) -> None:
        pass


class Remote(streams.RawIOBase):
    """A seekable file over HTTP ranges."""

    def __init__(self, address: str, size: int) -> None:
        self.address, self.size, self.place = address, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = offset + (0, self.place, self.size)[whence]
        return self.place

    def tell(self) -> int:
        return self.place

    def readinto(self, buffer: memoryview) -> int:
        stop = min(self.place + len(buffer), self.size)
        if stop <= self.place:
            return 0
        asked = {"Range": f"bytes={self.place}-{stop - 1}"}
        with urllib.request.urlopen(urllib.request.Request(self.address, headers=asked)) as answer:
            content = answer.read()
        buffer[: len(content)] = content
        self.place += len(content)
        return len(content)


def with_asdf(address: str, size: int, window: Window) -> int:
    """Cut with the asdf library; returns the bytes of the cutout."""
    stream = streams.BufferedReader(Remote(address, size), 8192)
    with asdf.config_context() as config:
        config.validate_on_read = False
        with asdf.open(stream, lazy_load=True, lazy_tree=True) as file:
            tree = file["roman"]
            part = (window.rows, window.columns)
            return sum(np.array(tree[name][part]).nbytes for name in PLANES)


@contextmanager
def counted(what: str, returned: int) -> Iterator[None]:
    Counter.requests = Counter.moved = 0
    yield
    ratio = Counter.moved / returned
    print(
        f"  {what:<34}{Counter.requests:6} requests {Counter.moved / 1e6:10.3f} MB"
        f"  {ratio:10.1f} x returned"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", type=Path, nargs="+")
    arguments = parser.parse_args()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counter)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/x.asdf"
    for Counter.file in arguments.files:
        total = Counter.file.stat().st_size
        known = io.index(Counter.file)
        kinds = sorted({known.planes[name].compression or "uncompressed" for name in PLANES})
        print(f"{Counter.file.name}: {total / 1e6:.1f} MB, {', '.join(kinds)}")
        for size in SIZES:
            window = Window(1500, 1300, size, size)
            returned = size * size * 10
            print(f" {size} x {size} of {', '.join(PLANES)}: {returned / 1e6:.3f} MB")
            with counted("aqueduct, new file", returned):
                io.cutout(address, window, PLANES)
            with counted("aqueduct, index kept", returned):
                io.cutout(address, window, PLANES, index=known)
            with counted("aqueduct, index kept, gap 0", returned):
                io.cutout(address, window, PLANES, index=known, gap=0)
            with counted("asdf library", returned):
                assert with_asdf(address, total, window) == returned
            print(f"  {'whole file':<34}{1:6} requests {total / 1e6:10.3f} MB", end="")
            print(f"  {total / returned:10.1f} x returned")
    server.shutdown()


if __name__ == "__main__":
    main()
