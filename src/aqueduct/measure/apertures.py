"""Fluxes in circles and ellipses, exact to the edge, with real errors.

    F     = sum_i f_i d_i                              f_i: share of pixel i in the aperture
    var F = c^2 sum_i f_i^2 v_i + (g^2 - c^2) A v_sky

f_i is exact (:mod:`aqueduct.measure.overlap`). A pixel that can't be used is replaced by the
one opposite about the centre.

v_i is the variance of a pixel by itself. g is how much more apertures of the same area A
scatter than v_i says, measured where no source is. On resampled images neighbours share
their noise: g rises with A to a plateau, which holds for the noise of sources as well.
Beyond it g rises by the error of the background (and unseen sources), which sources do
not add to. c is g up to the radius of the plateau, and constant from there on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aqueduct.core.threads import bands, over
from aqueduct.kernels.compile import jit
from aqueduct.measure.background import CLIP, Mask, Plane, clipped
from aqueduct.measure.detection import Labels
from aqueduct.measure.overlap import share_within

Vector = NDArray[np.float64]

_SHARE: Final = 256
"""Sources handed to one thread at a time."""
_EMPTY: Final = 3000
"""Empty apertures tried, about."""
_LEAST_EMPTY: Final = 50
_STRIDE: Final = 4


@dataclass(frozen=True)
class Field:
    """What is measured: one background-subtracted image and who owns its pixels.

    Attributes
    ----------
    data, variance : ndarray of float32, (row, column)
        Any unit of surface brightness, and its square.
    mask : ndarray of bool
        Pixels that must not be used.
    labels : ndarray of int32
        Segments, 0 for none.
    """

    data: Plane
    variance: Plane
    mask: Mask
    labels: Labels

    @property
    def arrays(self) -> tuple[Plane, Plane, Mask, Labels]:
        return self.data, self.variance, self.mask, self.labels


@dataclass(frozen=True)
class Sums:
    """Sums over apertures, (source, aperture), of surface brightness times pixels.

    Attributes
    ----------
    flux, variance : ndarray of float64
        ``variance`` before any noise factor.
    lost : ndarray of float64
        Pixels of the aperture that were replaced or left out.
    """

    flux: Vector
    variance: Vector
    lost: Vector


def doubles(values: ArrayLike) -> Vector:
    """``values`` in the one layout that the kernels are compiled for."""
    return np.ascontiguousarray(values, np.float64)


def affine(a: Vector, b: Vector, theta: Vector) -> Vector:
    """The maps (source, 4) that take ellipses to the unit circle, row by row."""
    cos, sin = np.cos(theta), np.sin(theta)
    return np.stack([cos / a, sin / a, -sin / b, cos / b], axis=1)


def circular(field: Field, x: Vector, y: Vector, radii: ArrayLike) -> Sums:
    """Sum within circles; neighbours are part of it.

    Parameters
    ----------
    field : Field
    x, y : ndarray, (source,)
        Centres, 0-based.
    radii : array_like, (aperture,) or (source, aperture)
        Pixels.
    """
    shape = np.tile([1.0, 0.0, 0.0, 1.0], (len(x), 1))
    own = np.zeros(len(x), np.int32)
    each = np.broadcast_to(radii, (len(x), np.shape(radii)[-1]))
    return _sums(field, own, x, y, shape, each)


def elliptical(
    field: Field, own: Labels, x: Vector, y: Vector, a: Vector, b: Vector, theta: Vector
) -> Sums:
    """Sum within one ellipse for each source, the pixels of other segments left out.

    Parameters
    ----------
    field : Field
    own : ndarray of int32, (source,)
        Each source's label.
    x, y, a, b, theta : ndarray, (source,)
        Centre and semi-axes in pixels; angle from +x to the major axis, radians.
    """
    return _sums(field, own, x, y, affine(a, b, theta), np.ones((len(x), 1)))


def _sums(field: Field, own: Labels, x: Vector, y: Vector, shape: Vector, radii: Vector) -> Sums:
    out = Sums(*(np.zeros(radii.shape) for _ in range(3)))
    x, y, shape, radii = doubles(x), doubles(y), doubles(shape), doubles(radii)

    def part(limits: tuple[int, int]) -> None:
        _add(*field.arrays, own, x, y, shape, radii, out.flux, out.variance, out.lost, *limits)

    over(part, bands(len(x), _SHARE))
    return out


def annuli(
    field: Field, x: Vector, y: Vector, inner: float, outer: float
) -> tuple[Vector, Vector, Vector]:
    """Clipped median in an annulus, pixels of any segment left out.

    Returns
    -------
    level, error, count : ndarray, (source,)
        NaN where fewer than three pixels are left. The error is that of the median of
        independent pixels, sqrt(pi / 2) s / sqrt(count).
    """
    out = np.full((3, len(x)), np.nan)
    x, y = doubles(x), doubles(y)

    def part(limits: tuple[int, int]) -> None:
        _rings(field.data, field.mask, field.labels, x, y, inner, outer, out, *limits)

    over(part, bands(len(x), _SHARE))
    return out[0], out[1], out[2]


@dataclass(frozen=True)
class Noise:
    """How much larger the noise of an aperture is than its pixels' variances say.

    Attributes
    ----------
    radii, factors : ndarray, (radius,)
        g, measured in circles of these radii (pixels), ascending.
    sky : float
        Median variance of a pixel without sources.
    shared_radius : float
        Radius beyond which g grows by the background's error alone.
    """

    radii: Vector
    factors: Vector
    sky: float
    shared_radius: float

    def shared(self, area: Vector | float) -> Vector:
        """c, the part of g that neighbouring pixels share, for apertures of ``area`` pixels."""
        return np.minimum(self._at(area), self._at(np.pi * self.shared_radius**2))

    def variance(self, own: Vector, area: Vector | float) -> Vector:
        """Variance of a flux whose pixels' variances sum to ``own``."""
        shared, rest = self.shared(area) ** 2, self._at(area) ** 2
        return np.asarray(shared * own + (rest - shared) * area * self.sky)

    def _at(self, area: Vector | float) -> Vector:
        radius = np.sqrt(np.asarray(area, float) / np.pi)
        return np.asarray(np.interp(radius, self.radii, self.factors))


def noise(field: Field, radii: Sequence[float], shared_radius: float) -> Noise:
    """Measure the noise in apertures that hold neither source nor masked pixel.

    They stand on a regular grid. Where fewer than 50 fit, the factor of the next smaller
    radius is kept; it is 1 if not even the smallest fit.
    """
    empty = Field(field.data, field.variance, field.mask | (field.labels > 0), field.labels)
    factors, last = [], 1.0
    for radius in sorted(radii):
        y, x = _grid(field.data.shape, radius)
        found = circular(empty, x, y, [radius])
        free = (found.lost[:, 0] == 0) & (found.variance[:, 0] > 0)
        if free.sum() >= _LEAST_EMPTY:
            pulls = found.flux[free, 0] / np.sqrt(found.variance[free, 0])
            low, high = np.percentile(pulls, [15.865, 84.135])
            last = float(high - low) / 2
        factors.append(last)
    quiet = field.variance[::_STRIDE, ::_STRIDE][~empty.mask[::_STRIDE, ::_STRIDE]]
    sky = float(np.median(quiet)) if quiet.size else 0.0
    return Noise(np.sort(np.asarray(radii, float)), np.array(factors), sky, shared_radius)


def _grid(shape: tuple[int, ...], radius: float) -> tuple[Vector, Vector]:
    """Centres that keep apertures apart and within the image."""
    apart = max(int(np.ceil(2 * radius)) + 1, int(np.sqrt(shape[0] * shape[1] / _EMPTY)), 1)
    edge = int(np.ceil(radius)) + 1
    rows, columns = (np.arange(edge, size - edge, apart, dtype=float) for size in shape)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    return y.ravel(), x.ravel()


@jit
def usable(mask: Mask, labels: Labels, own: int, row: int, column: int) -> bool:
    """Whether a pixel is on the image, not masked and not another's (``own`` 0: anyone's)."""
    if row < 0 or column < 0 or row >= mask.shape[0] or column >= mask.shape[1]:
        return False
    if mask[row, column]:
        return False
    return own == 0 or labels[row, column] == 0 or labels[row, column] == own


@jit
def opposite(
    data: Plane,
    variance: Plane,
    mask: Mask,
    labels: Labels,
    own: int,
    row: int,
    column: int,
    x: float,
    y: float,
) -> tuple[float, float]:
    """Value and variance of the pixel opposite about (x, y); 0 if that is not usable either."""
    row, column = int(np.rint(2 * y - row)), int(np.rint(2 * x - column))
    if usable(mask, labels, own, row, column):
        return float(data[row, column]), float(variance[row, column])
    return 0.0, 0.0


@jit
def _add(
    data: Plane,
    variance: Plane,
    mask: Mask,
    labels: Labels,
    own: Labels,
    x: Vector,
    y: Vector,
    shape: Vector,
    radii: Vector,
    flux: Vector,
    noise: Vector,
    lost: Vector,
    first: int,
    last: int,
) -> None:
    for k in range(first, last):
        if not (np.isfinite(x[k]) and np.isfinite(y[k])):
            flux[k], noise[k] = np.nan, np.nan
            continue
        m0, m1, m2, m3 = shape[k]
        # Half a pixel's diagonal where the aperture is a circle.
        reach = np.sqrt(0.25 * ((abs(m0) + abs(m1)) ** 2 + (abs(m2) + abs(m3)) ** 2))
        area = abs(m0 * m3 - m1 * m2)
        for n in range(radii.shape[1]):
            radius = radii[k, n]
            up = (radius + reach) * np.hypot(m0, m2) / area
            f = v = gone = 0.0
            for row in range(int(np.ceil(y[k] - up)), int(np.floor(y[k] + up)) + 1):
                dy = row - y[k]
                start, stop = _run(m0, m1, m2, m3, dy, radius + reach, x[k])
                whole, edge = _run(m0, m1, m2, m3, dy, radius - reach, x[k])
                for column in range(start, stop):
                    itself = usable(mask, labels, own[k], row, column)
                    if itself:
                        d, w = float(data[row, column]), float(variance[row, column])
                    else:
                        d, w = opposite(
                            data, variance, mask, labels, own[k], row, column, x[k], y[k]
                        )
                    share = 1.0
                    if column < whole or column >= edge:
                        dx = column - x[k]
                        share = share_within(
                            m0 * dx + m1 * dy, m2 * dx + m3 * dy, m0, m1, m2, m3, area, radius
                        )
                    f += share * d
                    v += share * share * w
                    if not itself:
                        gone += share
            flux[k, n], noise[k, n], lost[k, n] = f, v, gone


@jit
def _run(
    m0: float, m1: float, m2: float, m3: float, dy: float, radius: float, x: float
) -> tuple[int, int]:
    """First and last + 1 column whose centre lies within ``radius``, on the row at ``dy``."""
    a, b = m0 * m0 + m2 * m2, (m0 * m1 + m2 * m3) * dy
    root = b * b - a * ((m1 * m1 + m3 * m3) * dy * dy - radius * radius)
    if radius <= 0.0 or root <= 0.0:
        return 0, 0
    root = math.sqrt(root)
    return math.ceil(x - (b + root) / a), math.floor(x + (root - b) / a) + 1


@jit
def _rings(
    data: Plane,
    mask: Mask,
    labels: Labels,
    x: Vector,
    y: Vector,
    inner: float,
    outer: float,
    out: Vector,
    first: int,
    last: int,
) -> None:
    values = np.empty(int((2 * outer + 2) ** 2), np.float32)
    for k in range(first, last):
        if not (np.isfinite(x[k]) and np.isfinite(y[k])):
            continue
        found = 0
        low, high = max(int(np.ceil(y[k] - outer)), 0), int(np.floor(y[k] + outer))
        for row in range(low, min(high, data.shape[0] - 1) + 1):
            square = (row - y[k]) ** 2
            wide, hole = np.sqrt(outer * outer - square), np.sqrt(max(inner * inner - square, 0.0))
            left, right = max(int(np.floor(x[k] - wide)) + 1, 0), int(np.ceil(x[k] + wide))
            # The columns on either side of the hole; where there is none, all to its left.
            end, begin = int(np.floor(x[k] - hole)) + 1, int(np.ceil(x[k] + hole))
            if square >= inner * inner:
                end = begin = right
            for start, stop in ((left, end), (max(begin, 0), right)):
                for column in range(start, min(stop, data.shape[1])):
                    values[found] = data[row, column]
                    found += (not mask[row, column]) & (labels[row, column] == 0)
        if found >= 3:
            middle, _, spread, left_over = clipped(values[:found], CLIP)
            out[0, k], out[1, k] = middle, np.sqrt(0.5 * np.pi / left_over) * spread
            out[2, k] = left_over
