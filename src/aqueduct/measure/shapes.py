"""Positions and shapes of sources.

Isophotal moments, over the pixels i of a segment with d_i > 0::

    x = sum(d x) / sum(d)       xx = sum(d x^2) / sum(d) - x^2       and so on
    var x = sum(v_i (x_i - x)^2) / sum(d)^2

Windowed centroid, with w a Gaussian of the width that holds half of the segment's light,
iterated::

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
from aqueduct.measure.apertures import Field, Vector, affine, doubles, opposite, usable
from aqueduct.measure.background import Mask, Plane
from aqueduct.measure.detection import Labels
from aqueduct.measure.overlap import share_within

KRON: Final = 2.5
LEAST_KRON: Final = 1.4
REACH: Final = 6.0
"""Elliptical radius out to which the Kron moment is taken."""
_SHARE: Final = 256
_THINNEST: Final = 1 / 12
"""Variance of a pixel's width: no source is thinner."""
NARROWEST: Final = 1.2
"""Least width of the window, pixels: a narrower one is biased by the pixels' phase."""
_WINDOW_ROUNDS: Final = 30
_WINDOW_STEP: Final = 1e-4
_HALF_ROUNDS: Final = 40
_HALF_STEP: Final = 1e-4
"""Change of the half-light radius at which it is found, pixels."""
_DIAGONAL: Final = 0.5**0.5
"""Half of a pixel's."""


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
    field: Field,
    own: Labels,
    x: Vector,
    y: Vector,
    flux: Vector,
    widest: Vector,
    least: float = 0.0,
) -> Vector:
    """Radius of the circle that holds half of ``flux``, pixels; ``least`` if it is smaller.

    NaN where ``flux`` is not positive or no circle within ``widest`` holds half of it.
    """
    out = np.full(len(x), np.nan)
    x, y, flux, widest = doubles(x), doubles(y), doubles(flux), doubles(widest)
    over(
        lambda part: _half_light(*field.arrays, own, x, y, flux, widest, least, out, *part),
        bands(len(x), _SHARE),
    )
    return out


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
        if not (np.isfinite(xc) and np.isfinite(yc) and np.isfinite(reach)):
            continue
        narrow = -0.5 / (width[k] * width[k])
        across = np.empty(int(2 * reach) + 2)
        for _ in range(_WINDOW_ROUNDS):
            total = sx = sy = vx = vy = 0.0
            top, left = int(np.ceil(yc - reach)), int(np.ceil(xc - reach))
            high, wide = int(np.floor(yc + reach)) + 1 - top, int(np.floor(xc + reach)) + 1 - left
            for j in range(wide):
                across[j] = np.exp(narrow * (left + j - xc) ** 2)
            for i in range(high):
                row, dy = top + i, top + i - yc
                up = np.exp(narrow * dy * dy)
                for j in range(wide):
                    column, dx = left + j, left + j - xc
                    if dx * dx + dy * dy > reach * reach:
                        continue
                    if usable(mask, labels, own[k], row, column):
                        d, v = float(data[row, column]), float(variance[row, column])
                    else:
                        d, v = opposite(data, variance, mask, labels, own[k], row, column, xc, yc)
                    w = up * across[j]
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
        total = first_moment = 0.0
        for row in range(int(np.ceil(y[k] - up)), int(np.floor(y[k] + up)) + 1):
            for column in range(int(np.ceil(x[k] - aside)), int(np.floor(x[k] + aside)) + 1):
                dx, dy = column - x[k], row - y[k]
                u, v = m0 * dx + m1 * dy, m2 * dx + m3 * dy
                square = u * u + v * v
                if square > REACH * REACH:
                    continue
                if usable(mask, labels, own[k], row, column):
                    d = float(data[row, column])
                else:
                    d, _ = opposite(data, variance, mask, labels, own[k], row, column, x[k], y[k])
                first_moment += np.sqrt(square) * d
                total += d
        out[k, 0], out[k, 1] = first_moment, total


@jit
def _half_light(
    data: Plane,
    variance: Plane,
    mask: Mask,
    labels: Labels,
    own: Labels,
    x: Vector,
    y: Vector,
    flux: Vector,
    widest: Vector,
    least: float,
    out: Vector,
    first: int,
    last: int,
) -> None:
    for k in range(first, last):
        if not (np.isfinite(x[k]) and np.isfinite(y[k]) and flux[k] > 0.0):
            continue
        reach = widest[k] + 0.5
        top, left = int(np.ceil(y[k] - reach)), int(np.ceil(x[k] - reach))
        bottom, right = int(np.floor(y[k] + reach)) + 1, int(np.floor(x[k] + reach)) + 1
        # Of each pixel: distance to the centre along x and y, value.
        pixels = np.empty((max(bottom - top, 0) * max(right - left, 0), 3))
        count = 0
        for row in range(top, bottom):
            for column in range(left, right):
                dx, dy = column - x[k], row - y[k]
                if dx * dx + dy * dy >= (widest[k] + _DIAGONAL) ** 2:
                    continue
                if usable(mask, labels, own[k], row, column):
                    d = float(data[row, column])
                else:
                    d, _ = opposite(data, variance, mask, labels, own[k], row, column, x[k], y[k])
                pixels[count, 0], pixels[count, 1], pixels[count, 2] = dx, dy, d
                count += 1
        target = 0.5 * flux[k]
        if 0.0 < least <= widest[k] and _within(pixels[:count], least) >= target:
            out[k] = least
        else:
            out[k] = _radius(pixels[:count], target, widest[k])


@jit
def _radius(pixels: Vector, target: float, widest: float) -> float:
    """Radius that holds ``target``, by false position (Illinois); NaN if ``widest`` does not."""
    low, below = 0.0, -target
    high, above = widest, _within(pixels, widest) - target
    if not above >= 0.0:
        return np.nan
    kept = 0
    for _ in range(_HALF_ROUNDS):
        middle = (low * above - high * below) / (above - below)
        rest = _within(pixels, middle) - target
        if rest < 0.0:
            step, low, below = middle - low, middle, rest
            above *= 0.5 if kept < 0 else 1.0
            kept = -1
        else:
            step, high, above = high - middle, middle, rest
            below *= 0.5 if kept > 0 else 1.0
            kept = 1
        if step < _HALF_STEP or high - low < _HALF_STEP:
            return middle
    return 0.5 * (low + high)


@jit
def _within(pixels: Vector, radius: float) -> float:
    """Light within a circle."""
    total = 0.0
    inner = (radius - _DIAGONAL) ** 2 if radius > _DIAGONAL else -1.0
    outer = (radius + _DIAGONAL) ** 2
    for n in range(len(pixels)):
        dx, dy = pixels[n, 0], pixels[n, 1]
        square = dx * dx + dy * dy
        if square <= inner:
            total += pixels[n, 2]
        elif square < outer:
            total += pixels[n, 2] * share_within(dx, dy, 1.0, 0.0, 0.0, 1.0, 1.0, radius)
    return total
