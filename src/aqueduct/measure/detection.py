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

Marks = NDArray[np.int8] | Labels
Order = NDArray[np.uint64]
"""Places in a flat image."""

_BAND: Final = 32
_STRIDE: Final = 4
_WAITING: Final = -1


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
    filtered, depth = np.empty_like(data), np.empty_like(data)
    column, row = _factors(template)
    square = template * template
    over(
        lambda limits: (
            _filter(data, variance, mask, template, square, filtered, depth, *limits)
            if column is None
            else _filter_factors(data, variance, mask, column, row, filtered, depth, *limits)
        ),
        bands(len(data), _BAND),
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
def _filter_factors(
    data: Plane,
    variance: Plane,
    mask: Mask,
    along_column: NDArray[np.float32],
    along_row: NDArray[np.float32],
    filtered: Plane,
    depth: Plane,
    first: int,
    last: int,
) -> None:
    """:func:`_filter` for a template that is an outer product."""
    height, width = data.shape
    up, aside = len(along_column) // 2, len(along_row) // 2
    top = max(first - up, 0)
    signal, weight = _weighed(data, variance, mask, top, min(last + up, height))
    one, other = np.empty(width, np.float32), np.empty(width, np.float32)
    for row in range(first, last):
        one[:], other[:], filtered[row], depth[row] = 0, 0, 0, 0
        for i in range(max(-up, -row), min(up, height - 1 - row) + 1):
            k, place = along_column[up + i], row + i - top
            _add(one, signal[place], k, other, weight[place], k * k)
        for j in range(max(-aside, 1 - width), min(aside, width - 1) + 1):
            k, start, there, size = along_row[aside + j], max(-j, 0), max(j, 0), width - abs(j)
            _add(
                filtered[row, start : start + size], one[there : there + size], k,
                depth[row, start : start + size], other[there : there + size], k * k,
            )  # fmt: skip
        _divide(filtered[row], depth[row])


@jit
def _filter(
    data: Plane,
    variance: Plane,
    mask: Mask,
    template: Plane,
    square: Plane,
    filtered: Plane,
    depth: Plane,
    first: int,
    last: int,
) -> None:
    """Rows ``first`` to ``last`` of S, and of sum(K^2 w)."""
    height, width = data.shape
    up, aside = template.shape[0] // 2, template.shape[1] // 2
    top = max(first - up, 0)
    signal, weight = _weighed(data, variance, mask, top, min(last + up, height))
    for row in range(first, last):
        filtered[row], depth[row] = 0, 0
        for i in range(max(-up, -row), min(up, height - 1 - row) + 1):
            for j in range(max(-aside, 1 - width), min(aside, width - 1) + 1):
                start, there, size = max(-j, 0), max(j, 0), width - abs(j)
                _add(
                    filtered[row, start : start + size],
                    signal[row + i - top, there : there + size],
                    template[up + i, aside + j],
                    depth[row, start : start + size],
                    weight[row + i - top, there : there + size],
                    square[up + i, aside + j],
                )
        _divide(filtered[row], depth[row])


@jit
def _weighed(
    data: Plane, variance: Plane, mask: Mask, start: int, stop: int
) -> tuple[Plane, Plane]:
    """Products w d and weights w of rows ``start`` to ``stop``."""
    signal = np.empty((stop - start, data.shape[1]), np.float32)
    weight = np.empty_like(signal)
    for row in range(start, stop):
        values, noise, hidden = data[row], variance[row], mask[row]
        light, heavy = signal[row - start], weight[row - start]
        for column in range(len(values)):
            good = (not hidden[column]) & (noise[column] > 0)
            w = np.float32(1) / noise[column]
            heavy[column] = w if good else np.float32(0)
            light[column] = w * values[column] if good else np.float32(0)
    return signal, weight


@jit
def _add(one: Plane, signal: Plane, k: float, other: Plane, weight: Plane, square: float) -> None:
    for column in range(len(one)):
        one[column] += k * signal[column]
        other[column] += square * weight[column]


@jit
def _divide(filtered: Plane, depth: Plane) -> None:
    for column in range(len(depth)):
        good = depth[column] > 0
        root = np.sqrt(depth[column] if good else np.float32(1))
        filtered[column] = filtered[column] / root if good else np.float32(0)


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
    labels = np.zeros(snr.shape, np.int32)
    limits = (config.threshold, config.extent, config.prominence, config.contrast)
    parent, peak = _flood(snr, snr.view(np.uint32), noise, labels, *limits)
    _number(labels, mask, parent, peak, config.threshold, config.minimum_area)
    return labels


def islands(snr: Plane, config: DetectionConfig) -> Mask:
    """Pixels above ``extent`` that are connected to one that reaches ``threshold``.

    What :func:`segments` parts into sources, for when their number does not matter.
    """
    labels = np.zeros(snr.shape, np.int8)
    _mark(snr, labels, config.threshold, config.extent)
    return labels.view(np.bool_)


@jit
def _mark(snr: Plane, labels: Marks, threshold: float, extent: float) -> None:
    order = np.empty(snr.size, np.uint64)
    for row in range(snr.shape[0]):
        for column in range(snr.shape[1]):
            peak = snr[row, column]
            if peak >= threshold and peak > extent and labels[row, column] == 0:
                _connected(snr, labels, row, column, extent, order, 1)


@jit
def _connected(
    snr: Plane, labels: Marks, row: int, column: int, extent: float, order: Order, mark: int
) -> int:
    """List the island that a pixel is part of, and mark it; how many pixels it has."""
    height, width = snr.shape
    labels[row, column] = mark
    order[0] = row * width + column
    count, head = 1, 0
    while head < count:
        place = int(order[head])
        head += 1
        row, column = place // width, place % width
        for i in range(max(row - 1, 0), min(row + 2, height)):
            for j in range(max(column - 1, 0), min(column + 2, width)):
                if labels[i, j] == 0 and snr[i, j] > extent:
                    labels[i, j] = mark
                    order[count] = i * width + j
                    count += 1
    return count


@jit
def _flood(
    snr: Plane,
    bits: NDArray[np.uint32],
    noise: Plane,
    labels: Labels,
    threshold: float,
    extent: float,
    prominence: float,
    contrast: float,
) -> tuple[Labels, NDArray[np.float32]]:
    """Provisional labels, the segment each was merged into, and their peaks.

    Islands are flooded one by one: they know nothing of each other, and one fits the cache.
    """
    height, width = snr.shape
    most = ((height + 1) // 2) * ((width + 1) // 2) + 1
    parent, peak = np.empty(most, np.int32), np.empty(most, np.float32)
    order = np.empty(snr.size, np.uint64)
    count = 0
    for row in range(height):
        for column in range(width):
            top = snr[row, column]
            if top >= threshold and top > extent and labels[row, column] == 0:
                size = _connected(snr, labels, row, column, extent, order, _WAITING)
                _sort(bits, order[:size])
                count = _divided(
                    snr, noise, order[:size], labels, prominence, contrast, parent, peak, count
                )
    return parent[: count + 1], peak[: count + 1]


@jit
def _sort(bits: NDArray[np.uint32], order: Order) -> None:
    """Highest first, ties by position: positive floats are ordered as their bits are."""
    width = bits.shape[1]
    low = np.uint64(0xFFFFFFFF)
    for k in range(len(order)):
        place = order[k]
        height = np.uint64(bits[int(place) // width, int(place) % width])
        order[k] = ((low - height) << np.uint64(32)) | place
    order.sort()
    for k in range(len(order)):
        order[k] = order[k] & low


@jit
def _divided(
    snr: Plane,
    noise: Plane,
    order: Order,
    labels: Labels,
    prominence: float,
    contrast: float,
    parent: Labels,
    peak: Plane,
    count: int,
) -> int:
    """Flood one island; the number of segments begun so far."""
    height, width = snr.shape
    near = np.empty(8, np.int32)
    for place in order:
        row, column = int(place) // width, int(place) % width
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
    return count


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


def grown(labels: Labels | Mask, reach: int) -> Mask:
    """True within ``reach`` pixels of any segment."""
    near = np.zeros(labels.shape, np.bool_)
    _grow(labels, reach, near)
    return near


@jit
def _grow(labels: Labels | Mask, reach: int, near: Mask) -> None:
    height, width = labels.shape
    aside = np.sqrt(reach * reach - np.arange(-reach, reach + 1) ** 2.0).astype(np.int64)
    for row in range(height):
        column = 0
        while column < width:
            start = column
            while column < width and labels[row, column] != 0:
                column += 1
            if column > start:
                for i in range(max(row - reach, 0), min(row + reach + 1, height)):
                    wide = aside[i - row + reach]
                    near[i, max(start - wide, 0) : min(column + wide, width)] = True
            column += 1
