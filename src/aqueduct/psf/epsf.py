"""The effective PSF (ePSF): what fraction of a star's light falls in a pixel.

    ePSF = optical PSF * jitter * charge diffusion * pixel (* inter-pixel capacitance)

where ``*`` is convolution and the pixel is a unit square. It is stated once, here: the
pixel is always within an ePSF, so a pixel value is one look-up and no integration; the
capacitance is within those of reference files and not within those made by
:func:`aqueduct.psf.optical.optical_epsf` unless asked for.

A stamp is sampled ``oversample`` times per pixel with the star on its middle sample, and
its value at (dx, dy) is the fraction of the flux in a pixel whose centre lies (dx, dy)
pixels from the star. It sums to ``oversample**2`` times the share of the light that falls
on it: all of it for those made here, what its maker says for a reference file. The ePSF is
zero in the outermost three samples, where the kernel lacks neighbours.

Between samples the quintic kernel of Bernstein & Gruen 2014 (PASP 126, 287) is used, on 6
x 6 samples: at 4 samples per pixel a cubic one is wrong by up to 0.4 % of the peak (F129),
which shows in fluxes and centroids. Source of the ePSF: Anderson & King 2000, PASP 112, 1360.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from aqueduct.core.errors import ReferenceError
from aqueduct.core.threads import bands, over
from aqueduct.kernels.compile import jit
from aqueduct.products.references import EpsfReference

Plane = NDArray[Any]
Vector = NDArray[Any]

_BAND = 256
"""Image rows rendered by one task."""


@dataclass(frozen=True)
class Epsf:
    """Effective PSFs on a regular grid of positions of one detector.

    Attributes
    ----------
    psf : ndarray of float32, (position, y, x)
        Square stamps of odd size.
    oversample : int
        Samples per pixel.
    pixel_x, pixel_y : ndarray, (position,)
        Science pixel (0-based) of each stamp; together a full grid, in any order.
    """

    psf: Plane
    oversample: int
    pixel_x: Vector
    pixel_y: Vector

    @classmethod
    def from_reference(cls, reference: EpsfReference, spectral_type: str = "G2V") -> Epsf:
        """The in-focus ePSFs of a reference file.

        Stamps that sum to ``oversample**2`` hold the pixel; those of the older format sum
        to 1 and do not, and are convolved with it here.

        Raises
        ------
        ReferenceError
            If the file has no such spectral type or its positions form no grid.
        """
        types = reference.spectral_type or (spectral_type,)
        if spectral_type not in types:
            raise ReferenceError(
                f"no ePSF for spectral type {spectral_type!r}",
                where=reference.name,
                hint=f"choose one of {', '.join(types)}",
            )
        stamps = np.asarray(reference.psf[0, types.index(spectral_type)], np.float64)
        if np.median(stamps.sum(axis=(-2, -1))) < reference.oversample**2 / 2:
            stamps = _with_pixel(stamps, reference.oversample)
        made = cls(
            np.asarray(stamps, np.float32),
            int(reference.oversample),
            np.asarray(reference.pixel_x, np.float64),
            np.asarray(reference.pixel_y, np.float64),
        )
        if len(made.pixel_x) != made._grid[2].size:
            raise ReferenceError(
                "the ePSF positions form no regular grid",
                where=reference.name,
                hint="use a reference whose pixel_x and pixel_y span a full grid",
            )
        return made

    @property
    def radius(self) -> int:
        """Pixels from the star to the edge of the stamp, rounded down."""
        return int(self.psf.shape[-1] // 2 // self.oversample)

    @cached_property
    def _grid(self) -> tuple[Vector, Vector, NDArray[np.int64]]:
        """Ascending x and y of the grid, and the stamp at (y, x)."""
        xs, column = np.unique(self.pixel_x, return_inverse=True)
        ys, row = np.unique(self.pixel_y, return_inverse=True)
        index = np.zeros((len(ys), len(xs)), np.int64)
        index[row, column] = np.arange(len(self.pixel_x))
        return xs, ys, index

    def corners(self, x: Any, y: Any) -> tuple[NDArray[np.int64], Vector]:
        """Stamps around positions and their bilinear weights, each (n, 4).

        Outside the grid the nearest point of it counts.
        """
        xs, ys, index = self._grid
        left, right, fx = _bracket(xs, np.atleast_1d(np.asarray(x, np.float64)))
        low, high, fy = _bracket(ys, np.atleast_1d(np.asarray(y, np.float64)))
        nodes = np.stack(
            [index[low, left], index[low, right], index[high, left], index[high, right]]
        )
        weights = np.stack([(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy])
        return np.ascontiguousarray(nodes.T), np.ascontiguousarray(weights.T)

    def at(self, x: float, y: float) -> NDArray[np.float64]:
        """The stamp at science pixel (x, y), bilinear between the grid's positions."""
        nodes, weights = self.corners(x, y)
        stamp: NDArray[np.float64] = np.einsum(
            "k,kij->ij", weights[0], self.psf[nodes[0]], dtype=np.float64
        )
        return stamp

    def render(self, x: Vector, y: Vector, flux: Vector, image: Plane) -> None:
        """Add stars to ``image`` in place, each with the ePSF of its own position.

        Parameters
        ----------
        x, y : ndarray, (star,)
            0-based science pixel.
        flux : ndarray, (star,)
            Total flux of the stamp, in the image's unit.
        image : ndarray of float32, (row, column)
        """
        nodes, weights = self.corners(x, y)
        xs, ys, fluxes = (np.ascontiguousarray(value, np.float64) for value in (x, y, flux))

        def band(rows: tuple[int, int]) -> None:
            start, stop = rows
            render(self.psf, self.oversample, nodes, weights, xs, ys, fluxes, image, start, stop)

        over(band, bands(image.shape[0], _BAND))


def normalised(stamps: Plane, oversample: int) -> NDArray[np.float32]:
    """Stamps scaled so that each sums to ``oversample**2``."""
    total = stamps.sum(axis=(-2, -1), keepdims=True, dtype=np.float64)
    return np.asarray(stamps * (oversample**2 / total), np.float32)


def _with_pixel(stamps: Plane, oversample: int) -> Plane:
    """Convolve stamps with a pixel of ``oversample`` samples, centred."""
    box = np.ones(oversample)
    if oversample % 2 == 0:  # the ends are shared between two neighbours
        box = np.concatenate([[0.5], np.ones(oversample - 1), [0.5]])
    smooth = convolve1d(stamps, box, axis=-1, mode="constant")
    result: Plane = convolve1d(smooth, box, axis=-2, mode="constant")
    return result


def _bracket(grid: Vector, at: Vector) -> tuple[NDArray[np.int64], NDArray[np.int64], Vector]:
    """Indices of the grid points on either side of ``at`` and the fraction between them."""
    if len(grid) == 1:
        zero = np.zeros(len(at), np.int64)
        return zero, zero, np.zeros(len(at))
    low = np.clip(np.searchsorted(grid, at, side="right") - 1, 0, len(grid) - 2)
    fraction = np.clip((at - grid[low]) / (grid[low + 1] - grid[low]), 0.0, 1.0)
    return low, low + 1, fraction


@jit
def _weights(t: float) -> tuple[float, float, float, float, float, float]:
    """Weights of samples -2 to 3 for a point at ``t`` in [0, 1)."""
    s = 1.0 - t
    return (_outer(t), _middle(t), _inner(t), _inner(s), _middle(s), _outer(s))


@jit
def _slopes(t: float) -> tuple[float, float, float, float, float, float]:
    """Derivatives of :func:`_weights`."""
    s = 1.0 - t
    return (
        (2.0 + t * (4.0 + t * (-63.0 + t * (112.0 - t * 55.0)))) / 24.0,
        (-16.0 + t * (2.0 + t * (297.0 + t * (-556.0 + t * 275.0)))) / 24.0,
        t * t * (-570.0 + t * (1104.0 - t * 550.0)) / 24.0,
        -s * s * (-570.0 + s * (1104.0 - s * 550.0)) / 24.0,
        -(-16.0 + s * (2.0 + s * (297.0 + s * (-556.0 + s * 275.0)))) / 24.0,
        -(2.0 + s * (4.0 + s * (-63.0 + s * (112.0 - s * 55.0)))) / 24.0,
    )


@jit
def _inner(t: float) -> float:
    """The kernel at distance ``t``, in [0, 1]."""
    return 1.0 + t * t * t * (-190.0 + t * (276.0 - t * 110.0)) / 24.0


@jit
def _middle(t: float) -> float:
    """The kernel at distance 1 + ``t``."""
    return t * (-16.0 + t * (1.0 + t * (99.0 + t * (-139.0 + t * 55.0)))) / 24.0


@jit
def _outer(t: float) -> float:
    """The kernel at distance 2 + ``t``."""
    return t * (2.0 + t * (2.0 + t * (-21.0 + t * (28.0 - t * 11.0)))) / 24.0


@jit
def sample(psf: Plane, oversample: int, dx: float, dy: float) -> float:
    """Fraction of the flux in a pixel whose centre is (dx, dy) pixels from the source.

    Parameters
    ----------
    psf : ndarray, (y, x)
        One stamp, as :meth:`Epsf.at` returns it.
    oversample : int
    dx, dy : float
        Pixel centre minus source position, pixels.
    """
    u, v = dx * oversample + psf.shape[1] // 2, dy * oversample + psf.shape[0] // 2
    i, j = int(np.floor(u)), int(np.floor(v))
    if i < 2 or j < 2 or i >= psf.shape[1] - 3 or j >= psf.shape[0] - 3:
        return 0.0
    wx, wy = _weights(u - i), _weights(v - j)
    total = 0.0
    for m in range(6):
        line = 0.0
        for n in range(6):
            line += wx[n] * psf[j - 2 + m, i - 2 + n]
        total += wy[m] * line
    return total


@jit
def sample_gradient(
    psf: Plane, oversample: int, dx: float, dy: float
) -> tuple[float, float, float]:
    """:func:`sample` and its derivatives by ``dx`` and ``dy``, per pixel."""
    u, v = dx * oversample + psf.shape[1] // 2, dy * oversample + psf.shape[0] // 2
    i, j = int(np.floor(u)), int(np.floor(v))
    if i < 2 or j < 2 or i >= psf.shape[1] - 3 or j >= psf.shape[0] - 3:
        return 0.0, 0.0, 0.0
    wx, wy, sx, sy = _weights(u - i), _weights(v - j), _slopes(u - i), _slopes(v - j)
    value = by_x = by_y = 0.0
    for m in range(6):
        line = slope = 0.0
        for n in range(6):
            line += wx[n] * psf[j - 2 + m, i - 2 + n]
            slope += sx[n] * psf[j - 2 + m, i - 2 + n]
        value += wy[m] * line
        by_x += wy[m] * slope
        by_y += sy[m] * line
    return value, by_x * oversample, by_y * oversample


@jit
def render(
    psf: Plane,
    oversample: int,
    nodes: Plane,
    weights: Plane,
    x: Vector,
    y: Vector,
    flux: Vector,
    image: Plane,
    start: int,
    stop: int,
) -> None:
    """Add stars to rows ``start`` to ``stop`` of ``image``, in the order given.

    ``psf`` (position, y, x) float32; ``nodes`` and ``weights`` (star, 4) as
    :meth:`Epsf.corners` gives them.
    """
    half = psf.shape[1] // 2
    reach = (half - 1) // oversample
    for star in range(len(x)):
        row, column = int(np.floor(y[star])), int(np.floor(x[star]))
        # The phase is the same in every pixel, so the interpolation weights are too.
        u, v = (column - x[star]) * oversample, (row - y[star]) * oversample
        i, j = int(np.floor(u)), int(np.floor(v))
        wx, wy = _weights(u - i), _weights(v - j)
        for r in range(max(row - reach, start), min(row + reach + 2, stop)):
            top = half + j + (r - row) * oversample - 2
            if top < 0 or top + 6 > psf.shape[1]:
                continue
            for c in range(max(column - reach, 0), min(column + reach + 2, image.shape[1])):
                left = half + i + (c - column) * oversample - 2
                if left < 0 or left + 6 > psf.shape[2]:
                    continue
                total = 0.0
                for k in range(4):
                    if weights[star, k] == 0.0:
                        continue
                    node = nodes[star, k]
                    value = 0.0
                    for m in range(6):
                        line = 0.0
                        for n in range(6):
                            line += wx[n] * psf[node, top + m, left + n]
                        value += wy[m] * line
                    total += weights[star, k] * value
                image[r, c] += flux[star] * total
