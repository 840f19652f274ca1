"""Fit the map from measured to true positions for all detectors of an exposure at once.

The displacement of a star of detector d, at (X, Y) in the field and (u, v) on the detector,
both scaled to [-1, 1], is linear in parameters with Gaussian priors::

    delta = common(X, Y) + sum_n sum_{i+j=n} a_ij^d P_i(u) P_j(v) + noise
    common = shift + roll + scale + shear + sum_{n>1} sum_{i+j=n} c_ij P_i(X) P_j(Y)

P are Legendre polynomials of unit rms, so that the prior's standard deviation tau of a
degree is the rms displacement that it is expected to make. The taus maximise the evidence

    ln p(delta | tau) = -1/2 [chi^2 + z.z + ln det(1 + T F T)] + const.,   parameters = T z

(F: Fisher matrix, T: diagonal of the taus) by MacKay's iteration tau^2 = sum a^2 / gamma,
gamma = sum (1 - var z): the number of parameters that the data determine. The matrix is an
arrow, one block for each detector and axis, and is solved by its Schur complement.

Stars are taken for a mixture of good ones and of a share eps spread evenly over the
matching circle; each has the weight of its probability of being good, from the residual of
the fit without it.

Source: MacKay 1992, Neural Computation 4, 415; Hogg, Bovy & Lang 2010, arXiv:1008.4686,
section 3.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from aqueduct.core.errors import InputError
from aqueduct.geometry.tangent import Floats

FieldGeometry = Literal["shift", "rshift", "rscale", "general", "field", "detector"]

DEGREE: Final = 5
"""Of the polynomials over the field and over each detector."""
GROUPS: Final = (
    "shift", "roll", "scale", "shear",
    *(f"field_{n}" for n in range(2, DEGREE + 1)),
    *(f"detector_{n}" for n in range(DEGREE + 1)),
)  # fmt: skip
"""Parameters of one prior standard deviation each."""
_FIELD: Final = GROUPS.index("field_2")
_DETECTOR: Final = GROUPS.index("detector_0")
LADDER: Final[dict[FieldGeometry, int]] = {
    "shift": 1,
    "rshift": 2,
    "rscale": 3,
    "general": 4,
    "field": _DETECTOR,
    "detector": len(GROUPS),
}
"""Groups, counted from the first, that each geometry has."""
REDUNDANCY: Final = 3
"""Measurements that each parameter of a geometry needs; with fewer a wrong pair goes unseen."""
PARAMETERS: Final = {"shift": 2, "rshift": 3, "rscale": 4, "general": 6, "field": 8, "detector": 8}
"""How many there are, as far as no prior holds them."""
FREE: Final = 60.0
"""Prior standard deviation of the shift, arcsec: none in effect."""
FEWEST_DETECTORS: Final = 3
"""Below this a polynomial over the field is that of the detectors."""
SMALLEST: Final = 1e-6
"""Prior standard deviation, arcsec, below which a group counts as absent."""
ROUNDS: Final = 8
ITERATIONS: Final = 12
LAST_ITERATIONS: Final = 60
SETTLED: Final = 1e-3
"""Change of the logarithm of the evidence at which the iteration stops."""
MOST_OUTLIERS: Final = 0.5
FAR: Final = 25.0
"""Chi-square, of residuals as large as the median, above which a star is doubted at first."""
GOOD: Final = 0.9
"""Probability to begin with that a star is good."""


@dataclass(frozen=True)
class Pairs:
    """Matched stars, sorted by detector.

    Attributes
    ----------
    field : ndarray, (n, 2)
        Place in the field, scaled to about [-1, 1].
    place : ndarray, (n, 2)
        Place on the detector, scaled to [-1, 1].
    starts : ndarray of int, (detectors + 1,)
        The stars of detector k are ``starts[k]:starts[k + 1]``.
    offset : ndarray, (n, 2)
        Reference minus measured position, arcsec.
    sigma : ndarray, (n, 2)
        Its standard deviation, arcsec.
    """

    field: Floats
    place: Floats
    starts: NDArray[np.intp]
    offset: Floats
    sigma: Floats


@dataclass(frozen=True)
class FieldFit:
    """A fitted map.

    Attributes
    ----------
    geometry : str
    taus : ndarray, (groups,)
        Prior standard deviations, arcsec.
    common : ndarray, (k,)
        Parameters of the whole field.
    detector : ndarray, (detectors, 2, p)
        Parameters of each detector and axis.
    good : ndarray, (n,)
        Probability that each star is good.
    noise : float
        Factor by which the errors of the stars had to be enlarged.
    evidence : dict
        Logarithm of the evidence of each geometry, less half ln(2n) for each prior.
    residual : ndarray, (n, 2)
        What the map leaves of the offsets, arcsec.
    rms : float
        Of the residual vectors of the good stars, weighted as in the fit, arcsec.
    """

    geometry: FieldGeometry
    taus: Floats
    common: Floats
    detector: Floats
    good: Floats
    noise: float
    evidence: dict[str, float]
    residual: Floats
    rms: float
    _solution: _Solution

    def displacement(self, detector: int, field: Floats, place: Floats) -> Floats:
        """Displacement (n, 2), arcsec, at places (n, 2) of one detector."""
        own = legendre(place) @ self.detector[detector].T
        return np.asarray(common_basis(field) @ self.common + own)

    def covariance(self, detector: int, field: Floats, place: Floats) -> Floats:
        """Covariance (n, 2, n, 2), arcsec^2, of the displacements at places of one detector."""
        tau_common, tau_own = _spread(self.taus)
        own = legendre(place) * tau_own
        common = np.moveaxis(common_basis(field), 1, 0) * tau_common
        solution = self._solution
        rest = common - own @ solution.coupling[detector]
        flat = rest.reshape(-1, rest.shape[-1])
        total = (flat @ solution.common_covariance @ flat.T).reshape(2, len(own), 2, len(own))
        for axis in range(2):
            total[axis, :, axis] += own @ solution.inverse[detector, axis] @ own.T
        return np.asarray(total.transpose(1, 0, 3, 2))


@dataclass(frozen=True)
class _Normal:
    """Blocks of the normal equations without priors: own, coupled, common."""

    own: Floats
    coupled: Floats
    common: Floats
    own_right: Floats
    common_right: Floats
    square: float
    log_weight: float
    count: float


@dataclass(frozen=True)
class _Solution:
    """Of scaled parameters z: means, and what their covariance is made of."""

    common: Floats
    own: Floats
    common_covariance: Floats
    inverse: Floats
    coupling: Floats
    own_variance: Floats
    chi2: float
    evidence: float


def legendre(place: Floats) -> Floats:
    """P_i(u) P_j(v) of unit rms on [-1, 1]^2, (n, terms), by degree."""
    u, v = (
        np.polynomial.legendre.legvander(axis, DEGREE) * np.sqrt(2 * np.arange(DEGREE + 1) + 1)
        for axis in place.T
    )
    return np.stack([u[:, i] * v[:, n - i] for n in range(DEGREE + 1) for i in range(n, -1, -1)], 1)


def common_basis(field: Floats) -> Floats:
    """Displacements (n, 2, k) by the parameters of the whole field."""
    every = legendre(field)
    one, x, y = every[:, 0], every[:, 1], every[:, 2]
    zero = np.zeros(len(field))
    first = [(one, zero), (zero, one), (-y, x), (x, y), (x, -y), (y, x)]
    higher = [pair for column in every[:, 3:].T for pair in ((column, zero), (zero, column))]
    return np.stack([np.stack(pair, axis=1) for pair in (*first, *higher)], axis=2)


def _groups() -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Group of each common and of each detector's parameter."""
    degrees = np.repeat(np.arange(DEGREE + 1), np.arange(1, DEGREE + 2))
    common = [0, 0, 1, 2, 3, 3, *np.repeat(_FIELD + degrees[3:] - 2, 2)]
    return np.array(common, np.intp), _DETECTOR + degrees


COMMON_GROUP, OWN_GROUP = _groups()


def _spread(taus: Floats) -> tuple[Floats, Floats]:
    return taus[COMMON_GROUP], taus[OWN_GROUP]


def fit_field(
    pairs: Pairs, residual: Floats, geometry: FieldGeometry | None, circle: float, clip: float
) -> FieldFit:
    """Fit the map; without a geometry, the one with the greatest evidence.

    Parameters
    ----------
    pairs : Pairs
    residual : ndarray, (n, 2)
        What an earlier, coarser map leaves of the offsets, arcsec: where to begin.
    geometry : str, optional
    circle : float
        Radius within which stars were matched, arcsec.
    clip : float
        Standard deviations beyond which a star is left out altogether.

    Raises
    ------
    InputError
        If there are fewer than two pairs.
    """
    count = len(pairs.offset)
    if count < 2:
        raise InputError(f"{count} matched stars are too few for a fit")
    every = _Design(pairs)
    detectors = int((np.diff(pairs.starts) > 0).sum())
    wanted = (geometry,) if geometry else supported(count)
    richest = wanted[-1]
    scale = float(np.median(np.hypot(*residual.T)))
    chi2 = np.sum((residual / np.hypot(pairs.sigma, scale)) ** 2, axis=1)
    good = np.where(chi2 < FAR, GOOD, 1 - GOOD)
    start = _State(_begin(richest, detectors, scale), good, 1.0, 1 - GOOD)
    state, _ = _robust(every, start, circle, clip, ROUNDS)
    normal = every.normal(state.good)
    climbed = {}
    for kind in wanted:
        allowed = _begin(kind, detectors, scale) > 0
        first = np.where(allowed, np.maximum(state.taus, SMALLEST * 100), 0.0)
        climbed[kind] = _maximise(normal, first, state.noise, LAST_ITERATIONS)
    evidence = {kind: _penalised(*made, count) for kind, made in climbed.items()}
    best = max(evidence, key=lambda kind: evidence[kind])
    taus, noise, _ = climbed[best]
    state = replace(state, taus=np.where(taus > SMALLEST, taus, 0.0), noise=noise)
    state, solution = _robust(every, state, circle, clip, ROUNDS // 2)
    return _finished(every, best, state, solution, evidence)


def known_priors(pairs: Pairs, taus: Floats) -> FieldFit:
    """The fit with all stars good, their errors right, and the priors (groups,) known.

    Its covariance is the smallest that any estimate can have on average over the priors.
    """
    every = _Design(pairs)
    state = _State(taus, np.ones(len(pairs.offset)), 1.0, 0.0)
    return _finished(every, "detector", state, _solve(every.normal(state.good), taus, 1.0), {})


@dataclass(frozen=True)
class _State:
    """What the iteration changes: priors, weights, noise and share of outliers."""

    taus: Floats
    good: Floats
    noise: float
    outliers: float


def supported(count: int) -> tuple[FieldGeometry, ...]:
    """Geometries for which there are stars enough, the poorest always."""
    made = tuple(kind for kind in LADDER if REDUNDANCY * PARAMETERS[kind] <= 2 * count)
    return made or ("shift",)


def _begin(geometry: FieldGeometry, detectors: int, scale: float) -> Floats:
    taus = np.zeros(len(GROUPS))
    taus[: LADDER[geometry]] = scale
    taus[0] = FREE
    if detectors < FEWEST_DETECTORS:
        taus[_FIELD:_DETECTOR] = 0.0
    return taus


def _penalised(taus: Floats, noise: float, evidence: float, count: int) -> float:
    """Each prior was chosen by the data: take off what a free parameter costs."""
    return float(evidence - 0.5 * np.log(2 * count) * (taus[1:] > SMALLEST).sum())


class _Design:
    """Derivatives of all displacements, and what is made of them."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self.own = legendre(pairs.place)
        self.common = np.ascontiguousarray(np.moveaxis(common_basis(pairs.field), 1, 0))
        self.parts = [slice(a, b) for a, b in zip(pairs.starts[:-1], pairs.starts[1:], strict=True)]

    def normal(self, good: Floats) -> _Normal:
        """Normal equations with each star weighted by its probability of being good."""
        offset = self.pairs.offset
        weight = good[:, None] / self.pairs.sigma**2
        p, k = self.own.shape[1], self.common.shape[2]
        own, right = np.zeros((len(self.parts), 2, p, p)), np.zeros((len(self.parts), 2, p))
        coupled = np.zeros((len(self.parts), 2, p, k))
        common, common_right = np.zeros((k, k)), np.zeros(k)
        for axis in range(2):
            for d, part in enumerate(self.parts):
                weighed = (self.own[part] * weight[part, axis, None]).T
                own[d, axis] = weighed @ self.own[part]
                coupled[d, axis] = weighed @ self.common[axis, part]
                right[d, axis] = weighed @ offset[part, axis]
            weighed = (self.common[axis] * weight[:, axis, None]).T
            common += weighed @ self.common[axis]
            common_right += weighed @ offset[:, axis]
        square = float(np.sum(weight * offset**2))
        logs = float(-2 * np.sum(good[:, None] * np.log(self.pairs.sigma)))
        count = 2 * float(good.sum())
        return _Normal(own, coupled, common, right, common_right, square, logs, count)

    def left_out(self, taus: Floats, solution: _Solution, good: Floats, noise: float) -> _Left:
        """Residuals of the fit without each star, and their variance."""
        tau_common, tau_own = _spread(taus)
        fitted, variance = np.empty((2, *self.pairs.offset.shape))
        for axis in range(2):
            for d, part in enumerate(self.parts):
                own, common = self.own[part] * tau_own, self.common[axis, part] * tau_common
                rest = common - own @ solution.coupling[d, axis]
                fitted[part, axis] = common @ solution.common + own @ solution.own[d, axis]
                variance[part, axis] = np.sum((own @ solution.inverse[d, axis]) * own, axis=1)
                variance[part, axis] += np.sum((rest @ solution.common_covariance) * rest, axis=1)
        of_star = noise * self.pairs.sigma**2
        free = np.maximum(1 - good[:, None] * variance / of_star, 1e-9)
        residual = self.pairs.offset - fitted
        return _Left(residual, residual / free, of_star + variance / free)


@dataclass(frozen=True)
class _Left:
    """Residuals with and without each star, and the variance of the latter."""

    residual: Floats
    without: Floats
    variance: Floats


def _solve(normal: _Normal, taus: Floats, noise: float) -> _Solution:
    tau_common, tau_own = _spread(taus)
    eye = np.eye(len(tau_own))
    inverse = np.asarray(
        np.linalg.inv(eye + normal.own * np.outer(tau_own, tau_own) / noise), np.float64
    )
    coupled = normal.coupled * np.outer(tau_own, tau_common) / noise
    own_right = normal.own_right * tau_own / noise
    coupling = inverse @ coupled
    schur = np.eye(len(tau_common)) + normal.common * np.outer(tau_common, tau_common) / noise
    schur -= np.einsum("dapk,dapl->kl", coupled, coupling)
    covariance = np.asarray(np.linalg.inv(schur), np.float64)
    common_right = normal.common_right * tau_common / noise
    common = covariance @ (common_right - np.einsum("dapk,dap->k", coupling, own_right))
    own = np.einsum("dapq,daq->dap", inverse, own_right) - coupling @ common
    explained = float(common @ common_right + np.sum(own * own_right))
    length = float(common @ common + np.sum(own**2))
    log_det = np.linalg.slogdet(schur)[1] - np.linalg.slogdet(inverse)[1].sum()
    chi2 = normal.square / noise - explained - length
    log_weight = normal.log_weight - normal.count * np.log(noise)
    variance = np.einsum("dapp->dap", inverse) + np.sum((coupling @ covariance) * coupling, axis=-1)
    evidence = 0.5 * (log_weight - chi2 - length - log_det)
    return _Solution(common, own, covariance, inverse, coupling, variance, chi2, float(evidence))


def _maximise(
    normal: _Normal, taus: Floats, noise: float, iterations: int
) -> tuple[Floats, float, float]:
    """Priors, noise and logarithm of the evidence at its maximum."""
    last = -np.inf
    for _ in range(iterations):
        solution = _solve(normal, taus, noise)
        if abs(solution.evidence - last) < SETTLED:
            break
        last = solution.evidence
        tau_common, tau_own = _spread(taus)
        square = np.bincount(COMMON_GROUP, (tau_common * solution.common) ** 2, len(GROUPS))
        square += np.bincount(OWN_GROUP, np.sum((tau_own * solution.own) ** 2, (0, 1)), len(GROUPS))
        known = np.bincount(
            COMMON_GROUP, 1 - np.diag(solution.common_covariance), len(GROUPS)
        ) + np.bincount(OWN_GROUP, np.sum(1 - solution.own_variance, (0, 1)), len(GROUPS))
        determined = float(known[taus > 0].sum())
        noise = max(1.0, noise * solution.chi2 / max(normal.count - determined, 1.0))
        fresh = np.sqrt(square / np.maximum(known, 1e-9))
        taus = np.where(taus > 0, np.minimum(fresh, FREE), 0.0)
        taus[0] = FREE
    return taus, noise, last


def _robust(
    every: _Design, state: _State, circle: float, clip: float, rounds: int
) -> tuple[_State, _Solution]:
    """Alternate priors and weights."""
    for _ in range(rounds):
        normal = every.normal(state.good)
        taus, noise, _ = _maximise(normal, state.taus, state.noise, ITERATIONS)
        solution = _solve(normal, taus, noise)
        left = every.left_out(taus, solution, state.good, noise)
        chi2 = np.sum(left.without**2 / left.variance, axis=1)
        density = np.exp(-chi2 / 2) / (2 * np.pi * np.sqrt(left.variance.prod(axis=1)))
        outliers = state.outliers
        likely = (1 - outliers) * density
        good = np.where(chi2 < clip**2, likely / (likely + outliers / (np.pi * circle**2)), 0.0)
        outliers = float(np.clip(1 - good.mean(), 0.5 / len(good), MOST_OUTLIERS))
        settled = np.abs(good - state.good).max() < 1e-2
        state = _State(taus, good, noise, outliers)
        if settled:
            break
    return state, _solve(every.normal(state.good), state.taus, state.noise)


def _finished(
    every: _Design,
    geometry: FieldGeometry,
    state: _State,
    solution: _Solution,
    evidence: dict[FieldGeometry, float],
) -> FieldFit:
    tau_common, tau_own = _spread(state.taus)
    left = every.left_out(state.taus, solution, state.good, state.noise)
    weight = state.good[:, None] / every.pairs.sigma**2
    return FieldFit(
        geometry,
        state.taus,
        tau_common * solution.common,
        tau_own * solution.own,
        state.good,
        float(np.sqrt(state.noise)),
        {str(kind): value for kind, value in evidence.items()},
        left.residual,
        float(np.sqrt(2 * np.average(left.residual**2, weights=weight))),
        solution,
    )
