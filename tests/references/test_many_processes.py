"""Processes that read, unpack, install and deliver in one root and one cache at once."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from aqueduct.core.paths import cache_home
from aqueduct.products.references import GainReference, PhotomReference
from aqueduct.references import References, bundle, cache, deliver, install, load, write_set
from aqueduct.references.crds import parse

COUNT = 32
TURNS = 3
VALUES = np.arange(1 << 18, dtype=np.float32)
fork = multiprocessing.get_context("fork")


@pytest.fixture
def root(tmp_path, photom) -> Path:
    gain = np.tile(np.arange(4096, dtype=np.float32), (4096, 1))
    write_set(tmp_path / "root", [(photom, "WFI01", None), (GainReference(data=gain), "*", None)])
    return tmp_path / "root"


def work(number, start, made, meta, root, other, packed, file) -> None:
    def make():
        made.put(number)
        return VALUES

    start.wait()
    for turn in range(TURNS):
        gain = References(root).get(GainReference, meta)
        assert gain.data[17, 4000] == 4000
        assert References(root).get(PhotomReference, meta).table["F158"]["photmjsr"] > 0
        values = cache.unpack(make, VALUES.shape, VALUES.dtype, f"turn{turn}", "x")
        np.testing.assert_array_equal(values, VALUES)
    install(packed, other)
    if number % 8 == 0:
        deliver([file], root, useafter=f"2025-01-{number // 8 + 1:02d}")


def test_nothing_is_torn_left_behind_or_done_twice(root, meta, tmp_path):
    packed, other = tmp_path / "b.tar", tmp_path / "other"
    file = root / "references/roman/roman_wfi_photom_0001.asdf"
    bundle(References(root), [meta], packed)
    start, made = fork.Barrier(COUNT), fork.Queue()
    words = (start, made, meta, root, other, packed, file)
    workers = [fork.Process(target=work, args=(number, *words)) for number in range(COUNT)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * COUNT
    assert len([made.get(timeout=1) for _ in range(TURNS)]) == TURNS
    assert made.empty()
    deliveries = len(range(0, COUNT, 8))
    assert References(root).context == f"roman_{deliveries + 1:04d}.pmap"
    assert len(References(root).rules("photom").files()) == deliveries + 1
    for path in (root / "mappings/roman").iterdir():
        parse(path)
    found = References(other).get(PhotomReference, meta)
    assert found.digest == load(PhotomReference, file).digest
    for folder in (root, other, cache_home()):
        left = [path.name for path in folder.rglob("*") if path.name.startswith((".", "tmp"))]
        assert left == []
