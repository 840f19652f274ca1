"""Fast array evaluation of an image's gwcs.

The gwcs is sampled once on a coarse grid. With u, v the pixel scaled to [-1, 1] over
the image, and (xi, eta) the tangent plane at its middle::

    xi, eta = sum_ij a_ij u^i v^j                  pixel to sky
    u, v    = sum_ij b_ij u'^i v'^j                sky to pixel

where (u', v') is the best affine map of (xi, eta) to (u, v). Each degree is the lowest
that reproduces the gwcs on a second, finer grid; the error found there is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike

from aqueduct.core.errors import InputError
from aqueduct.geometry.polynomial import chebyshev_grid, evaluate, fit
from aqueduct.geometry.tangent import Floats, TangentPlane, deproject, mapped, project
from aqueduct.kernels.compile import jit

Pair = tuple[Floats, Floats]

DEGREES: Final = (3, 5, 7, 9)
NODES: Final = 20
CHECKS: Final = 23
AIM: Final = 1e-6
"""Error, in pixels, at which no higher degree is tried."""
TOLERANCE: Final = 1e-4
"""Largest error, in pixels, that is accepted."""
MARGIN: Final = 128
"""Pixels around the image where the map still holds."""


@jit
def _polynomial(coefficients: Floats, u: float, v: float) -> float:
    """Sum over i + j <= degree of c[i, j] u^i v^j, by Horner's rule."""
    degree = coefficients.shape[0] - 1
    total = 0.0
    for i in range(degree, -1, -1):
        inner = 0.0
        for j in range(degree - i, -1, -1):
            inner = inner * v + coefficients[i, j]
        total = total * u + inner
    return total


@jit
def _to_sky(
    x: Floats, y: Floats, ra: Floats, dec: Floats, grid: Floats, a: Floats, b: Floats
) -> None:
    ra0, dec0, x0, y0, half_x, half_y = grid
    sin0, cos0 = math.sin(dec0), math.cos(dec0)
    for k in range(x.size):
        u, v = (x[k] - x0) / half_x, (y[k] - y0) / half_y
        if not (abs(u) <= 1.0 and abs(v) <= 1.0):
            ra[k], dec[k] = math.nan, math.nan
            continue
        xi, eta = _polynomial(a, u, v), _polynomial(b, u, v)
        alpha, delta = deproject(xi, eta, ra0, sin0, cos0)
        ra[k], dec[k] = math.degrees(alpha), math.degrees(delta)


@jit
def _to_pixel(
    ra: Floats, dec: Floats, x: Floats, y: Floats, grid: Floats, m: Floats, a: Floats, b: Floats
) -> None:
    ra0, dec0, x0, y0, half_x, half_y = grid
    sin0, cos0 = math.sin(dec0), math.cos(dec0)
    for k in range(x.size):
        x[k], y[k] = math.nan, math.nan
        xi, eta = project(math.radians(ra[k]), math.radians(dec[k]), ra0, sin0, cos0)
        u = m[0, 0] + m[0, 1] * xi + m[0, 2] * eta
        v = m[1, 0] + m[1, 1] * xi + m[1, 2] * eta
        # Far from the image a polynomial may come back to it: cut before evaluating.
        if not (abs(u) <= 1.1 and abs(v) <= 1.1):
            continue
        u, v = _polynomial(a, u, v), _polynomial(b, u, v)
        if abs(u) <= 1.0 and abs(v) <= 1.0:
            x[k], y[k] = x0 + u * half_x, y0 + v * half_y


@dataclass(frozen=True, eq=False)
class PixelMap:
    """Pixel to sky and back for one image, as polynomials about its middle.

    Attributes
    ----------
    grid : ndarray, (6,)
        Tangent point (radian), middle pixel, and half sizes (pixel) of the domain.
    forward : ndarray, (2, n, n)
        (xi, eta) in radians of the scaled pixel.
    affine : ndarray, (2, 3)
        (xi, eta) to the approximate scaled pixel.
    inverse : ndarray, (2, m, m)
        Its refinement.
    error : float
        Largest difference from the gwcs, in pixels, either way.
    """

    grid: Floats
    forward: Floats
    affine: Floats
    inverse: Floats
    error: float

    @classmethod
    def from_gwcs(cls, wcs: Any, shape: tuple[int, int], margin: float = MARGIN) -> PixelMap:
        """Sample ``wcs`` and fit it.

        Parameters
        ----------
        wcs : gwcs.WCS
            0-based pixel (x, y) to ICRS degrees.
        shape : (rows, columns)
            Of the image.
        margin : float
            Pixels around the image where the map shall hold too.

        Raises
        ------
        InputError
            If no polynomial of degree 9 reproduces it to 1e-4 pixel.
        """
        x0, y0 = (shape[1] - 1) / 2, (shape[0] - 1) / 2
        half = np.array([shape[1] / 2 + margin, shape[0] / 2 + margin])
        ra0, dec0 = (float(value) for value in wcs(x0, y0, with_bounding_box=False))
        plane = TangentPlane(ra0, dec0, scale=math.degrees(1.0))
        nodes, checks = (
            _sample(wcs, plane, points, (x0, y0), half)
            for points in (chebyshev_grid(NODES), _even_grid(CHECKS))
        )
        affine = fit(nodes[1], nodes[0], 1)
        matrix = np.stack([affine[:, 0, 0], affine[:, 1, 0], affine[:, 0, 1]], axis=1)
        forward, error = _lowest_degree(nodes, checks, half[:, None] * matrix[:, 1:])
        back = [(matrix[:, :1] + matrix[:, 1:] @ sky, pixels) for pixels, sky in (nodes, checks)]
        inverse, error_back = _lowest_degree(back[0], back[1], np.diag(half))
        error = max(error, error_back)
        if not error < TOLERANCE:
            raise InputError(
                f"the WCS is no smooth map: a polynomial misses it by {error:.2g} pixel",
                hint="check the distortion reference and meta.wcsinfo",
            )
        grid = np.array([math.radians(ra0), math.radians(dec0), x0, y0, *half])
        return cls(grid, forward, matrix, inverse, error)

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """ICRS degrees, ra in [0, 360), of 0-based pixels; NaN off the image and margin."""
        return mapped(_to_sky, x, y, (self.grid, *self.forward))

    def to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[Floats, Floats]:
        """0-based pixels of ICRS degrees; NaN off the image and its margin."""
        return mapped(_to_pixel, ra, dec, (self.grid, self.affine, *self.inverse))


def _even_grid(count: int) -> Floats:
    """Points (2, count^2) on [-1, 1]^2, edges included."""
    nodes = np.linspace(-1, 1, count)
    return np.stack([axis.ravel() for axis in np.meshgrid(nodes, nodes)])


def _sample(
    wcs: Any, plane: TangentPlane, points: Floats, middle: tuple[float, float], half: Floats
) -> tuple[Floats, Floats]:
    """Scaled pixels (2, n) and their places (2, n) on the tangent plane."""
    x, y = (middle[axis] + points[axis] * half[axis] for axis in (0, 1))
    ra, dec = wcs(x, y, with_bounding_box=False)
    sky = np.stack(plane.to_pixel(ra, dec))
    if not np.isfinite(sky).all():
        raise InputError(
            "the WCS gives no finite sky position on part of the image",
            hint="check the distortion reference and meta.wcsinfo",
        )
    return points, sky


def _lowest_degree(nodes: Pair, checks: Pair, to_pixels: Floats) -> tuple[Floats, float]:
    """Coefficients of the lowest degree good enough, and their largest error in pixels.

    ``nodes`` and ``checks`` are points (2, n) and values (2, n) there; ``to_pixels``
    (2, 2) turns a difference of values into pixels.
    """
    for degree in DEGREES:
        coefficients = fit(*nodes, degree)
        difference = to_pixels @ (evaluate(coefficients, *checks[0]) - checks[1])
        error = float(np.abs(difference).max())
        if error < AIM:
            break
    return coefficients, error
