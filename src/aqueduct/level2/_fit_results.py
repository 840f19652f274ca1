"""What ``meta.wcs_fit_results`` records of an alignment.

Keys of the official pipeline keep their meaning for one detector's map on the plane at its
reference point, p' = M p + t, with M = [[a, b], [c, d]]::

    scale = (hypot(a, c), hypot(b, d))           rot = (atan2(-c, a), atan2(b, d)) [deg]

``rmse`` and ``mae`` are in arcsec; the keys that are ours say mas.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from aqueduct.geometry.fieldfit import GROUPS
from aqueduct.geometry.tangent import Floats
from aqueduct.level2._align import GOOD, Solution

OFFICIAL: Final = ("shift", "rshift", "rscale", "general")
"""Geometries that the official pipeline knows; richer ones count as general."""


def map_results(matrix: Floats, shift: Floats) -> dict[str, Any]:
    """One detector's affine map.

    Parameters
    ----------
    matrix : ndarray, (2, 2)
    shift : ndarray, (2,)
        Arcsec.
    """
    (a, b), (c, d) = (matrix / np.hypot(*matrix)).tolist()
    rot = np.degrees([np.arctan2(-c, a), np.arctan2(b, d)])
    determinant = float(np.linalg.det(matrix))
    turn = np.degrees(np.arctan2(matrix[1, 0] - matrix[0, 1], np.trace(matrix)))
    return {
        "matrix": matrix.tolist(),
        "shift": shift.tolist(),
        "rot": rot.tolist(),
        "<rot>": float(rot.mean()),
        "proper_rot": float(np.degrees(np.arctan2(b - c, a + d))),
        "proper": determinant > 0,
        "scale": np.hypot(*matrix).tolist(),
        "<scale>": float(np.sqrt(abs(determinant))),
        "skew": float((rot[1] - rot[0] - 180) % 360 - 180),
        "rotation": float(3600 * turn),
    }


def fit_results(solution: Solution, detector: int, plane: Floats, place: Floats) -> dict[str, Any]:
    """The fit, and what it says of one detector.

    Parameters
    ----------
    solution : Solution
    detector : int
    plane, place : ndarray, (n, 2)
        Chebyshev nodes over the detector, in the field and scaled to [-1, 1].

    Returns
    -------
    dict
        ``covariance`` is that of the detector's three affine coefficients on each axis, at its
        middle and per half detector in x and in y, mas^2, (3, 2, 3, 2); ``error_mas`` the
        expected rms of the error vector over the detector.
    """
    fit = solution.field
    used = fit.good > GOOD
    own = solution.of(detector)
    mine = fit.residual[own][used[own]]
    covariance = 1e6 * solution.covariance(detector, plane, place)
    area = np.sqrt(np.prod(1 - place**2, axis=1))
    affine = np.linalg.pinv(np.stack([np.ones(len(place)), *place.T], axis=1))
    best = max(fit.evidence.values())
    return {
        "status": "SUCCESS",
        "fitgeom": fit.geometry if fit.geometry in OFFICIAL else "general",
        "geometry": fit.geometry,
        "nmatches": int(used.sum()),
        "n_rejected": int((~used).sum()),
        "n_detector": len(solution.pairs.starts) - 1,
        "rmse": _rms(fit.residual[used]),
        "mae": float(np.hypot(*fit.residual[used].T).mean()),
        "rms_mas": 1e3 * fit.rms,
        "noise_factor": fit.noise,
        "evidence": {kind: value - best for kind, value in fit.evidence.items()},
        "prior_mas": {
            group: 1e3 * float(tau)
            for group, tau in zip(GROUPS[1:], fit.taus[1:], strict=True)
            if tau > 0
        },
        "detector_matches": len(mine),
        "detector_rms_mas": 1e3 * _rms(mine) if len(mine) else None,
        "error_mas": float(np.sqrt(np.average(np.einsum("nana->n", covariance), weights=area))),
        "covariance": np.einsum("pn,namb,qm->paqb", affine, covariance, affine).tolist(),
    }


def _rms(vectors: Floats) -> float:
    return float(np.sqrt(np.mean(np.sum(vectors**2, axis=1))))
