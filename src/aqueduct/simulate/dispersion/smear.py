"""Draw one source along its trace.

    image(c, r) = sum_k r_k P_k(c - x_k, r - k / o)

r_k are the electrons at node k, o nodes per pixel along y; P_k is the image of the source
at one wavelength (its ePSF, pixel included, convolved with its shape), sampled o times per
pixel, and x_k the trace. The nodes lie on the samples, so that nothing is interpolated in
y; in x six samples are, and P_k is made only at the ends of segments short enough for it
to change linearly along them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit
from aqueduct.simulate.dispersion.photons import lagrange

Plane = NDArray[Any]


@jit
def smear(
    stamps: Plane,
    oversample: int,
    rates: Plane,
    first: int,
    cuts: Plane,
    x: Plane,
    mix: Plane,
    corner: tuple[int, int],
    patch: Plane,
) -> None:
    """Add a source to ``patch``.

    Parameters
    ----------
    stamps : ndarray of float32, (wavelength, y, x)
        Images at some wavelengths, ``oversample`` samples per pixel, centred on the
        sample at half the side.
    oversample : int
    rates : ndarray of float32, (node,)
        Electron/s.
    first : int
        Row of the first node, times ``oversample``.
    cuts : ndarray of int64, (segment + 1,)
        First node of each segment, and the end.
    x : ndarray of float64, (segment + 1,)
        Column of the trace there.
    mix : ndarray of float64, (segment + 1,)
        Place of the wavelength there among those of ``stamps``.
    corner : (row, column)
        Pixel of ``patch[0, 0]``.
    patch : ndarray of float32, (row, column)
    """
    size = stamps.shape[1]
    half = size // 2
    start = np.zeros((size + 3, patch.shape[1]), np.float32)
    stop = np.zeros_like(start)
    _profile(stamps, oversample, x[0], mix[0], corner[1], stop[3:])
    for segment in range(len(cuts) - 1):
        start, stop = stop, start
        _profile(stamps, oversample, x[segment + 1], mix[segment + 1], corner[1], stop[3:])
        low, high = cuts[segment], cuts[segment + 1]
        top = -((half - first - low) // oversample)
        bottom = (first + high - 1 + size - 1 - half) // oversample
        for row in range(max(top, corner[0]), min(bottom + 1, corner[0] + patch.shape[0])):
            # The sample of node k in this row is middle - k.
            middle = row * oversample - first + half
            nodes = (max(low, middle - size + 1), min(high, middle + 1))
            _line(start, stop, rates, (low, high), nodes, middle + 3, patch[row - corner[0]])


@jit
def _line(
    start: Plane,
    stop: Plane,
    rates: Plane,
    segment: tuple[int, int],
    nodes: tuple[int, int],
    middle: int,
    line: Plane,
) -> None:
    """Add nodes of a segment to one row of pixels, four at a time for the sake of speed.

    Node k takes row ``middle - k`` of ``start`` and ``stop``, the first three of which are
    zero, as room for the last four.
    """
    early, late = np.zeros(4, np.float32), np.zeros(4, np.float32)
    per_node = np.float32(1.0 / (segment[1] - segment[0]))
    for k in range(nodes[0], nodes[1], 4):
        for m in range(4):
            rate = rates[k + m] if k + m < nodes[1] else np.float32(0.0)
            late[m] = rate * per_node * np.float32(k + m - segment[0])
            early[m] = rate - late[m]
        e0, e1, e2, e3 = early[0], early[1], early[2], early[3]
        l0, l1, l2, l3 = late[0], late[1], late[2], late[3]
        at = middle - k
        a0, a1, a2, a3 = start[at], start[at - 1], start[at - 2], start[at - 3]
        b0, b1, b2, b3 = stop[at], stop[at - 1], stop[at - 2], stop[at - 3]
        for c in range(len(line)):
            near = e0 * a0[c] + e1 * a1[c] + e2 * a2[c] + e3 * a3[c]
            line[c] += near + l0 * b0[c] + l1 * b1[c] + l2 * b2[c] + l3 * b3[c]


@jit
def _profile(
    stamps: Plane, oversample: int, x: float, mix: float, column: int, result: Plane
) -> None:
    """Image at one wavelength in columns from ``column``, all rows of samples."""
    size = stamps.shape[2]
    lower = min(int(mix), len(stamps) - 1)
    upper = min(lower + 1, len(stamps) - 1)
    share = np.float32(mix - lower)
    u = (column - x) * oversample + size // 2
    i = int(np.floor(u))
    # All columns lie at the same phase between the samples.
    weights = lagrange(u - i)
    low = min(max(-((i - 2) // oversample), 0), result.shape[1])
    high = max(min((size - 4 - i) // oversample + 1, result.shape[1]), low)
    result[:] = 0.0
    for row in range(stamps.shape[1]):
        for plane, part in ((lower, np.float32(1.0) - share), (upper, share)):
            if part == 0.0:
                continue
            line, into = stamps[plane, row], result[row]
            a, b, c = part * weights[0], part * weights[1], part * weights[2]
            d, e, f = part * weights[3], part * weights[4], part * weights[5]
            for k in range(low, high):
                at = i + k * oversample
                into[k] += np.float32(
                    a * line[at - 2]
                    + b * line[at - 1]
                    + c * line[at]
                    + d * line[at + 1]
                    + e * line[at + 2]
                    + f * line[at + 3]
                )


@jit
def blend(stamps: Plane, nodes: Plane, weights: Plane, result: Plane) -> None:
    """``result[w] = sum_k weights[k] stamps[w, nodes[k]]``: the ePSFs of one position.

    ``stamps`` (wavelength, position, y, x) and ``result`` (wavelength, y, x), both float32
    or both complex64; ``nodes`` and ``weights`` (4,) as of
    :meth:`aqueduct.psf.epsf.Epsf.corners`.
    """
    result[:] = 0.0
    for k in range(4):
        if weights[k] != 0.0:
            share = np.float32(weights[k])
            for w in range(stamps.shape[0]):
                plane = stamps[w, nodes[k]]
                for row in range(plane.shape[0]):
                    for column in range(plane.shape[1]):
                        result[w, row, column] += share * plane[row, column]
