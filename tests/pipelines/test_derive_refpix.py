from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from aqueduct.core.errors import InputError
from aqueduct.level2 import _irrc
from aqueduct.pipelines import derive_refpix
from aqueduct.pipelines.derive_refpix import Sums, add, bands, derive, solve
from aqueduct.products import Raw
from aqueduct.products.references import MaskReference
from aqueduct.products.window import CHANNEL, FRAME
from aqueduct.references import References

READS = 5
META: dict[str, Any] = {
    "instrument": {"detector": "WFI01", "optical_element": "DARK"},
    "exposure": {
        "type": "WFI_IM_DARK",
        "frame_time": 3.16,
        "read_pattern": [[read] for read in range(1, READS + 1)],
        "start_time": "2027-03-01T00:00:00",
    },
}
COMMON, OWN, SEEN = 20.0, 10.0, 0.8
"""DN RMS of the noise that is shared, and of the amplifier's; what the channel sees of it."""


def dark(seed: int) -> Raw:
    """A dark whose first channel and amplifier share white noise; nothing in the others."""
    rng = np.random.default_rng(seed)
    shape = (READS, FRAME, CHANNEL)
    common = COMMON * rng.standard_normal(shape, np.float32)
    amplifier = 5000 + common + OWN * rng.standard_normal(shape, np.float32)
    data = np.zeros((READS, FRAME, FRAME), np.uint16)
    channel = 5000 + SEEN * common + OWN * rng.standard_normal(shape, np.float32)
    channel += 300 * (rng.random(shape[1:]) < 0.01) * np.arange(READS)[:, None, None]
    channel[2:] += 5000 * (rng.random(shape[1:]) < 0.01)
    data[:, :, :CHANNEL] = np.rint(channel)
    data[:, :, -4:] = np.rint(5000 + OWN * rng.standard_normal((READS, FRAME, 4)))
    return Raw(data, np.rint(amplifier).astype(np.uint16), META)


def mask() -> MaskReference:
    return MaskReference(dq=np.zeros((FRAME, FRAME), np.uint32))


def test_weights_are_those_of_wiener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(derive_refpix, "CHANNELS", 1)
    sums = Sums.empty()
    add(sums, dark(1), mask())
    made = solve(sums)
    expected = SEEN * COMMON**2 / (COMMON**2 + OWN**2)
    high = slice(10_000, None)
    assert np.abs(made.alpha[0, high] - expected).mean() < 0.05 * expected
    assert np.abs(made.zeta[0, high]).mean() < 0.02
    assert made.gamma.dtype == np.complex64
    assert made.alpha.shape == (1, _irrc.FREQUENCIES)


def test_where_nothing_is_shared_there_is_no_weight() -> None:
    rng = np.random.default_rng(2)
    sums = Sums.empty()
    count = len(sums.freedom)
    sums.freedom[:] = 100
    draws = rng.standard_normal((2, 3 + 32, 100, count))
    series = draws[0] + 1j * draws[1]
    sums.inputs[:] = np.einsum("ikb,jkb->ijb", series[:3], series[:3].conj())
    sums.outputs[:] = np.einsum("ckb,jkb->cjb", series[3:], series[:3].conj())
    sums.power[:] = (np.abs(series[3:]) ** 2).sum(axis=1)
    bare, shrunk = solve(sums, threshold=0), solve(sums)
    noise = [np.mean(np.abs(each.alpha) ** 2) for each in (bare, shrunk)]
    assert noise[1] < 0.3 * noise[0]


def test_bands_cover_every_frequency_once() -> None:
    edges = bands()
    assert edges[0] == 0
    assert edges[-1] == _irrc.FREQUENCIES
    assert np.all(np.diff(edges) > 0)
    assert np.all(np.diff(edges)[:8] == 1)


def test_what_is_no_dark_is_refused(tmp_path) -> None:
    short = Raw(np.zeros((2, 8, 8), np.uint16), np.zeros((2, 8, 8), np.uint16), META)
    with pytest.raises(InputError, match="2 resultants"):
        add(Sums.empty(), short, mask())
    with pytest.raises(InputError, match="no darks"):
        derive([], tmp_path, References(tmp_path))
