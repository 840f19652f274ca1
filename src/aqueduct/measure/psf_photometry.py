"""PSF photometry: position and flux of every source by least squares.

With P the ePSF, and the models of neighbours subtracted from the data d::

    minimise  sum_i (d_i - F P(x_i - x, y_i - y))^2 / v_i
    v_i     = v_sky,i + q m_i

over x, y and F by Gauss-Newton, in a square window. m is the model of the source and its
neighbours and q the Poisson variance per unit of data, taken from the sums of both over
the window: a pixel's own noise must not weigh it, or faint sources come out too faint.
Errors are those of the inverse Fisher matrix. Neighbours are revised together: a round
fits the sources with the neighbours of the round before, until those change no more, which
leads to the joint solution; the errors do not contain the neighbours' own.

Source: Stetson 1987, PASP 99, 191; Anderson & King 2000, PASP 112, 1360.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field as Parameter
from scipy.spatial import cKDTree

from aqueduct.core.config import StepConfig
from aqueduct.core.threads import bands, over
from aqueduct.kernels.compile import jit
from aqueduct.measure.apertures import Field, Vector
from aqueduct.measure.background import Mask, Plane
from aqueduct.products import columns
from aqueduct.psf.epsf import Epsf
from aqueduct.psf.sampling import first_sample, on_grid

Index = NDArray[np.int64]

_SHARE: Final = 256
_STEPS: Final = 30
_LARGEST: Final = 0.5
"""Longest step in position, pixels."""
_CLOSE: Final = 1e-4
"""Step in position, pixels, and in flux, of its error, at which the fit ends."""
_SETTLED: Final = 0.3
"""Change of a neighbour, in its errors, up to which a source need not be fitted again."""
_DAMPING: Final = 0.8
"""Share of a neighbour's change that is taken: with all of it, dense fields run away."""
_LEAST: Final = 5

MASKED: Final = columns.PSF_MASKED
OFF_IMAGE: Final = columns.PSF_OFF_IMAGE
NEGATIVE: Final = columns.PSF_NEGATIVE
NOT_CONVERGED: Final = columns.PSF_NOT_CONVERGED
SINGULAR: Final = columns.PSF_SINGULAR
FEW_PIXELS: Final = columns.PSF_FEW_PIXELS


class PsfConfig(StepConfig):
    """Parameters of the PSF fit."""

    psf_window: int = Parameter(2, ge=1, le=8, description="Half size of the fitted window, pixels")
    psf_neighbours: float = Parameter(
        8.0, ge=0, le=30, description="Distance within which neighbours are fitted along, pixels"
    )
    psf_rounds: int = Parameter(
        10, ge=1, le=50, description="Most rounds of revising the neighbours"
    )


@dataclass(frozen=True)
class Fits:
    """Result of the fit, each (source,).

    Attributes
    ----------
    x, y, flux : ndarray of float64
        Pixels (0-based), and total flux in data units.
    x_error, y_error, flux_error : ndarray of float64
    chi2 : ndarray of float64
        Reduced chi-square.
    flags : ndarray of int32
        Bits of :data:`aqueduct.products.columns.PSF_FLAGS`.
    """

    x: Vector
    y: Vector
    flux: Vector
    x_error: Vector
    y_error: Vector
    flux_error: Vector
    chi2: Vector
    flags: NDArray[np.int32]


def fit_psf(field: Field, sky: Plane, epsf: Epsf, x: Vector, y: Vector, config: PsfConfig) -> Fits:
    """Fit the ePSF to sources at first guesses of their positions.

    Parameters
    ----------
    field : Field
    sky : ndarray of float32, (row, column)
        Variance of a pixel without sources.
    epsf : Epsf
    x, y : ndarray, (source,)
        First guesses, pixels.
    config : PsfConfig

    Returns
    -------
    Fits
    """
    core = _core(epsf, config)
    nodes, weights = epsf.corners(x, y)
    start, others = _neighbours(x, y, config.psf_neighbours)
    owner = np.repeat(np.arange(len(x)), np.diff(start))
    state = np.stack([x, y, np.zeros(len(x))]).astype(np.float64)
    out, flags = np.full((7, len(x)), np.nan), np.zeros(len(x), np.int32)
    some = np.arange(len(x))
    for turn in range(config.psf_rounds):
        before = state

        def part(limits: tuple[int, int], before: Vector = before, some: Index = some) -> None:
            _fit(
                field.data, field.variance, sky, field.mask, core, epsf.oversample, nodes, weights,
                start, others, before, config.psf_window, some[slice(*limits)], out, flags,
            )  # fmt: skip

        over(part, bands(len(some), _SHARE))
        state = np.where(np.isfinite(out[:3]), out[:3], before)
        # Fitted again is what left the middle pixel of its window, or whose neighbours changed.
        again = np.asarray((np.rint(state[:2]) != np.rint(before[:2])).any(axis=0))
        settled = np.abs(state - before) <= _SETTLED * out[3:6]
        changed = np.asarray(~settled.all(axis=0))
        state = before + (_DAMPING if turn else 1.0) * (state - before)
        again[owner[changed[others]]] = True
        some = np.flatnonzero(again)
    return Fits(out[0], out[1], out[2], out[3], out[4], out[5], out[6], flags)


def _core(epsf: Epsf, config: PsfConfig) -> NDArray[np.float32]:
    """The middle of the stamps, zero around them: all that the window and neighbours reach."""
    middle = epsf.psf.shape[-1] // 2
    half = int((config.psf_neighbours + 3 * config.psf_window + 3) * epsf.oversample)
    part = slice(max(middle - half, 0), middle + half + 1)
    edge = max(half - middle, 0)
    core = np.asarray(epsf.psf[:, part, part], np.float32)
    return np.pad(core, ((0, 0), (edge, edge), (edge, edge)))


def _neighbours(x: Vector, y: Vector, reach: float) -> tuple[Index, Index]:
    """For source k its neighbours are ``others[start[k]:start[k + 1]]``."""
    good = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if len(good) < 2 or reach == 0:
        return np.zeros(len(x) + 1, np.int64), np.zeros(0, np.int64)
    tree = cKDTree(np.stack([x[good], y[good]], axis=1))
    pairs = good[tree.query_pairs(reach, output_type="ndarray").astype(np.int64)]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.lexsort((both[:, 1], both[:, 0]))]
    start = np.searchsorted(both[:, 0], np.arange(len(x) + 1)).astype(np.int64)
    return start, np.ascontiguousarray(both[:, 1])


@jit
def _fit(
    data: Plane,
    variance: Plane,
    sky: Plane,
    mask: Mask,
    core: NDArray[np.float32],
    oversample: int,
    nodes: Index,
    weights: Vector,
    start: Index,
    others: Index,
    before: Vector,
    window: int,
    some: Index,
    out: Vector,
    flags: NDArray[np.int32],
) -> None:
    side = 2 * window + 1
    # The position may run as far as the window is wide before the fit is given up.
    near = 2 * (2 * window + 1) * oversample + 7
    stamp = np.empty((near, near), np.float32)
    patch = np.empty(((side - 1) * oversample + 6, (side - 1) * oversample + 6), np.float32)
    lines = np.empty((2, side, patch.shape[1]), np.float32)
    # Of each pixel: data, light of neighbours, variance of the sky (infinite if not usable).
    pixels = np.empty((3, side, side))
    # The ePSF there, and its derivatives by the star's x and y.
    shape = np.empty((3, side, side))
    for k in some:
        x, y = before[0, k], before[1, k]
        flags[k] = 0
        if not (np.isfinite(x) and np.isfinite(y)):
            flags[k] = FEW_PIXELS
            continue
        top, left = int(np.rint(y)) - window, int(np.rint(x)) - window
        count, slope = _gather(data, variance, sky, mask, top, left, pixels)
        if count < side * side:
            flags[k] |= MASKED
        if count < _LEAST:
            flags[k] |= FEW_PIXELS
            continue
        for mate in others[start[k] : start[k + 1]]:
            if before[2, mate] != 0.0:
                _add_light(
                    core, oversample, nodes[k], weights[k], before[:, mate], top, left, patch,
                    lines, shape, pixels,
                )  # fmt: skip
        edge = (core.shape[1] - near) // 2
        _blend(core, nodes[k], weights[k], edge, edge, stamp)
        _solve(
            stamp, oversample, pixels, slope, x - left, y - top, window, count, lines, shape,
            out[:, k], flags, k,
        )  # fmt: skip
        out[0, k] += left
        out[1, k] += top
        height, width = data.shape
        if not (-0.5 <= out[0, k] < width - 0.5 and -0.5 <= out[1, k] < height - 0.5):
            flags[k] |= OFF_IMAGE
        if out[2, k] <= 0.0:
            flags[k] |= NEGATIVE


@jit
def _gather(
    data: Plane, variance: Plane, sky: Plane, mask: Mask, top: int, left: int, pixels: Vector
) -> tuple[int, float]:
    """Fill ``pixels``; how many are usable, and q."""
    height, width = data.shape
    count = 0
    excess = light = 0.0
    for i in range(pixels.shape[1]):
        for j in range(pixels.shape[2]):
            row, column = top + i, left + j
            pixels[0, i, j], pixels[1, i, j], pixels[2, i, j] = 0.0, 0.0, np.inf
            on = 0 <= row < height and 0 <= column < width
            if on and not mask[row, column]:
                excess += float(variance[row, column]) - float(sky[row, column])
                light += data[row, column]
                pixels[0, i, j], pixels[2, i, j] = data[row, column], sky[row, column]
                count += 1
    return count, excess / light if excess > 0.0 and light > 0.0 else 0.0


@jit
def _add_light(
    core: NDArray[np.float32],
    oversample: int,
    nodes: Index,
    weights: Vector,
    mate: Vector,
    top: int,
    left: int,
    patch: Plane,
    lines: NDArray[np.float32],
    shape: Vector,
    pixels: Vector,
) -> None:
    """Add the model of a neighbour to the window's pixels."""
    first_row, phase_y = first_sample(core.shape[1], oversample, top - mate[1])
    first_column, phase_x = first_sample(core.shape[2], oversample, left - mate[0])
    last_row, last_column = first_row + patch.shape[0], first_column + patch.shape[1]
    if min(first_row, first_column) < 0 or max(last_row, last_column) > core.shape[1]:
        return
    _blend(core, nodes, weights, first_row, first_column, patch)
    on_grid(patch, oversample, 0, 0, phase_x, phase_y, lines, shape)
    for i in range(pixels.shape[1]):
        for j in range(pixels.shape[2]):
            pixels[1, i, j] += mate[2] * shape[0, i, j]


@jit
def _blend(
    core: NDArray[np.float32], nodes: Index, weights: Vector, top: int, left: int, stamp: Plane
) -> None:
    """Part of the ePSF between four positions of the grid."""
    stamp[:] = 0
    for n in range(len(nodes)):
        weight = np.float32(weights[n])
        if weight != 0:
            for i in range(stamp.shape[0]):
                line, values = stamp[i], core[nodes[n], top + i, left : left + stamp.shape[1]]
                for j in range(len(line)):
                    line[j] += weight * values[j]


@jit
def _solve(
    stamp: Plane,
    oversample: int,
    pixels: Vector,
    slope: float,
    x0: float,
    y0: float,
    reach: float,
    count: int,
    lines: NDArray[np.float32],
    shape: Vector,
    out: Vector,
    flags: NDArray[np.int32],
    k: int,
) -> None:
    """Gauss-Newton from (x0, y0); ``out`` is x, y, flux, their errors, reduced chi-square."""
    x, y = x0, y0
    _place(stamp, oversample, x, y, lines, shape)
    flux = _amplitude(shape, pixels, slope)
    done = False
    step, normal = np.zeros(3), np.zeros((3, 3))
    for _ in range(_STEPS):
        _normal(shape, pixels, slope, flux, normal, step)
        inverse, regular = _inverse(normal)
        if not regular:
            break
        dx = inverse[0, 0] * step[0] + inverse[0, 1] * step[1] + inverse[0, 2] * step[2]
        dy = inverse[1, 0] * step[0] + inverse[1, 1] * step[1] + inverse[1, 2] * step[2]
        df = inverse[2, 0] * step[0] + inverse[2, 1] * step[1] + inverse[2, 2] * step[2]
        shrink = min(1.0, _LARGEST / max(abs(dx), abs(dy), 1e-30))
        x, y, flux = x + shrink * dx, y + shrink * dy, flux + shrink * df
        if abs(x - x0) > reach or abs(y - y0) > reach:
            break
        _place(stamp, oversample, x, y, lines, shape)
        if max(abs(dx), abs(dy)) < _CLOSE and df * df < _CLOSE * inverse[2, 2]:
            done = True
            break
    if not done:
        # The position says nothing: the flux where the source was found still does.
        flags[k] |= NOT_CONVERGED
        x, y = x0, y0
        _place(stamp, oversample, x, y, lines, shape)
        flux = _amplitude(shape, pixels, slope)
    chi2 = _normal(shape, pixels, slope, flux, normal, step)
    inverse, regular = _inverse(normal)
    out[0], out[1], out[2] = x, y, flux
    for n in range(3):
        out[3 + n] = np.sqrt(inverse[n, n]) if regular else np.nan
    if not regular:
        flags[k] |= SINGULAR
    out[6] = chi2 / (count - 3)


@jit
def _place(
    stamp: Plane, oversample: int, x: float, y: float, lines: NDArray[np.float32], shape: Vector
) -> None:
    """Fill ``shape`` for a star at (x, y) of the window."""
    left, phase_x = first_sample(stamp.shape[1], oversample, -x)
    top, phase_y = first_sample(stamp.shape[0], oversample, -y)
    on_grid(stamp, oversample, left, top, phase_x, phase_y, lines, shape)


@jit
def _amplitude(shape: Vector, pixels: Vector, slope: float) -> float:
    """Best flux at a fixed position."""
    flux = 0.0
    for _ in range(2):
        above = below = 0.0
        for i in range(shape.shape[1]):
            for j in range(shape.shape[2]):
                p, other = shape[0, i, j], pixels[1, i, j]
                w = 1.0 / (pixels[2, i, j] + slope * max(flux * p + other, 0.0))
                above += p * (pixels[0, i, j] - other) * w
                below += p * p * w
        flux = above / below if below > 0.0 else 0.0
    return flux


@jit
def _normal(
    shape: Vector, pixels: Vector, slope: float, flux: float, normal: Vector, right: Vector
) -> float:
    """Normal equations of (x, y, flux) about a model; its chi-square."""
    chi2 = xx = xy = xf = yy = yf = ff = rx = ry = rf = 0.0
    for i in range(shape.shape[1]):
        for j in range(shape.shape[2]):
            p, other = shape[0, i, j], pixels[1, i, j]
            gx, gy = -flux * shape[1, i, j], -flux * shape[2, i, j]
            w = 1.0 / (pixels[2, i, j] + slope * max(flux * p + other, 0.0))
            rest = pixels[0, i, j] - other - flux * p
            chi2 += rest * rest * w
            xx += gx * gx * w
            xy += gx * gy * w
            xf += gx * p * w
            yy += gy * gy * w
            yf += gy * p * w
            ff += p * p * w
            rx += gx * rest * w
            ry += gy * rest * w
            rf += p * rest * w
    normal[0, 0], normal[1, 1], normal[2, 2] = xx, yy, ff
    normal[0, 1] = normal[1, 0] = xy
    normal[0, 2] = normal[2, 0] = xf
    normal[1, 2] = normal[2, 1] = yf
    right[0], right[1], right[2] = rx, ry, rf
    return chi2


@jit
def _inverse(m: Vector) -> tuple[Vector, bool]:
    """Inverse of a symmetric 3 x 3 matrix, and whether there is one."""
    a, b, c, d, e, f = m[0, 0], m[0, 1], m[0, 2], m[1, 1], m[1, 2], m[2, 2]
    out = np.empty((3, 3))
    out[0, 0], out[1, 1], out[2, 2] = d * f - e * e, a * f - c * c, a * d - b * b
    out[0, 1] = out[1, 0] = c * e - b * f
    out[0, 2] = out[2, 0] = b * e - c * d
    out[1, 2] = out[2, 1] = b * c - a * e
    determinant = a * out[0, 0] + b * out[0, 1] + c * out[0, 2]
    if not determinant > 1e-12 * a * d * f:
        return out, False
    return out / determinant, True
