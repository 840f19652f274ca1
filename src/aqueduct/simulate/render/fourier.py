"""Products of transforms of profiles and of the ePSF, on the grid of the pixels.

    S^(k) = sum over whole cycles m of  G^(k + m) P^(k + m) exp(-2 pi i (k + m) p)

Light between the pixels' sampling is not lost: frequencies that differ by a whole number of
cycles per pixel look the same to pixels, and the transform of the pixel values at k is the
sum over all of them. So it is found without drawing at a finer sampling first.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aqueduct.kernels.compile import jit
from aqueduct.psf.sampling import interpolation
from aqueduct.simulate.render.sersic import ROOT, SAMPLES
from aqueduct.simulate.render.transfer import MARGIN

Plane = NDArray[Any]
Floats = NDArray[np.float64]


@jit
def fill(
    table: Plane,
    size: int,
    limits: Floats,
    nodes: Plane,
    weights: Floats,
    profiles: Plane,
    forms: Floats,
    lights: Floats,
    cuts: Floats,
    x: Floats,
    y: Floats,
    spectra: Plane,
) -> None:
    """Transforms of the pixel values of sources made of two elliptical profiles each.

    Parameters
    ----------
    table, size
        As of :meth:`aqueduct.simulate.render.transfer.Transfer.at`.
    limits : ndarray, (source,)
        Cycles per pixel, in any direction, beyond which the product is nil.
    nodes, weights : ndarray, (source, 4)
        The ePSF's stamps around the source.
    profiles : ndarray, (source, 2, sample)
        Radial transforms, at steps in the square root of the argument.
    forms : ndarray, (source, 2, 3)
        a, b, c of argument^2 = a kx^2 + 2 b kx ky + c ky^2, k in cycles per pixel.
    lights : ndarray, (source, 2)
        Electron/s of either profile.
    cuts : ndarray, (source, 2)
        Argument beyond which a profile's transform is nil.
    x, y : ndarray, (source,)
        Place on the stamp, pixels.
    spectra : ndarray of complex64, (source, row, column)
        Filled with the half planes that ``irfft2`` turns into stamps.
    """
    side = spectra.shape[1]
    half, factor = table.shape[1] // 2, side // size
    most = (half - MARGIN) * factor
    count = min(int(limits.max() * side), most)
    line, shape = np.empty(count + 1, np.complex64), np.empty(count + 1, np.float32)
    turn, step = np.empty(count + 1, np.complex64), 2 * np.pi / side
    fine = np.empty((table.shape[1] if factor > 1 else 0, count + 1), np.complex64)
    for k in range(len(x)):
        spectra[k] = 0
        edge = min(limits[k] * side, float(count))
        for i in range(int(edge) + 1):
            turn[i] = np.complex64(complex(np.cos(step * i * x[k]), -np.sin(step * i * x[k])))
        if factor > 1:
            _refine(table, nodes[k], weights[k], factor, fine)
        for j in range(-int(edge), int(edge) + 1):
            reach = int(np.sqrt(edge**2 - j * j))
            first, last = _shape(
                profiles[k], forms[k], lights[k], cuts[k], j, reach, 1.0 / side, shape
            )
            if last < first:
                continue
            if factor > 1:
                _between(fine, half, j, factor, first, last, line)
            else:
                _pick(table, nodes[k], weights[k], half + j, first, last, line)
            phase = np.complex64(complex(np.cos(step * j * y[k]), -np.sin(step * j * y[k])))
            for i in range(first, last + 1):
                line[i] *= shape[i] * (turn[i] * phase)
            _fold(line, first, last, j, spectra[k])


@jit
def _shape(
    profiles: Plane,
    forms: Floats,
    lights: Floats,
    cuts: Floats,
    j: int,
    reach: int,
    step: float,
    shape: Plane,
) -> tuple[int, int]:
    """Fill ``shape`` along row ``j`` of frequencies; first and last that are not nil."""
    first, last = reach + 1, -1
    ends = np.zeros((2, 2), np.int64)
    for p in range(2):
        a, b, c = forms[p, 0], forms[p, 1], forms[p, 2]
        # a i^2 + 2 b i j + c j^2 = (cut / step)^2
        square = (cuts[p] / step) ** 2 - (c - b * b / a) * j * j
        ends[p] = 0, -1
        if lights[p] == 0.0 or square < 0.0:
            continue
        middle, spread = -b * j / a, np.sqrt(square / a)
        ends[p, 0] = max(int(np.ceil(middle - spread)), 0)
        ends[p, 1] = min(int(np.floor(middle + spread)), reach)
        if ends[p, 0] <= ends[p, 1]:
            first, last = min(first, ends[p, 0]), max(last, ends[p, 1])
    shape[first : last + 1] = 0
    scale = np.float32(SAMPLES / ROOT)
    for p in range(2):
        light = np.float32(lights[p])
        a = np.float32(forms[p, 0] * step * step)
        b = np.float32(2 * forms[p, 1] * step * step * j)
        c = np.float32(forms[p, 2] * step * step * j * j)
        for i in range(ends[p, 0], ends[p, 1] + 1):
            square = max((a * np.float32(i) + b) * np.float32(i) + c, np.float32(0))
            at = scale * np.sqrt(np.sqrt(square))
            sample = int(at)
            t = at - np.float32(sample)
            value = profiles[p, sample] + t * (profiles[p, sample + 1] - profiles[p, sample])
            shape[i] += light * value
    return first, last


@jit
def _pick(
    table: Plane,
    nodes: Plane,
    weights: Floats,
    row: int,
    first: int,
    last: int,
    line: Plane,
) -> None:
    """The ePSF's transform along one row of the table, between four nodes."""
    a, b = np.float32(weights[0]), np.float32(weights[1])
    c, d = np.float32(weights[2]), np.float32(weights[3])
    one, two = table[nodes[0], row], table[nodes[1], row]
    three, four = table[nodes[2], row], table[nodes[3], row]
    for i in range(first, last + 1):
        at = MARGIN + i
        line[i] = a * one[at] + b * two[at] + c * three[at] + d * four[at]


@jit
def _refine(table: Plane, nodes: Plane, weights: Floats, factor: int, fine: Plane) -> None:
    """All rows of the table, between four nodes, with ``factor`` times as many columns."""
    mixed = np.empty(table.shape[2], np.complex64)
    for row in range(table.shape[1]):
        mixed[:] = 0
        for k in range(4):
            weight = np.float32(weights[k])
            for i in range(table.shape[2]):
                mixed[i] += weight * table[nodes[k], row, i]
        for i in range(fine.shape[1]):
            column, part = divmod(i, factor)
            w = interpolation(part / factor)
            value = np.complex64(0)
            for n in range(6):
                value += np.float32(w[n]) * mixed[MARGIN + column - 2 + n]
            fine[row, i] = value


@jit
def _between(
    fine: Plane, half: int, j: int, factor: int, first: int, last: int, line: Plane
) -> None:
    """One row of frequencies between the rows of :func:`_refine`."""
    row, part = divmod(j, factor)
    w = interpolation(part / factor)
    line[first : last + 1] = 0
    for m in range(6):
        weight = np.float32(w[m])
        for i in range(first, last + 1):
            line[i] += weight * fine[half + row - 2 + m, i]


@jit
def _fold(line: Plane, first: int, last: int, j: int, spectrum: Plane) -> None:
    """Add one row of frequencies, and its mirror image, to those of the pixels."""
    side, half = spectrum.shape[0], spectrum.shape[0] // 2
    row, mirror = spectrum[j % side], spectrum[-j % side]
    # The transform of a real image at -k is the conjugate of that at k.
    for whole in range(first // side, last // side + 1):
        start = whole * side
        for i in range(max(first - start, 0), min(last - start, half) + 1):
            row[i] += line[start + i]
        for i in range(max(first - start, half), min(last - start, side - 1) + 1):
            mirror[side - i] += np.conj(line[start + i])
        if whole > 0 and first <= start <= last:
            mirror[0] += np.conj(line[start])
