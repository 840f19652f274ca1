"""Positions and shapes of sources.

Isophotal moments, over the pixels i of a segment with d_i > 0::

    x = sum(d x) / sum(d)       xx = sum(d x^2) / sum(d) - x^2       and so on
    var x = sum(v_i (x_i - x)^2) / sum(d)^2

Windowed centroid, with w a Gaussian of the source's half-light width, iterated::

    x <- x + 2 sum(w d (x_i - x)) / sum(w d)
    var x = 4 sum(w^2 v_i (x_i - x)^2) / sum(w d)^2

First moment of the elliptical radius r (in units of the ellipse), out to r = 6::

    K = sum(r d) / sum(d)       Kron aperture: 2.5 K (a, b), at least 3.5 (a, b)

Variances are those of independent pixels. Pixels of other sources, and bad ones, are
replaced by those opposite. Source: Bertin, SExtractor manual, sections on position,
windowed position, shape and FLUX_AUTO; Kron 1980, ApJS 43, 305.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.threads import bands, over
from aqueduct.kernels.compile import jit
from aqueduct.measure.apertures import Field, Vector, affine, doubles, elliptical, pixel
from aqueduct.measure.background import Mask, Plane
from aqueduct.measure.detection import Labels

KRON: Final = 2.5
LEAST_KRON: Final = 1.4
REACH: Final = 6.0
"""Elliptical radius out to which the Kron moment is taken."""
_SHARE: Final = 64
_THINNEST: Final = 1 / 12
"""Variance of a pixel's width: no source is thinner."""
NARROWEST: Final = 1.2
"""Least width of the window, pixels: a narrower one is biased by the pixels' phase."""
_WINDOW_ROUNDS: Final = 30
_WINDOW_STEP: Final = 1e-4
_HALVINGS: Final = 16


@dataclass(frozen=True)
class Moments:
    """Moments of segments, each (source,): pixels, and the data's unit times pixels."""

    x: Vector
    y: Vector
    xx: Vector
    yy: Vector
    xy: Vector
    x_variance: Vector
    y_variance: Vector
    flux: Vector
    variance: Vector
    area: Vector
    masked: Vector

    def ellipse(self) -> tuple[Vector, Vector, Vector]:
        """Standard deviations along the axes (pixels) and angle of the major one (radians)."""
        xx, yy = self.xx + 0.0, self.yy + 0.0
        thin = xx * yy - self.xy**2 < _THINNEST**2
        xx[thin] += _THINNEST
        yy[thin] += _THINNEST
        middle, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, self.xy)
        minor = np.sqrt(np.maximum(middle - half, _THINNEST**2))
        return np.sqrt(middle + half), minor, 0.5 * np.arctan2(2 * self.xy, xx - yy)


def boxes(labels: Labels) -> NDArray[np.int64]:
    """First and last row, first and last column of each segment, (source, 4)."""
    found = np.empty((int(labels.max(initial=0)), 4), np.int64)
    found[:, ::2], found[:, 1::2] = max(labels.shape), -1
    _bound(labels, found)
    return found


def touching(labels: Labels, box: NDArray[np.int64]) -> Mask:
    """Which segments have a pixel beside one of another segment."""
    out = np.zeros(len(box), np.bool_)
    _touch(labels, out)
    return out


def moments(field: Field, box: NDArray[np.int64]) -> Moments:
    """Isophotal moments of every segment of ``field.labels``; see :func:`boxes`."""
    out = np.zeros((11, len(box)))
    over(lambda part: _moments(*field.arrays, box, out, *part), bands(len(box), _SHARE))
    return Moments(*out)


def windowed(
    field: Field, own: Labels, x: Vector, y: Vector, width: Vector
) -> tuple[Vector, Vector, Vector, Vector, Mask]:
    """Windowed centroids.

    Parameters
    ----------
    field : Field
    own : ndarray of int32, (source,)
    x, y : ndarray, (source,)
        Where to start.
    width : ndarray, (source,)
        Standard deviation of the window, pixels; at least 1.2 is taken.

    Returns
    -------
    x, y, x_variance, y_variance : ndarray
    found : ndarray of bool
        False where it did not converge; the position is the one to start from.
    """
    out = np.zeros((4, len(x)))
    found = np.zeros(len(x), np.bool_)
    x, y, width = doubles(x), doubles(y), doubles(np.maximum(width, NARROWEST))
    over(
        lambda part: _windowed(*field.arrays, own, x, y, width, out, found, *part),
        bands(len(x), _SHARE),
    )
    return out[0], out[1], out[2], out[3], found


def kron(
    field: Field, own: Labels, x: Vector, y: Vector, a: Vector, b: Vector, theta: Vector
) -> Vector:
    """K of each source: the first moment of the elliptical radius, at least 1.4."""
    out = np.zeros((len(x), 2))
    x, y, shape = doubles(x), doubles(y), affine(a, b, theta)
    over(lambda part: _kron(*field.arrays, own, x, y, shape, out, *part), bands(len(x), _SHARE))
    first = np.divide(out[:, 0], out[:, 1], out=np.zeros(len(x)), where=out[:, 1] > 0)
    return np.clip(first, LEAST_KRON, REACH)


def half_light(
    field: Field, own: Labels, x: Vector, y: Vector, flux: Vector, widest: Vector
) -> Vector:
    """Radius of the circle that holds half of ``flux``, pixels.

    NaN where ``flux`` is not positive or no circle within ``widest`` holds half of it.
    The radius is bisected, all sources at once.
    """
    low, high = np.zeros(len(x)), np.array(widest, float)
    turn = np.zeros(len(x))
    reached = elliptical(field, own, x, y, high, high, turn).flux[:, 0] >= 0.5 * flux
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        inside = elliptical(field, own, x, y, middle, middle, turn).flux[:, 0] < 0.5 * flux
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.where(reached & (flux > 0), 0.5 * (low + high), np.nan)


@jit
def _bound(labels: Labels, box: NDArray[np.int64]) -> None:
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            if labels[row, column] > 0:
                k = labels[row, column] - 1
                box[k, 0], box[k, 1] = min(box[k, 0], row), max(box[k, 1], row)
                box[k, 2], box[k, 3] = min(box[k, 2], column), max(box[k, 3], column)


@jit
def _touch(labels: Labels, out: Mask) -> None:
    height, width = labels.shape
    for row in range(height):
        for column in range(width):
            own = labels[row, column]
            if own == 0:
                continue
            for i, j in ((0, 1), (1, -1), (1, 0), (1, 1)):
                if row + i < height and 0 <= column + j < width:
                    other = labels[row + i, column + j]
                    if other > 0 and other != own:
                        out[own - 1] = True
                        out[other - 1] = True


@jit
def _moments(
    data: Plane,
    variance: Plane,
    mask: Mask,
    labels: Labels,
    box: NDArray[np.int64],
    out: Vector,
    first: int,
    last: int,
) -> None:
    for k in range(first, last):
        y0, x0 = box[k, 0], box[k, 2]
        total = sx = sy = sxx = syy = sxy = 0.0
        flux = noise = 0.0
        area = masked = 0
        for row in range(box[k, 0], box[k, 1] + 1):
            for column in range(box[k, 2], box[k, 3] + 1):
                if labels[row, column] != k + 1:
                    continue
                area += 1
                if mask[row, column]:
                    masked += 1
                    continue
                d = float(data[row, column])
                flux += d
                noise += variance[row, column]
                d = max(d, 0.0)
                dx, dy = column - x0, row - y0
                total += d
                sx += d * dx
                sy += d * dy
                sxx += d * dx * dx
                syy += d * dy * dy
                sxy += d * dx * dy
        out[9, k], out[10, k] = area, masked
        out[7, k], out[8, k] = flux, noise
        if total <= 0.0:
            out[:7, k] = np.nan
            continue
        mx, my = sx / total, sy / total
        out[0, k], out[1, k] = x0 + mx, y0 + my
        out[2, k], out[3, k] = sxx / total - mx * mx, syy / total - my * my
        out[4, k] = sxy / total - mx * my
        for row in range(box[k, 0], box[k, 1] + 1):
            for column in range(box[k, 2], box[k, 3] + 1):
                if labels[row, column] == k + 1 and not mask[row, column]:
                    v = variance[row, column] / (total * total)
                    out[5, k] += v * (column - x0 - mx) ** 2
                    out[6, k] += v * (row - y0 - my) ** 2


@jit
def _windowed(
    data: Plane,
    variance: Plane,
    mask: Mask,
    labels: Labels,
    own: Labels,
    x: Vector,
    y: Vector,
    width: Vector,
    out: Vector,
    found: Mask,
    first: int,
    last: int,
) -> None:
    for k in range(first, last):
        xc, yc = x[k], y[k]
        out[0, k], out[1, k], out[2, k], out[3, k] = xc, yc, np.nan, np.nan
        reach = 4.0 * width[k]
        if not (np.isfinite(xc) and np.isfinite(yc) and reach > 0.0):
            continue
        for _ in range(_WINDOW_ROUNDS):
            total = sx = sy = vx = vy = 0.0
            for row in range(int(np.ceil(yc - reach)), int(np.floor(yc + reach)) + 1):
                for column in range(int(np.ceil(xc - reach)), int(np.floor(xc + reach)) + 1):
                    dx, dy = column - xc, row - yc
                    square = dx * dx + dy * dy
                    if square > reach * reach:
                        continue
                    d, v, _ = pixel(data, variance, mask, labels, own[k], row, column, xc, yc)
                    w = np.exp(-0.5 * square / (width[k] * width[k]))
                    total += w * d
                    sx += w * d * dx
                    sy += w * d * dy
                    vx += w * w * v * dx * dx
                    vy += w * w * v * dy * dy
            if total <= 0.0:
                break
            step_x, step_y = 2.0 * sx / total, 2.0 * sy / total
            xc, yc = xc + step_x, yc + step_y
            if np.hypot(xc - x[k], yc - y[k]) > max(2.0 * width[k], 2.0):
                break
            if np.hypot(step_x, step_y) < _WINDOW_STEP:
                scale = 4.0 / (total * total)
                out[0, k], out[1, k], out[2, k], out[3, k] = xc, yc, scale * vx, scale * vy
                found[k] = True
                break


@jit
def _kron(
    data: Plane,
    variance: Plane,
    mask: Mask,
    labels: Labels,
    own: Labels,
    x: Vector,
    y: Vector,
    shape: Vector,
    out: Vector,
    first: int,
    last: int,
) -> None:
    for k in range(first, last):
        if not (np.isfinite(x[k]) and np.isfinite(y[k])):
            continue
        m0, m1, m2, m3 = shape[k]
        area = abs(m0 * m3 - m1 * m2)
        aside, up = REACH * np.hypot(m1, m3) / area, REACH * np.hypot(m0, m2) / area
        for row in range(int(np.ceil(y[k] - up)), int(np.floor(y[k] + up)) + 1):
            for column in range(int(np.ceil(x[k] - aside)), int(np.floor(x[k] + aside)) + 1):
                dx, dy = column - x[k], row - y[k]
                r = np.hypot(m0 * dx + m1 * dy, m2 * dx + m3 * dy)
                if r <= REACH:
                    d, _, _ = pixel(data, variance, mask, labels, own[k], row, column, x[k], y[k])
                    out[k, 0] += r * d
                    out[k, 1] += d
