from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from aqueduct.simulate.signatures import Band, Frame
from aqueduct.simulate.signatures.photons import PhotonConfig, photons


def collected(frame: Frame, noise: bool = True) -> np.ndarray:
    band = Band(0, np.empty((frame.shape[0], len(frame.reads), frame.shape[1]), np.float32))
    photons(frame, PhotonConfig(noise=noise), np.random.default_rng(2)).apply(band)
    return band.signal


@pytest.mark.parametrize("mean", [0.03, 1.6, 9.99, 10.01, 99.0, 101.0])
def test_electrons_of_a_read_are_poisson_numbers(
    frame_of: Callable[..., Frame], mean: float
) -> None:
    frame = frame_of((8, 1024), rate=mean / 3.16247)
    each = np.diff(collected(frame), axis=1, prepend=0).ravel()
    edges = np.unique(stats.poisson.ppf(np.linspace(1e-4, 1 - 1e-4, 25), mean))
    count = np.bincount(np.searchsorted(edges, each), minlength=len(edges) + 1)
    share = np.diff(np.concatenate([[0], stats.poisson.cdf(edges, mean), [1]]))
    assert stats.chisquare(count, share * each.size).pvalue > 1e-4


def test_reads_columns_and_rows_are_independent(frame_of: Callable[..., Frame]) -> None:
    each = np.diff(collected(frame_of((24, 2048), rate=0.5)), axis=1, prepend=0)
    for axis in (0, 1):
        lines = np.moveaxis(each, axis, 0).reshape(each.shape[axis], -1)
        correlation = np.corrcoef(lines) - np.eye(len(lines))
        assert np.abs(correlation).max() < 5.5 / np.sqrt(lines.shape[1])
    assert abs(np.mean((each[..., 1:] - 1.58) * (each[..., :-1] - 1.58))) < 0.01


def test_bright_pixels_among_faint_ones(frame_of: Callable[..., Frame]) -> None:
    # 200 columns: the last block is cut off.
    frame = frame_of((64, 200), rate=0.3)
    frame.rate[:, 70], frame.rate[:, 199] = 50.0, 2000.0
    last = collected(frame)[:, -1].mean(axis=0)
    seconds = 44 * 3.16247
    expected = frame.rate[0] * seconds
    assert np.abs((last - expected) / np.sqrt(expected / 64)).max() < 4.5


def test_without_noise_and_below_zero(frame_of: Callable[..., Frame]) -> None:
    frame = frame_of((2, 100), rate=2.5)
    expected = 2.5 * 3.16247 * frame.reads
    np.testing.assert_allclose(collected(frame, noise=False)[1, :, 5], expected, rtol=1e-6)
    assert (collected(frame_of((2, 100), rate=-1.0)) == 0).all()
