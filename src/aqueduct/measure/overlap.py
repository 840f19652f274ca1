"""The share of a pixel that lies within an ellipse, exact.

Where the ellipse is the unit circle the pixel is a parallelogram. What it shares with the
circle is the area within its edges' parts inside, and the arcs between them::

    segment between the circle's points p and q = atan(t) - t / (1 + t^2)
    t = (p x q) / (1 + p . q)                   tangent of half the angle between them

A parallelogram that holds the centre is a sum over the triangles of its edges and the
centre; the upright one of a circle or of an ellipse along the axes is an integral over x.
"""

from __future__ import annotations

import math
from typing import Final

from aqueduct.kernels.compile import jit

_SMALL: Final = 1 / 16
"""Square of a tangent up to which seven terms of its arc's series are exact to 1e-10."""


@jit
def share_within(
    u: float, v: float, m0: float, m1: float, m2: float, m3: float, area: float, radius: float
) -> float:
    """Share of a pixel, centred on (u, v) after its map, within the circle of ``radius``."""
    s, t = 1.0 / radius, 0.5 / radius
    u, v = u * s, v * s
    pu, pv, qu, qv = (m0 + m1) * t, (m2 + m3) * t, (m0 - m1) * t, (m2 - m3) * t
    if m1 == 0.0 and m2 == 0.0:
        return _upright(abs(u), abs(v), abs(pu), abs(pv)) / (area * s * s)
    if u * u + v * v > max(pu * pu + pv * pv, qu * qu + qv * qv):
        return abs(_outlying(u, v, pu, pv, qu, qv)) / (area * s * s)
    total = (
        _sector(u - pu, v - pv, u + qu, v + qv)
        + _sector(u + qu, v + qv, u + pu, v + pv)
        + _sector(u + pu, v + pv, u - qu, v - qv)
        + _sector(u - qu, v - qv, u - pu, v - pv)
    )
    return abs(total) / (area * s * s)


@jit
def _upright(u: float, v: float, across: float, up: float) -> float:
    """Area of the unit circle in an upright rectangle about (u, v) >= 0, of these half sizes."""
    if u >= across and v >= up:
        return _quarter(u - across, u + across, v - up, v + up)
    # Halves on either side of an axis, folded onto one.
    total = 0.0
    for side in (-1.0, 1.0):
        for end in (-1.0, 1.0):
            left, right = max(side * u - across, 0.0), side * u + across
            low, high = max(end * v - up, 0.0), end * v + up
            if right > left and high > low:
                total += _quarter(left, right, low, high)
    return total


@jit
def _quarter(left: float, right: float, low: float, high: float) -> float:
    """:func:`_upright` within the first quadrant: whole up to xa, cut from xa to xb."""
    if left * left + low * low >= 1.0:
        return 0.0
    xa = min(max(math.sqrt(max(1.0 - high * high, 0.0)), left), right)
    xb = min(max(math.sqrt(max(1.0 - low * low, 0.0)), left), right)
    ya, yb = math.sqrt(max(1.0 - xa * xa, 0.0)), math.sqrt(max(1.0 - xb * xb, 0.0))
    t = (xb * ya - xa * yb) / (1.0 + xa * xb + ya * yb)
    segment = _arc(t) - t / (1.0 + t * t)
    return (xa - left) * (high - low) + (xb - xa) * (0.5 * (ya + yb) - low) + segment


@jit
def _outlying(u: float, v: float, pu: float, pv: float, qu: float, qv: float) -> float:
    """Signed area shared by the unit circle and a pixel that does not hold its centre.

    The pixel's edges within the circle, and the arcs from where one leaves it to where the
    next one enters.
    """
    x1, y1 = u - pu, v - pv
    total = 0.0
    some = False
    first_x = first_y = last_x = last_y = 0.0
    for n in range(4):
        if n == 0:
            x2, y2 = u + qu, v + qv
        elif n == 1:
            x2, y2 = u + pu, v + pv
        elif n == 2:
            x2, y2 = u - qu, v - qv
        else:
            x2, y2 = u - pu, v - pv
        dx, dy = x2 - x1, y2 - y1
        a, b, c = dx * dx + dy * dy, x1 * dx + y1 * dy, x1 * x1 + y1 * y1 - 1.0
        root = b * b - a * c
        if root > 0.0:
            root = math.sqrt(root)
            enter, leave = max((-b - root) / a, 0.0), min((-b + root) / a, 1.0)
            if enter < leave:
                xa, ya = x1 + enter * dx, y1 + enter * dy
                xb, yb = x1 + leave * dx, y1 + leave * dy
                total += 0.5 * (xa * yb - xb * ya)
                if not some:
                    first_x, first_y, some = xa, ya, True
                elif enter > 0.0:
                    total += _between(last_x, last_y, xa, ya)
                last_x, last_y = xb, yb
        x1, y1 = x2, y2
    return total + _between(last_x, last_y, first_x, first_y) if some else 0.0


@jit
def _between(x1: float, y1: float, x2: float, y2: float) -> float:
    """:func:`_angle` of two points on the unit circle less than half of it apart."""
    return _arc((x1 * y2 - x2 * y1) / (1.0 + x1 * x2 + y1 * y2))


@jit
def _arc(t: float) -> float:
    """atan(t)."""
    s = t * t
    if s > _SMALL:
        return math.atan(t)
    return t * (
        1.0 + s * (-1 / 3 + s * (1 / 5 + s * (-1 / 7 + s * (1 / 9 + s * (-1 / 11 + s * (1 / 13))))))
    )


@jit
def _sector(x1: float, y1: float, x2: float, y2: float) -> float:
    """Signed area shared by the unit circle and the triangle of the origin and two points."""
    dx, dy = x2 - x1, y2 - y1
    a, b, c = dx * dx + dy * dy, x1 * dx + y1 * dy, x1 * x1 + y1 * y1 - 1.0
    root = b * b - a * c
    if a == 0.0 or root <= 0.0:
        return _angle(x1, y1, x2, y2)
    root = math.sqrt(root)
    enter, leave = max((-b - root) / a, 0.0), min((-b + root) / a, 1.0)
    if enter >= leave:
        return _angle(x1, y1, x2, y2)
    xa, ya = x1 + enter * dx, y1 + enter * dy
    xb, yb = x1 + leave * dx, y1 + leave * dy
    total = 0.5 * (xa * yb - xb * ya)
    if enter > 0.0:
        total += _angle(x1, y1, xa, ya)
    if leave < 1.0:
        total += _angle(xb, yb, x2, y2)
    return total


@jit
def _angle(x1: float, y1: float, x2: float, y2: float) -> float:
    """Half the angle between two directions: the area of their sector of the unit circle."""
    return 0.5 * math.atan2(x1 * y2 - x2 * y1, x1 * x2 + y1 * y2)
