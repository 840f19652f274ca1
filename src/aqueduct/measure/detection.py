"""Detection: matched-filter significance, and segments that grow down from its peaks.

With data d above the background, variance v of a pixel without sources, template K and
weight w = 1/v (0 where masked), the significance of a source shaped like K is::

    S = sum(K w d) / sqrt(sum(K^2 w^2 v))

S is divided by its own robust standard deviation, so that noise shared between pixels
(resampled images) is accounted for, whatever its correlation. Several images add as
sum_b S_b n_b / sqrt(sum_b n_b^2), where n_b is the root of S_b's denominator; of several
templates the largest S counts.

Pixels above ``extent`` are taken from the highest S down. One that touches no segment
starts a segment, one that touches segments joins the one of its highest neighbour. Where
two segments meet, at significance s, the lower peak p stays a source of its own if it
stands out::

    p - s >= prominence * n   and   p - s >= contrast * (higher peak)

n is the noise of S at the meeting point: 1 on empty sky, more where the light of the
sources itself is noisy. A bright galaxy is not torn to pieces by it.

A segment is a source if its peak reaches ``threshold`` and it has ``minimum_area`` pixels.
Sources: Zackay & Ofek 2017, ApJ 836, 187; Vincent & Soille 1991, IEEE PAMI 13, 583.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from aqueduct.core.config import StepConfig
from aqueduct.core.threads import bands, over
from aqueduct.kernels.compile import jit
from aqueduct.measure.background import Mask, Plane

Labels = NDArray[np.int32]
Layer = tuple[Plane, Plane, Mask]
"""Data, variance and mask of one image."""

_BAND: Final = 64
_STRIDE: Final = 4


class DetectionConfig(StepConfig):
    """What counts as a source."""

    threshold: float = Field(5.0, gt=0, description="Least significance of a source's peak, sigma")
    extent: float = Field(2.5, gt=0, description="Significance down to which segments reach, sigma")
    minimum_area: int = Field(3, ge=1, description="Least number of pixels in a segment")
    prominence: float = Field(
        3.0, ge=0, description="Least rise of a blended peak above its saddle, sigma of the pixel"
    )
    contrast: float = Field(
        0.001, ge=0, le=1, description="The same, as a fraction of the higher of the two peaks"
    )


def gaussian(fwhm: float) -> NDArray[np.float32]:
    """A Gaussian template of unit sum, out to two full widths; ``fwhm`` in pixels."""
    reach = max(int(np.ceil(2 * fwhm)), 1)
    line = np.exp(-4 * np.log(2) * (np.arange(-reach, reach + 1) / fwhm) ** 2)
    template = np.outer(line, line)
    return np.asarray(template / template.sum(), np.float32)


def significance(layers: Sequence[Layer], templates: Sequence[NDArray[np.float32]]) -> Plane:
    """S of one or more images of the same field, in units of its own noise.

    Parameters
    ----------
    layers : sequence of (data, variance, mask)
        Each (row, column), float32, float32 and bool, background subtracted.
    templates : sequence of ndarray of float32, (odd, odd)

    Returns
    -------
    ndarray of float32, (row, column)
    """
    maps = (_combined([matched(*layer, template) for layer in layers]) for template in templates)
    best: Plane = functools.reduce(lambda one, other: np.maximum(one, other, out=one), maps)
    return best


def _combined(parts: Sequence[tuple[Plane, Plane]]) -> Plane:
    for filtered, _ in parts:
        _normalise(filtered)
    if len(parts) == 1:
        return parts[0][0]
    squares = sum(depth for _, depth in parts)
    total = sum(filtered * np.sqrt(depth) for filtered, depth in parts)
    combined: Plane = np.divide(
        total, np.sqrt(squares), out=np.zeros_like(total), where=squares > 0
    )
    _normalise(combined)
    return combined


def _normalise(filtered: Plane) -> None:
    """Divide by the noise in place: the spread below the median, where no sources are."""
    sample = filtered[::_STRIDE, ::_STRIDE]
    sample = sample[sample != 0]
    if len(sample):
        low, middle = np.percentile(sample, [15.865, 50.0])
        if middle > low:
            filtered /= np.float32(middle - low)


def matched(
    data: Plane, variance: Plane, mask: Mask, template: NDArray[np.float32]
) -> tuple[Plane, Plane]:
    """S before it is normalised, and the square of its denominator."""
    weight = np.zeros_like(data)
    signal = np.zeros_like(data)
    filtered, depth = np.zeros_like(data), np.zeros_like(data)
    pieces = bands(len(data), _BAND)

    def weigh(limits: tuple[int, int]) -> None:
        rows = slice(*limits)
        good = ~mask[rows] & (variance[rows] > 0)
        np.divide(1.0, variance[rows], out=weight[rows], where=good)
        np.multiply(weight[rows], data[rows], out=signal[rows], where=good)

    over(weigh, pieces)
    column, row = _factors(template)
    if column is None:
        over(lambda limits: _correlate(signal, weight, template, filtered, depth, *limits), pieces)
    else:
        over(
            lambda limits: _correlate_rows(signal, weight, column, row, filtered, depth, *limits),
            pieces,
        )
    return filtered, depth


def _factors(template: NDArray[np.float32]) -> tuple[Any, Any]:
    """(column, row) whose outer product is the template; (None, None) if there are none.

    A Gaussian of n x n then costs 2 n operations a pixel in place of n^2.
    """
    left, sizes, right = np.linalg.svd(template.astype(np.float64))
    if len(sizes) > 1 and sizes[1] > 1e-6 * sizes[0]:
        return None, None
    return (left[:, 0] * sizes[0]).astype(np.float32), right[0].astype(np.float32)


@jit
def _correlate_rows(
    signal: Plane,
    weight: Plane,
    along_column: NDArray[np.float32],
    along_row: NDArray[np.float32],
    filtered: Plane,
    depth: Plane,
    first: int,
    last: int,
) -> None:
    """:func:`_correlate` for a template that is an outer product."""
    height, width = signal.shape
    up, aside = len(along_column) // 2, len(along_row) // 2
    for row in range(first, last):
        one, other = np.zeros(width, np.float32), np.zeros(width, np.float32)
        for i in range(max(-up, -row), min(up, height - 1 - row) + 1):
            k = along_column[up + i]
            square = k * k
            for column in range(width):
                one[column] += k * signal[row + i, column]
                other[column] += square * weight[row + i, column]
        for j in range(-aside, aside + 1):
            k = along_row[aside + j]
            square = k * k
            for column in range(max(-j, 0), width - max(j, 0)):
                filtered[row, column] += k * one[column + j]
                depth[row, column] += square * other[column + j]
        for column in range(width):
            if depth[row, column] > 0:
                filtered[row, column] /= np.sqrt(depth[row, column])


@jit
def _correlate(
    signal: Plane,
    weight: Plane,
    template: Plane,
    filtered: Plane,
    depth: Plane,
    first: int,
    last: int,
) -> None:
    """Rows ``first`` to ``last`` of S, and of sum(K^2 w)."""
    height, width = signal.shape
    up, aside = template.shape[0] // 2, template.shape[1] // 2
    for row in range(first, last):
        for i in range(max(-up, -row), min(up, height - 1 - row) + 1):
            for j in range(-aside, aside + 1):
                k = template[up + i, aside + j]
                square = k * k
                for column in range(max(-j, 0), width - max(j, 0)):
                    filtered[row, column] += k * signal[row + i, column + j]
                    depth[row, column] += square * weight[row + i, column + j]
        for column in range(width):
            if depth[row, column] > 0:
                filtered[row, column] /= np.sqrt(depth[row, column])


def segments(snr: Plane, noise: Plane, mask: Mask, config: DetectionConfig) -> Labels:
    """Label the sources of a significance map.

    Parameters
    ----------
    snr : ndarray of float32, (row, column)
    noise : ndarray of float32, (row, column)
        Standard deviation of a pixel with its sources over that without.
    mask : ndarray of bool, (row, column)
        Pixels that get no label; segments reach across a single one.
    config : DetectionConfig

    Returns
    -------
    ndarray of int32, (row, column)
        1, 2, ... in the order of the segments' first pixels; 0 where there is none.
    """
    above = np.flatnonzero(snr > config.extent)
    # Ties are broken by position, so that labels do not depend on the sort.
    order = above[np.argsort(-snr.ravel()[above], kind="stable")]
    labels = np.zeros(snr.shape, np.int32)
    parent, peak = _flood(snr, noise, order, labels, config.prominence, config.contrast)
    _number(labels, mask, parent, peak, config.threshold, config.minimum_area)
    return labels


@jit
def _flood(
    snr: Plane,
    noise: Plane,
    order: NDArray[np.int64],
    labels: Labels,
    prominence: float,
    contrast: float,
) -> tuple[Labels, NDArray[np.float32]]:
    """Provisional labels, the segment each was merged into, and their peaks."""
    height, width = snr.shape
    parent = np.empty(len(order) + 1, np.int32)
    peak = np.empty(len(order) + 1, np.float32)
    count = 0
    near = np.empty(8, np.int32)
    for place in order:
        row, column = place // width, place % width
        here, best, top, found = snr[row, column], 0, -np.inf, 0
        for i in range(max(row - 1, 0), min(row + 2, height)):
            for j in range(max(column - 1, 0), min(column + 2, width)):
                if labels[i, j] > 0:
                    root = _root(parent, labels[i, j])
                    near[found] = root
                    found += 1
                    if snr[i, j] > top:
                        top, best = snr[i, j], root
        if found == 0:
            count += 1
            parent[count], peak[count] = count, here
            best = count
        labels[row, column] = best
        for k in range(found):
            one, other = _root(parent, best), _root(parent, near[k])
            if one != other:
                low, high = (one, other) if peak[one] < peak[other] else (other, one)
                rise = max(prominence * noise[row, column], contrast * peak[high])
                if peak[low] - here < rise:
                    parent[low] = high
    return parent[: count + 1], peak[: count + 1]


@jit
def _root(parent: Labels, label: int) -> int:
    while parent[label] != label:
        parent[label] = parent[parent[label]]
        label = parent[label]
    return label


@jit
def _number(
    labels: Labels, mask: Mask, parent: Labels, peak: Plane, threshold: float, area: int
) -> None:
    """Final labels in place of provisional ones."""
    size = np.zeros(len(parent), np.int64)
    new = np.zeros(len(parent), np.int32)
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            if labels[row, column] > 0:
                if mask[row, column]:
                    labels[row, column] = 0
                    continue
                root = _root(parent, labels[row, column])
                labels[row, column] = root
                size[root] += 1
    count = 0
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            root = labels[row, column]
            if root > 0:
                if peak[root] < threshold or size[root] < area:
                    labels[row, column] = 0
                    continue
                if new[root] == 0:
                    count += 1
                    new[root] = count
                labels[row, column] = new[root]


def grown(labels: Labels, reach: int) -> Mask:
    """True within ``reach`` pixels of any segment."""
    near = np.zeros(labels.shape, np.bool_)
    _grow(labels, reach, near)
    return near


@jit
def _grow(labels: Labels, reach: int, near: Mask) -> None:
    height, width = labels.shape
    for row in range(height):
        for column in range(width):
            if labels[row, column] == 0:
                continue
            for i in range(max(row - reach, 0), min(row + reach + 1, height)):
                aside = int(np.sqrt(reach * reach - (i - row) ** 2))
                for j in range(max(column - aside, 0), min(column + aside + 1, width)):
                    near[i, j] = True
