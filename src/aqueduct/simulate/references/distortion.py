"""Distortion as measured on a field of stars.

    x' = x + P(u, w),  y' = y + Q(u, w),   u, w = x, y from the middle              [pixel]

before the true distortion, with random polynomials P and Q: small linear terms, and terms
of degree 2 to 4 of a given RMS over the detector. The inverse subtracts the same
polynomials of (x', y'): wrong by P times its own slope, below 1e-4 pixel.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from aqueduct.geometry.siaf import aperture
from aqueduct.instrument.detectors import PIXEL_SCALE
from aqueduct.products.references import DistortionReference
from aqueduct.products.window import SCIENCE
from aqueduct.simulate.detector import DetectorTruth
from aqueduct.simulate.references.config import ReferenceConfig

_DEGREE: Final = 4
_TERMS: Final = tuple((i, n - i) for n in range(2, _DEGREE + 1) for i in range(n + 1))
"""Powers of u and w in the terms of degree 2 and more."""


def distortion(
    truth: DetectorTruth, config: ReferenceConfig, rng: np.random.Generator
) -> DistortionReference:
    """The true distortion after small errors of the position on the detector."""
    from astropy.modeling.models import Mapping, Shift

    known = aperture(truth.detector).model()
    middle = Shift(-(SCIENCE - 1) / 2) & Shift(-(SCIENCE - 1) / 2)
    first, second = (_errors(config, rng) for _ in range(2))
    forth, back = (
        middle
        | Mapping((0, 1, 0, 1))
        | (_moved(first, sign, c1_0=1.0) & _moved(second, sign, c0_1=1.0))
        | middle.inverse
        for sign in (1, -1)
    )
    transform = forth | known
    transform.inverse = known.inverse | back
    return DistortionReference(transform=transform)


def _errors(config: ReferenceConfig, rng: np.random.Generator) -> dict[str, float]:
    """Coefficients of one polynomial, by the names of astropy's Polynomial2D."""
    linear = config.distortion * rng.standard_normal(2)
    found = {"c1_0": float(linear[0]), "c0_1": float(linear[1])}
    size = config.distortion_residual / 1000 / PIXEL_SCALE / np.sqrt(len(_TERMS))
    for i, j in _TERMS:
        # u^i w^j has RMS 1 / sqrt((2i + 1) (2j + 1)) over the square from -1 to 1.
        norm = np.sqrt((2 * i + 1) * (2 * j + 1)) / (SCIENCE / 2) ** (i + j)
        found[f"c{i}_{j}"] = float(size * norm * rng.standard_normal())
    return found


def _moved(errors: dict[str, float], sign: int, **identity: float) -> Any:
    """A coordinate with ``sign`` times the errors added."""
    from astropy.modeling.models import Polynomial2D

    terms = {name: sign * value + identity.get(name, 0.0) for name, value in errors.items()}
    return Polynomial2D(_DEGREE, **terms)
