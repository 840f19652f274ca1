"""Plane-to-plane polynomials: sum over i + j <= degree of c[axis, i, j] u^i v^j."""

from __future__ import annotations

import numpy as np

from aqueduct.geometry.tangent import Floats


def fit(at: Floats, values: Floats, degree: int) -> Floats:
    """Least-squares coefficients (2, degree + 1, degree + 1) of ``values`` at ``at``, (2, n)."""
    powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
    design = np.stack([at[0] ** i * at[1] ** j for i, j in powers], axis=1)
    # Columns of like size keep the system well conditioned, whatever the unit.
    size = np.abs(design).max(axis=0)
    solution = np.linalg.lstsq(design / size, values.T, rcond=None)[0] / size[:, None]
    coefficients = np.zeros((2, degree + 1, degree + 1))
    for (i, j), pair in zip(powers, solution, strict=True):
        coefficients[:, i, j] = pair
    return coefficients


def evaluate(coefficients: Floats, u: Floats, v: Floats) -> Floats:
    """Values (2, ...) at (u, v)."""
    return np.stack([np.polynomial.polynomial.polyval2d(u, v, c) for c in coefficients])


def chebyshev_grid(count: int) -> Floats:
    """Nodes (2, count^2) on [-1, 1]^2, dense towards the edges, where fits go astray."""
    nodes = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    return np.stack([axis.ravel() for axis in np.meshgrid(nodes, nodes)])
