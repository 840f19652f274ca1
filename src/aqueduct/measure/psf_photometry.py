"""PSF photometry: position and flux of every source by least squares.

With P the ePSF, and the models of neighbours subtracted from the data d::

    minimise  sum_i (d_i - F P(x_i - x, y_i - y))^2 / v_i
    v_i     = v_sky,i + q m_i

over x, y and F by Gauss-Newton, in a square window. m is the model of the source and its
neighbours and q the Poisson variance per unit of data, taken from the sums of both over
the window: a pixel's own noise must not weigh it, or faint sources come out too faint.
Errors are those of the inverse Fisher matrix. Neighbours are revised together: a round
fits all sources with the neighbours of the round before, which leads to the joint
solution; the errors do not contain the neighbours' own.

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
from aqueduct.psf.sampling import sample, sample_gradient

_SHARE: Final = 64
_STEPS: Final = 30
_LARGEST: Final = 0.5
"""Longest step in position, pixels."""
_CLOSE: Final = 1e-4
"""Step in position, pixels, and in flux, of its error, at which the fit ends."""
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
    psf_rounds: int = Parameter(3, ge=1, le=20, description="Rounds of revising the neighbours")


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
    state = np.stack([x, y, np.zeros(len(x))]).astype(np.float64)
    out, flags = np.full((7, len(x)), np.nan), np.zeros(len(x), np.int32)
    for _ in range(config.psf_rounds):
        before = state

        def part(limits: tuple[int, int], before: Vector = before) -> None:
            _fit(
                field.data, field.variance, sky, field.mask, core, epsf.oversample, nodes, weights,
                start, others, before, config.psf_window, out, flags, *limits,
            )  # fmt: skip

        over(part, bands(len(x), _SHARE))
        state = np.where(np.isfinite(out[:3]), out[:3], before)
        if not len(others):
            break
    return Fits(out[0], out[1], out[2], out[3], out[4], out[5], out[6], flags)


def _core(epsf: Epsf, config: PsfConfig) -> NDArray[np.float32]:
    """The middle of the stamps: what the window and the neighbours reach."""
    middle = epsf.psf.shape[-1] // 2
    half = min(int((config.psf_window + config.psf_neighbours + 3) * epsf.oversample), middle)
    part = slice(middle - half, middle + half + 1)
    return np.ascontiguousarray(epsf.psf[:, part, part], np.float32)


def _neighbours(x: Vector, y: Vector, reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
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
    nodes: NDArray[np.int64],
    weights: Vector,
    start: NDArray[np.int64],
    others: NDArray[np.int64],
    before: Vector,
    window: int,
    out: Vector,
    flags: NDArray[np.int32],
    first: int,
    last: int,
) -> None:
    size = core.shape[1]
    stamp = np.empty((size, size))
    side = 2 * window + 1
    # Of each pixel used: row, column, data, light of neighbours, variance of the sky.
    pixels = np.empty((side * side, 5))
    for k in range(first, last):
        x, y = before[0, k], before[1, k]
        flags[k] = 0
        if not (np.isfinite(x) and np.isfinite(y)):
            flags[k] = FEW_PIXELS
            continue
        _blend(core, nodes[k], weights[k], stamp)
        mates = others[start[k] : start[k + 1]]
        count, slope = _gather(
            data, variance, sky, mask, stamp, oversample, mates, before, x, y, window, pixels
        )
        if count < side * side:
            flags[k] |= MASKED
        if count < _LEAST:
            flags[k] |= FEW_PIXELS
            continue
        _solve(stamp, oversample, pixels[:count], slope, x, y, float(window), out[:, k], flags, k)
        height, width = data.shape
        if not (-0.5 <= out[0, k] < width - 0.5 and -0.5 <= out[1, k] < height - 0.5):
            flags[k] |= OFF_IMAGE
        if out[2, k] <= 0.0:
            flags[k] |= NEGATIVE


@jit
def _blend(
    core: NDArray[np.float32], nodes: NDArray[np.int64], weights: Vector, stamp: Vector
) -> None:
    stamp[:] = 0.0
    for n in range(len(nodes)):
        if weights[n] != 0.0:
            for i in range(stamp.shape[0]):
                for j in range(stamp.shape[1]):
                    stamp[i, j] += weights[n] * core[nodes[n], i, j]


@jit
def _gather(
    data: Plane,
    variance: Plane,
    sky: Plane,
    mask: Mask,
    stamp: Vector,
    oversample: int,
    mates: NDArray[np.int64],
    before: Vector,
    x: float,
    y: float,
    window: int,
    pixels: Vector,
) -> tuple[int, float]:
    """Fill ``pixels``; how many there are, and q."""
    count = 0
    excess = light = 0.0
    middle_row, middle_column = int(np.rint(y)), int(np.rint(x))
    for row in range(max(middle_row - window, 0), min(middle_row + window + 1, data.shape[0])):
        for column in range(
            max(middle_column - window, 0), min(middle_column + window + 1, data.shape[1])
        ):
            if mask[row, column]:
                continue
            other = 0.0
            for mate in mates:
                other += before[2, mate] * sample(
                    stamp, oversample, column - before[0, mate], row - before[1, mate]
                )
            excess += float(variance[row, column]) - float(sky[row, column])
            light += data[row, column]
            pixels[count, 0], pixels[count, 1] = row, column
            pixels[count, 2], pixels[count, 3] = data[row, column], other
            pixels[count, 4] = sky[row, column]
            count += 1
    return count, excess / light if excess > 0.0 and light > 0.0 else 0.0


@jit
def _solve(
    stamp: Vector,
    oversample: int,
    pixels: Vector,
    slope: float,
    x0: float,
    y0: float,
    reach: float,
    out: Vector,
    flags: NDArray[np.int32],
    k: int,
) -> None:
    """Gauss-Newton from (x0, y0); ``out`` is x, y, flux, their errors, reduced chi-square."""
    x, y = x0, y0
    flux = _amplitude(stamp, oversample, pixels, slope, x, y)
    done = False
    step = np.zeros(3)
    normal = np.zeros((3, 3))
    for _ in range(_STEPS):
        _normal(stamp, oversample, pixels, slope, x, y, flux, normal, step)
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
        if max(abs(dx), abs(dy)) < _CLOSE and df * df < _CLOSE * inverse[2, 2]:
            done = True
            break
    if not done:
        # The position says nothing: the flux where the source was found still does.
        flags[k] |= NOT_CONVERGED
        x, y = x0, y0
        flux = _amplitude(stamp, oversample, pixels, slope, x, y)
    chi2 = _normal(stamp, oversample, pixels, slope, x, y, flux, normal, step)
    inverse, regular = _inverse(normal)
    out[0], out[1], out[2] = x, y, flux
    for n in range(3):
        out[3 + n] = np.sqrt(inverse[n, n]) if regular else np.nan
    if not regular:
        flags[k] |= SINGULAR
    out[6] = chi2 / (len(pixels) - 3)


@jit
def _amplitude(
    stamp: Vector, oversample: int, pixels: Vector, slope: float, x: float, y: float
) -> float:
    """Best flux at a fixed position."""
    flux = 0.0
    for _ in range(2):
        above = below = 0.0
        for row, column, value, other, noise in pixels:
            p = sample(stamp, oversample, column - x, row - y)
            v = noise + slope * max(flux * p + other, 0.0)
            above += p * (value - other) / v
            below += p * p / v
        flux = above / below if below > 0.0 else 0.0
    return flux


@jit
def _normal(
    stamp: Vector,
    oversample: int,
    pixels: Vector,
    slope: float,
    x: float,
    y: float,
    flux: float,
    normal: Vector,
    right: Vector,
) -> float:
    """Normal equations of (x, y, flux) about a model; its chi-square."""
    normal[:] = 0.0
    right[:] = 0.0
    chi2 = 0.0
    g = np.empty(3)
    for row, column, value, other, noise in pixels:
        p, by_x, by_y = sample_gradient(stamp, oversample, column - x, row - y)
        v = noise + slope * max(flux * p + other, 0.0)
        rest = value - other - flux * p
        g[0], g[1], g[2] = -flux * by_x, -flux * by_y, p
        chi2 += rest * rest / v
        for m in range(3):
            right[m] += g[m] * rest / v
            for n in range(3):
                normal[m, n] += g[m] * g[n] / v
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
